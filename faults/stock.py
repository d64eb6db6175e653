"""A spool with something of everything, and what is owed by it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from e3_event import Attachment, Event, EventError
from e3_event.handler_tools import attachments
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import Delivery, State
from e3_event.spool._queue import Queue
from e3_event.spool._taken import Taken

from .damage import states_of

ARCHIVE, MAIL, CHAT = Key("archive"), Key("mail", "f0"), Key("chat", "a1")
KEYS = (ARCHIVE, MAIL, CHAT)
#: What is attached, and to which events: to every so many-th.
FILES = {"small": b"s" * 900, "page": b"p" * 20_000, "large": b"l" * 40_000}
_EVERY = {"small": 9, "page": 20, "large": 15}
#: What becomes of one delivery after the other.
STATES = (State.DELIVERED, State.DELIVERED, State.AGAIN, State.DEAD, State.SKIPPED)
#: Seconds that the clock of a later worker is ahead: leases have lapsed, retries are due.
LATER = 1000.0


class Stock:
    """A spool with events of two audiences, some with attachments, and deliveries in every state.

    :param folder: gets the spool and the attached files
    :ivar events: what each event has to be, by its seq: data, attachments, names of those that are owed it
    :ivar owed: what is not settled: seqs, with ids of subscriptions
    """

    def __init__(self, folder: Path, count: int = 60) -> None:
        self.path = folder / "spool"
        self.spool = Spool(self.path)
        self.ids = dict(zip(KEYS, self.spool.register(KEYS), strict=True))
        self.events: dict[int, tuple[dict[str, Any], dict[str, bytes], set[Key]]] = {}
        self.snapshots: list[str] = []
        self._folder = folder
        for name, content in FILES.items():
            (folder / name).write_bytes(content)
        self.put(count // 2)
        self.work(ARCHIVE, count // 3)
        self.work(MAIL, count // 4)
        self.put(count - count // 2)
        self.out = self.spool.queue(self.ids[ARCHIVE])  # a worker that is busy
        assert self.out.acquire()
        taken = self.out.turn([], 6)
        self.out.turn([self._delivery(one, ARCHIVE, State.DELIVERED) for one in taken[:3]])

    def put(self, count: int) -> None:
        """Put so many further events."""
        for number in range(len(self.events) + 1, len(self.events) + count + 1):
            event = Event("build", number=number, padding="y" * (number * 37 % 900))
            named = [name for name, every in _EVERY.items() if number % every == 1]
            for name in named:
                event.attach_file(self._folder / name, name)
            owed_to = {1: (MAIL,), 2: (MAIL, CHAT)}.get(number % 5)
            snapshot = event.snapshot()
            self.snapshots.append(self.spool.put(snapshot, owed_to=owed_to))
            kept = {name: FILES[name] for name in named}
            self.events[number] = (snapshot.as_dict(), kept, set(owed_to or (ARCHIVE,)))

    def work(self, key: Key, count: int) -> None:
        """Take so many of what a handler is owed; what becomes of them differs."""
        queue = self.spool.queue(self.ids[key])
        assert queue.acquire()
        taken = queue.turn([], count)
        queue.turn([self._delivery(one, key, STATES[n % len(STATES)]) for n, one in enumerate(taken)])
        queue.release()

    def _delivery(self, one: Taken, key: Key, state: State) -> Delivery:
        now = time.time()
        reason = "why" if state in (State.AGAIN, State.DEAD) else ""
        return Delivery(one.seq, self.ids[key], state, one.attempts + 1, one.crashes, now, now, 0.1, reason)

    @property
    def every(self) -> set[tuple[int, int]]:
        """Every delivery that there is to be."""
        return {(seq, self.ids[key]) for seq, (_, _, owed_to) in self.events.items() for key in owed_to}

    @property
    def owed(self) -> set[tuple[int, int]]:
        states = states_of(self.path)
        return {pair for pair in self.every if states.get(pair, State.AGAIN) < State.DEAD}

    def close(self) -> None:
        """Close it, so that the database is one file."""
        self.out.release()
        self.spool.close()

    def copy(self, target: Path) -> Path:
        """Copy its files as they lie there, as after a crash."""
        shutil.copytree(self.path, target, copy_function=shutil.copyfile)
        os.chmod(target, 0o700)
        (target / "spool.db-shm").unlink(missing_ok=True)
        return target

    def deliver(self, path: Path, ahead: float = LATER) -> Delivered:
        """Deliver all that a spool gives away for its handlers."""
        return Delivered(self, path, ahead)


class Delivered:
    """What came out of a spool.

    :ivar came: how often what was delivered: seqs, with ids of subscriptions
    :ivar dead: likewise what was given up, as it is damaged
    :ivar wrong: what came that should not have: another content, or to somebody else
    :ivar problems: why something could not be done
    :ivar refused: those of them that the spool said instead of giving anything
    """

    def __init__(self, stock: Stock, path: Path, ahead: float) -> None:
        self._stock = stock
        self.came: dict[tuple[int, int], int] = {}
        self.dead: set[tuple[int, int]] = set()
        self.wrong: list[str] = []
        self.problems: list[str] = []
        self.refused: list[str] = []
        self._by_id = dict(zip(stock.snapshots, stock.events, strict=True))
        try:
            spool = Spool(path, clock=lambda: time.time() + ahead)
        except (EventError, OSError) as error:
            self._refuse(error)
            return
        try:
            for key in stock.ids:
                try:
                    self._drain(spool.queue(*spool.register([key])), key)
                except EventError as error:
                    self._refuse(error)
        finally:
            spool.close()

    def _refuse(self, error: Exception) -> None:
        self.problems.append(str(error))
        self.refused.append(str(error))

    def _drain(self, queue: Queue, key: Key) -> None:
        if not queue.acquire():
            self.problems.append(f"{key.name} is served by another one")
            return
        done: list[Delivery] = []
        for _ in range(500):
            taken = queue.turn(done, 7)
            if not taken:
                queue.release()
                return
            done = [self._handle(queue, key, one) for one in taken]
            queue.unpacker.tidy(taken)
        self.problems.append("there is no end")

    def _handle(self, queue: Queue, key: Key, one: Taken) -> Delivery:
        problem = one.problem or self._look(key, one)
        if problem == "its attachments can't be read":
            problem = queue.unpacker.examine(one)
            assert problem
        state = State.DEAD if problem else State.DELIVERED
        if problem:
            self.problems.append(f"{one.seq}: {problem}")
            self.dead.add((one.seq, self._stock.ids[key]))
        return Delivery(one.seq, queue.number, state, 1, one.crashes, 0.0, time.time(), 0.0, problem)

    def _look(self, key: Key, one: Taken) -> str:
        assert one.snapshot is not None
        seq = self._by_id.get(one.snapshot.snapshot_id)
        if seq is None:
            self.wrong.append(f"an event that was never put: {one.seq}")
            return ""
        data, files, owed_to = self._stock.events[seq]
        if one.snapshot.as_dict() != data:
            self.wrong.append(f"{seq}: other data")
        if key not in owed_to:
            self.wrong.append(f"{seq}: came to {key.name}")
        try:
            found = {name: _read(path) for name, (path, _) in one.snapshot.get_attachments().items()}
            again = {attachment.name: _content(attachment) for attachment in attachments(one.snapshot)}
        except OSError:
            return "its attachments can't be read"
        if not found == again == files:
            self.wrong.append(f"{seq}: other attachments")
        pair = (seq, self._stock.ids[key])
        self.came[pair] = self.came.get(pair, 0) + 1
        return ""


def _content(attachment: Attachment) -> bytes:
    with attachment.open() as file:
        return file.read()


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
