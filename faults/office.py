"""What rows about relays share: a clock that jumps, handlers that take notes, and what must be true."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from e3_event import Event, EventHandler
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import State
from e3_event.spool._pending import open_deliveries, owed
from e3_event.spool._queue import MOST_CRASHES
from e3_event.spool._subscriptions import LEASE, load

from .promise import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .bench import Bench
    from .child import Child

#: Seconds after which nobody waits any longer for what should have come at once.
SOON = 20.0


class SharedClock:
    """The time, and an offset that all processes of a trial share.

    :param path: a file; made if it is not there
    """

    def __init__(self, path: str) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size < 8:
                os.ftruncate(fd, 8)
            self._memory = mmap.mmap(fd, 8)
        finally:
            os.close(fd)

    def __call__(self) -> float:
        return time.time() + float(struct.unpack("d", self._memory[:])[0])

    def advance(self, seconds: float) -> None:
        self._memory[:] = struct.pack("d", struct.unpack("d", self._memory[:])[0] + seconds)


class Noted(NamedTuple):
    """A line of a handler's notes: an event that it got."""

    id: str
    name: str
    pid: int
    at: float


class Noting(EventHandler):
    """A handler that notes each event in a file, with one system call.

    :param path: the file; many processes may append to it
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def send_event(self, event: Event) -> bool:
        return self.note(event)

    def note(self, event: Any) -> bool:
        line = f"{event.snapshot_id} {event['name']} {os.getpid()} {time.monotonic()}\n"
        os.write(self._fd, line.encode())
        return True


class NotingMany(Noting):
    """Takes many at once."""

    def send_events(self, events: Sequence[Event]) -> list[bool | Exception]:
        return [self.note(event) for event in events]


class Office:
    """A spool with handlers, and what became of its events.

    :ivar out: what was out with a relay when it was harmed: for each handler, how often each event was
    """

    def __init__(self, bench: Bench, names: Sequence[str]) -> None:
        self.bench = bench
        self.names = names
        self.clock = SharedClock(bench.path("clock"))
        self.spool = Spool(bench.spool, clock=self.clock)
        self.journal = Journal(bench.journal)
        self.out: dict[str, Counter[str]] = {name: Counter() for name in names}
        numbers = self.spool.register([Key(name) for name in names])
        self._numbers = dict(zip(names, numbers, strict=True))

    def put(self, *names: str) -> None:
        """Put events of these names, as one batch."""
        error = self.journal.put(self.spool, *[Event(name) for name in names])
        if error is not None:
            raise error

    def notes(self, name: str) -> list[Noted]:
        """What a handler got so far."""
        return read_notes(self.bench.path(f"notes-{name}"))

    def note_out(self, names: Sequence[str] | None = None) -> int:
        """Note what is out with a relay that is dead or asleep.

        :param names: the handlers that it served; `None`: all
        :return: how many deliveries were out
        """
        count = 0
        for name in self.names if names is None else names:
            number = self._numbers[name]
            with self.spool._database.reading() as connection:
                mine = load(connection, number)
                seqs = [seq for part in mine.lane.loan for seq in owed(connection, mine, part, -1)]
                seqs += [one.seq for one in open_deliveries(connection, number, State.LOAN)]
                for seq in seqs:
                    sql = "SELECT snapshot_id FROM event WHERE seq = ?"
                    self.out[name][str(connection.execute(sql, (seq,)).get)] += 1
            count += len(seqs)
        return count

    def let_leases_lapse(self) -> None:
        self.clock.advance(LEASE + 1)

    def states(self, name: str) -> dict[str, tuple[State, int]]:
        """What is written down of the deliveries to a handler: state and crashes, by snapshot."""
        with self.spool._database.reading() as connection:
            rows: Any = connection.execute(
                "SELECT snapshot_id, state, crashes FROM delivery JOIN event USING (seq)"
                " WHERE subscription = ?",
                (self._numbers[name],),
            ).fetchall()
        return {snapshot_id: (State(state), crashes) for snapshot_id, state, crashes in rows}

    def losses(self) -> list[str]:
        """What is broken, once nothing waits any more.

        Each acknowledged event is delivered or a dead letter, and came again only as often as it was out.
        """
        books = self.bench.books()
        found = list(books.losses)
        for name in self.names:
            states = self.states(name)
            got = Counter(note.id for note in self.notes(name))
            for snapshot_id in books.acknowledged:
                problem = _problem(states.get(snapshot_id), got[snapshot_id], self.out[name][snapshot_id])
                if problem:
                    found.append(f"{name}: {snapshot_id}: {problem}")
        return found

    def close(self) -> None:
        self.spool.close()


def _problem(state: tuple[State, int] | None, got: int, out: int) -> str:
    """What is wrong with a delivery: its state and crashes, how often it came, how often it was out."""
    if state is None:
        return "nothing became of it"
    if state[0] not in (State.DELIVERED, State.DEAD):
        return f"it ended as {state[0].name}"
    if state[0] is State.DELIVERED and not got:
        return "it is said to be delivered, and was not"
    if state[0] is State.DEAD and out < MOST_CRASHES:
        return f"it was given up though it was out {out} times only"
    if got > 1 + out:
        return f"it came {got} times, though it was out {out} times only"
    return ""


def read_notes(path: str) -> list[Noted]:
    """The notes of a handler."""
    try:
        with open(path) as file:
            lines = file.read().split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [
        Noted(snapshot_id, name, int(pid), float(at)) for snapshot_id, name, pid, at in map(_fields, lines)
    ]


def last_noter(path: str) -> int:
    """The process that wrote the last of a handler's notes; 0: there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 4096))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return 0
    return int(lines[-2].split()[-2]) if len(lines) > 1 else 0


def _fields(line: str) -> tuple[str, str, str, str]:
    snapshot_id, _, rest = line.partition(" ")
    name, pid, at = rest.rsplit(" ", 2)
    return snapshot_id, name, pid, at


def is_soon(is_so: Callable[[], object], seconds: float = SOON) -> bool:
    """Wait until something is so; return whether it came to that in time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def put_steadily(child: Child) -> None:
    """Put small events, alone and in batches, until somebody ends it."""
    spool = Spool(child.folder, clock=SharedClock(child.beside("clock")))
    child.say("begins")
    for number in _count():
        size = child.random.choice((1, 1, 1, 10))
        child.journal.put(spool, *[Event(f"{number}-{place}") for place in range(size)])
        time.sleep(0.001)


def _count() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1
