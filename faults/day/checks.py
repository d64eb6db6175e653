"""What must be true at the end of a day."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from e3_event.spool._deliveries import State
from e3_event.spool._queue import MOST_CRASHES

from .people import content

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from faults.office import Noted, Office
    from faults.promise import Books

    from .life import Record, Sample

#: Seconds after which a relay has reached the memory that it keeps, and the time over which it is measured.
_WARM, _SPAN = 60.0, 60.0
#: Bytes by which it may have grown at the end.
MOST_GROWTH = 4 << 20


@dataclass
class Account:
    """What became of the events with one handler.

    :ivar notes: what it got
    :ivar states: what is written down, by `snapshot_id`: state, and deaths of its worker
    :ivar out: how often each event was out when its relay was killed
    :ivar is_dead: whether it never answered
    """

    notes: Sequence[Noted]
    states: Mapping[str, tuple[State, int]]
    out: Mapping[str, int]
    is_dead: bool = False
    got: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        self.got = Counter(note.id for note in self.notes)

    @property
    def duplicates(self) -> int:
        return len(self.notes) - len(self.got)

    def count(self, wanted: State) -> int:
        return sum(state is wanted for state, _ in self.states.values())


def accounts(office: Office) -> dict[str, Account]:
    """Those of all handlers."""
    return {
        name: Account(office.notes(name), office.states(name), office.out[name], is_dead=name == "dead")
        for name in office.names
    }


def losses(books: Books, found: Mapping[str, Account], record: Record) -> list[str]:
    """What is broken: each text is a loss."""
    broken = [*books.losses, *(f"a put was refused: {line['text']}" for line in books.refused)]
    if record.drained is None:
        broken.append(f"not everything was delivered in time: {record.samples[-1].waiting} wait")
    if not any(note.pid == record.steady for account in found.values() for note in account.notes):
        broken.append("the relay that was not killed delivered nothing")
    for name, account in found.items():
        broken += [f"{name}: {problem}" for problem in problems(books, account)]
    return broken


def problems(books: Books, account: Account) -> Iterator[str]:
    """What is wrong with the deliveries of one handler."""
    for snapshot_id in books.acknowledged:
        if problem := _problem(account, snapshot_id):
            yield f"{snapshot_id}: {problem}"
    put = {snapshot_id: content(tried.data, tried.files) for snapshot_id, tried in books.tried.items()}
    for note in account.notes:
        if note.id not in put:
            yield f"{note.id}: it was never put"
        elif note.name != put[note.id]:
            yield f"{note.id}: what came is not what was put"


def _problem(account: Account, snapshot_id: str) -> str:
    state, crashes = account.states.get(snapshot_id, (None, 0))
    got, out = account.got[snapshot_id], account.out.get(snapshot_id, 0)
    if state not in (State.DELIVERED, State.DEAD):
        return "nothing became of it" if state is None else f"it ended as {state.name}"
    if state is State.DELIVERED and not got:
        return "it is said to be delivered, and was not"
    if state is State.DEAD and not account.is_dead and crashes < MOST_CRASHES:
        return "it was given up without a reason"
    if got > 1 + out:
        return f"it came {got} times, though it was out at {out} kills only"
    return ""


class Memory(NamedTuple):
    """Bytes of memory of the relay that was never killed: in the second minute, and in the last one."""

    early: int
    late: int

    @property
    def is_flat(self) -> bool:
        return self.late - self.early <= MOST_GROWTH


def memory(record: Record) -> Memory | None:
    """How the memory of the relay that was never killed has grown; `None`: the day was too short to tell."""
    if record.ended < _WARM + 2 * _SPAN:
        return None

    def typical(start: float) -> int:
        inside: list[Sample] = [one for one in record.samples if start <= one.at < start + _SPAN]
        return int(median(one.memory[record.steady] for one in inside))

    return Memory(typical(_WARM), typical(record.ended - _SPAN))
