"""A worker for tests: takes what a subscription is owed and says what became of it, through a real queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from e3_event import Event
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import Delivery, State
from e3_event.spool._taken import Taken

Judge = Callable[[Taken], State]


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def put(spool: Spool, *names: str, owed_to: tuple[Key, ...] | None = None, **data: Any) -> list[str]:
    """Put closed events of these names; return their uids."""
    uids = []
    for name in names:
        event = Event(name, **data)
        event.close()
        spool.put(event, owed_to=owed_to)
        uids.append(event.uid)
    return uids


def work(spool: Spool, key: Key, judge: Judge | State = State.DELIVERED, *, reason: str = "no route") -> int:
    """Serve a subscription until there is nothing to take; return how many deliveries were judged."""
    (number,) = spool.register([key])
    queue = spool.queue(number)
    assert queue.acquire()
    done: list[Delivery] = []
    count = 0
    while taken := queue.turn(done, 500):
        count += len(taken)
        done = [_judged(one, number, judge, spool.clock(), reason) for one in taken]
    queue.release()
    return count


def _judged(one: Taken, number: int, judge: Judge | State, now: float, reason: str) -> Delivery:
    state = judge if isinstance(judge, State) else judge(one)
    failed = state in (State.AGAIN, State.DEAD)
    return Delivery(
        one.seq,
        number,
        state,
        one.attempts + 1,
        one.crashes,
        now + 3600 if state is State.AGAIN else 0.0,
        now,
        0.25,
        reason if failed else "",
    )


def by_name(**states: State) -> Judge:
    """Judge events by their names; the others are delivered."""

    def judge(one: Taken) -> State:
        return states.get(str(one.snapshot and one.snapshot.name), State.DELIVERED)

    return judge


def flip(spool: Spool, needle: bytes) -> None:
    """Change one bit of the database where *needle* lies, as a disk may do."""
    spool._database.connection.wal_checkpoint(mode=3)  # SQLITE_CHECKPOINT_TRUNCATE
    path = Path(spool.path, "spool.db")
    content = bytearray(path.read_bytes())
    places = [n for n in range(len(content)) if content.startswith(needle, n)]
    assert places, needle
    for place in places:
        content[place] ^= 1
    with path.open("r+b") as file:
        file.write(content)
