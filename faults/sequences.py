"""Row 22: random sequences of put, claim, settle, death and clock against a model of a few lines."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from e3_event import Event
from e3_event.spool import Key, Spool, _deliveries
from e3_event.spool._deliveries import Delivery, State
from e3_event.spool._queue import LeaseLostError, Queue
from e3_event.spool._subscriptions import LEASE

from .bench import Bench, Outcome
from .machine import memory_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .child import Child

#: What the model takes for promised: deaths until an event is given up, and how far a clock may be ahead.
MOST_CRASHES, CLOCK_SLACK = 3, 60.0
#: Sequences of one trial, and of one of `make test`.
EXAMPLES, FEW = 250, 40
#: Rules in a sequence, at most.
_STEPS = 40
_OWED, _OUT = "owed", "out"
#: Handlers: one of a configuration file, the same in strict order, and one of a job's own.
_HANDLERS = ("live", "strict", "job")


class Entry:
    """What the model knows of a delivery.

    :ivar state: `owed` (never tried), `out`, or a state of the ledger
    """

    def __init__(self) -> None:
        self.state: str | State = _OWED
        self.attempts = 0
        self.crashes = 0
        self.due = 0.0
        self.updated = 0.0
        self.arrived = 0

    def change(self, state: str | State, now: float, wait: float = 0.0) -> None:
        self.state, self.due, self.updated = state, now + wait, now


class Worker(NamedTuple):
    """A queue, and what it has out, in the order in which it was taken."""

    queue: Queue
    out: list[int]


class Sequences(RuleBasedStateMachine):
    """A spool and its model.

    The handlers of each sequence are new, so that all share one spool: opening costs more than a sequence.
    """

    spool: Spool
    clock: SequenceClock
    count = 0

    @initialize()
    def begin(self) -> None:
        Sequences.count += 1
        names = [f"{name}-{Sequences.count}" for name in _HANDLERS]
        self.keys = {
            name: Key(full, "f" if name == "job" else "") for name, full in zip(_HANDLERS, names, strict=True)
        }
        numbers = self.spool.register(list(self.keys.values()))
        self.numbers = dict(zip(_HANDLERS, numbers, strict=True))
        self.model: dict[str, dict[int, Entry]] = {name: {} for name in _HANDLERS}
        self.workers: dict[str, Worker | None] = dict.fromkeys(_HANDLERS)
        self.stale: list[tuple[str, Worker]] = []
        self.until = dict.fromkeys(_HANDLERS, 0.0)
        self.has_lease = dict.fromkeys(_HANDLERS, False)

    @property
    def now(self) -> float:
        return self.clock()

    @rule(count=st.integers(1, 8), is_of_job=st.booleans())
    def put(self, count: int, is_of_job: bool) -> None:
        owed_to = [self.keys["job"]] if is_of_job else None
        self.spool.put_many([Event("x")] * count, owed_to=owed_to)
        newest = self.spool._database.newest()
        for seq in range(newest - count + 1, newest + 1):
            for name in ["job"] if is_of_job else ["live", "strict"]:
                self.model[name][seq] = Entry()

    @rule(name=st.sampled_from(_HANDLERS))
    def acquire(self, name: str) -> None:
        """A worker wants the lease; one that has it already may have slept past its end."""
        queue = self.spool.queue(self.numbers[name], strict=name == "strict")
        is_served = self.has_lease[name] and self.now < self.until[name] <= self.now + 2 * LEASE
        assert queue.acquire() == (not is_served)
        if is_served:
            return
        if (old := self.workers[name]) is not None:
            self.stale.append((name, old))
        for entry in self.model[name].values():
            if entry.state == _OUT:
                entry.crashes += 1
                entry.change(State.AGAIN if entry.crashes < MOST_CRASHES else State.DEAD, self.now)
            elif (
                entry.state is State.AGAIN and entry.due > self.now and entry.updated > self.now + CLOCK_SLACK
            ):
                entry.change(State.AGAIN, self.now)
        self.workers[name] = Worker(queue, [])
        self._renewed(name)

    @precondition(lambda self: any(self.workers.values()))
    @rule(data=st.data(), limit=st.integers(1, 12))
    def turn(self, data: st.DataObject, limit: int) -> None:
        """Settle all that is out, in any way, and take more."""
        name, worker = self._any(data)
        done = [self._settle(data, name, seq) for seq in worker.out]
        self._take(name, worker, done, limit)

    @precondition(lambda self: any(worker and worker.out for worker in self.workers.values()))
    @rule(data=st.data())
    def settle_some(self, data: st.DataObject) -> None:
        """Settle the first ones of what is out, and take nothing."""
        name, worker = self._any(data)
        count = data.draw(st.integers(0, len(worker.out)))
        worker.queue.turn([self._settle(data, name, seq) for seq in worker.out[:count]])
        del worker.out[:count]
        self._renewed(name)

    @precondition(lambda self: any(self.workers.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Settle some of what is out, give back the rest."""
        name, worker = self._any(data)
        count = data.draw(st.integers(0, len(worker.out)))
        worker.queue.release([self._settle(data, name, seq) for seq in worker.out[:count]])
        for seq in worker.out[count:]:
            entry = self.model[name][seq]
            is_new = entry.attempts == entry.crashes == 0 and not entry.updated
            entry.change(_OWED if is_new else State.AGAIN, 0.0 if is_new else self.now)
        self.workers[name], self.has_lease[name] = None, False

    @precondition(lambda self: any(self.workers.values()))
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        name, _ = self._any(data)
        self.workers[name] = None

    @rule(name=st.sampled_from(_HANDLERS), limit=st.integers(1, 4), deaths=st.integers(1, 4))
    def die_again_and_again(self, name: str, limit: int, deaths: int) -> None:
        for _ in range(deaths):
            self.workers[name] = None
            self.clock.advance(LEASE + 1)
            self.acquire(name)
            worker = self.workers[name]
            if worker is None:
                return  # the lease of a clock that was ahead
            self._take(name, worker, [], limit)
        self.workers[name] = None

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def wake_up(self, data: st.DataObject) -> None:
        """One that slept past its lease wants to settle what it has out."""
        name, worker = self.stale.pop()
        now = self.now
        done = [Delivery(seq, self.numbers[name], State.DEAD, 9, 9, now, now) for seq in worker.out]
        act = data.draw(st.sampled_from(("turn", "release", "renew", "catch_up")))
        try:
            if act in ("turn", "release"):
                getattr(worker.queue, act)(done)
            else:
                getattr(worker.queue, act)()
        except LeaseLostError:
            return
        raise AssertionError("a lapsed lease could still be used")

    @precondition(lambda self: any(self.workers.values()))
    @rule(data=st.data())
    def catch_up(self, data: st.DataObject) -> None:
        _, worker = self._any(data)
        worker.queue.catch_up()

    @rule(name=st.sampled_from(_HANDLERS), which=st.integers(0, 3))
    def try_again(self, name: str, which: int) -> None:
        """A person wants some of the dead letters to be tried again."""
        dead = [seq for seq, entry in self.model[name].items() if entry.state is State.DEAD]
        chosen = dead[which::2]
        now = self.now
        rows = [Delivery(seq, self.numbers[name], State.AGAIN, 0, 0, now, now) for seq in chosen]
        with self.spool._database.writing() as connection:
            _deliveries.write(connection, rows)
        for seq in chosen:
            entry = self.model[name][seq]
            entry.attempts = entry.crashes = 0
            entry.change(State.AGAIN, now)

    @rule(seconds=st.sampled_from((1.0, 10.0, LEASE / 2, LEASE + 1)))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from((3600.0, -3600.0, -5.0, 10 * 365 * 86400.0, -10 * 365 * 86400.0)))
    def jump(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(name=st.sampled_from(_HANDLERS))
    def look(self, name: str) -> None:
        """Is what is said of a handler's deliveries so?"""
        queue = self.spool.queue(self.numbers[name], strict=name == "strict")
        entries = self.model[name].values()
        is_open = any(entry.state in (_OWED, _OUT, State.AGAIN) for entry in entries)
        assert queue.is_empty() == (not is_open)
        is_ready, due = queue.ready()
        if self._available(name):
            assert is_ready, "something can be taken, and nobody is told"
        again = sorted(
            (seq, entry.due) for seq, entry in self.model[name].items() if entry.state is State.AGAIN
        )
        if not is_ready and again:
            assert due == (again[0][1] if name == "strict" else min(when for _, when in again))

    def teardown(self) -> None:
        """Deliver all there is; each delivery ends in one state, as the model says, and none is lost."""
        if not hasattr(self, "model"):
            return
        self.clock.advance(20 * 365 * 86400.0)
        for name in _HANDLERS:
            self.workers[name] = None
            self.clock.advance(2 * LEASE)
            self.acquire(name)
            worker = self.workers[name]
            assert worker is not None
            for _ in range(10_000):
                done = [self._delivered(name, seq) for seq in worker.out]
                if not self._take(name, worker, done, 12):
                    break
            self._compare(name)
            worker.queue.release()

    def _compare(self, name: str) -> None:
        with self.spool._database.reading() as connection:
            rows: Any = connection.execute(
                "SELECT seq, state, attempts, crashes FROM delivery WHERE subscription = ?",
                (self.numbers[name],),
            ).fetchall()
        expected = {
            (seq, entry.state, entry.attempts, entry.crashes) for seq, entry in self.model[name].items()
        }
        assert set(rows) == expected

    def _any(self, data: st.DataObject) -> tuple[str, Worker]:
        served = [(name, worker) for name, worker in self.workers.items() if worker]
        return data.draw(st.sampled_from(served), label="worker")

    def _renewed(self, name: str) -> None:
        self.until[name], self.has_lease[name] = self.now + LEASE, True

    def _settle(self, data: st.DataObject, name: str, seq: int) -> Delivery:
        """Decide what becomes of a delivery that is out."""
        verdict = data.draw(st.sampled_from(("delivered", "delivered", "again", "again", "untried", "dead")))
        if verdict == "delivered":
            return self._delivered(name, seq)
        entry = self.model[name][seq]
        entry.attempts += verdict != "untried"
        wait = data.draw(st.sampled_from((0.0, 5.0, 100.0))) if verdict == "again" else 0.0
        entry.change(State.DEAD if verdict == "dead" else State.AGAIN, self.now, wait)
        return self._row(name, seq)

    def _delivered(self, name: str, seq: int) -> Delivery:
        entry = self.model[name][seq]
        entry.attempts += 1
        entry.arrived += 1
        entry.change(State.DELIVERED, self.now)
        return self._row(name, seq)

    def _row(self, name: str, seq: int) -> Delivery:
        entry = self.model[name][seq]
        assert isinstance(entry.state, State)
        return Delivery(
            seq, self.numbers[name], entry.state, entry.attempts, entry.crashes, entry.due, entry.updated
        )

    def _take(self, name: str, worker: Worker, done: Sequence[Delivery], limit: int) -> bool:
        """Settle and take; compare what comes with what may come."""
        available = self._available(name)
        taken = worker.queue.turn(done, limit)
        self._renewed(name)
        seqs = [one.seq for one in taken]
        assert len(seqs) == len(set(seqs)) <= limit, "one comes twice, or there are too many"
        assert set(seqs) <= set(available), "something comes that is not owed now"
        for one in taken:
            entry = self.model[name][one.seq]
            assert (one.attempts, one.crashes) == (entry.attempts, entry.crashes)
            assert one.snapshot is not None
        suspects = {seq for seq in available if self.model[name][seq].crashes}
        if suspects & set(seqs):
            assert len(seqs) == 1, "what was out at a death does not go alone"
        elif not suspects:
            assert len(seqs) == min(limit, len(available)), (
                f"of {available}, {limit} could be taken, and only {seqs} were"
            )
        if name == "strict":
            assert seqs == available[: len(seqs)], "something overtook"
        if not seqs:
            assert not available
            assert not worker.queue.ready()[0], "there is said to be something, and there is nothing"
        for seq in seqs:
            self.model[name][seq].state = _OUT
        worker.out[:] = seqs
        return bool(seqs)

    def _available(self, name: str) -> list[int]:
        """What can be taken now; in strict order in the order in which it has to be."""
        now, entries = self.now, self.model[name]
        again = sorted(seq for seq, entry in entries.items() if entry.state is State.AGAIN)
        new = sorted(seq for seq, entry in entries.items() if entry.state == _OWED)
        if name != "strict":
            return [*new, *(seq for seq in again if entries[seq].due <= now)]
        if not again:
            return new
        head: list[int] = []
        for seq in again:
            if entries[seq].due > now or (entries[seq].crashes and head):
                break
            head.append(seq)
            if entries[seq].crashes:
                break
        return head


class SequenceClock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def run_sequences(child: Child) -> None:
    """Try so many sequences; the first one that fails is printed, as short as it can be made."""
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:  # only the logic is tried
        Sequences.clock = SequenceClock()
        Sequences.spool = Spool(os.path.join(folder, "spool"), retention=1e12, clock=Sequences.clock)
        run_state_machine_as_test(
            seed(child.options["seed"])(Sequences),
            settings=settings(
                max_examples=child.options["examples"],
                stateful_step_count=_STEPS,
                deadline=None,
                database=None,
                phases=(Phase.generate, Phase.shrink) if child.options["shrinks"] else (Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )
        child.say(str(Sequences.count))
        Sequences.spool.close()


def try_sequences(bench: Bench) -> Outcome:
    """Let a process try sequences."""
    examples = FEW if bench.is_short else EXAMPLES
    child = bench.child(
        run_sequences,
        seed=bench.random.randrange(2**32),
        examples=examples,
        shrinks=bench.broken is None,
    )
    code = bench.finish(child, 600, exits=None)
    outcome = Outcome(examples)
    if code:
        outcome.losses.append(bench.stderr())
        outcome.first = examples
    return outcome
