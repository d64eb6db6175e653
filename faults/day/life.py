"""A day as it goes: who is started, what is killed and when, and what is seen of it each second."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from faults.bench import Bench, DiedError
from faults.office import Office, last_noter

from .people import DOOMED, STEADY, down, install, relay, write

if TYPE_CHECKING:
    from collections.abc import Callable

WRITERS = 8
#: Seconds of a day and more, in which nobody serves a handler that is given up then, and is missed first.
_RETENTION, _MISSED = 31 * 86400.0, 2 * 3600.0


class Scale(NamedTuple):
    """How much of it.

    :ivar seconds: for which events are put
    :ivar rate: events a second, by all writers
    :ivar slow: seconds that the slow handler needs for an event
    :ivar doomed: relays that share their handlers and are killed
    :ivar kills: seconds between two kills, at least and at most
    :ivar flaps: seconds for which the handler that flaps is up, and down, likewise
    :ivar lease: seconds of a lease; `None`: what the product has
    :ivar patience: seconds in which everything has to be delivered at the end
    """

    seconds: float
    rate: float = 100.0
    slow: float = 0.006
    doomed: int = 2
    kills: tuple[float, float] = (5.0, 25.0)
    flaps: tuple[float, float] = (5.0, 25.0)
    lease: float | None = None
    patience: float = 600.0


#: So that the slow handler is nearly always in the middle of something when its relay is killed.
SHORT = Scale(5.0, 60.0, 0.012, doomed=1, kills=(1.2, 3.0), flaps=(0.5, 1.5), lease=0.5, patience=60.0)


class Sample(NamedTuple):
    """What was seen at a moment.

    :ivar at: seconds since the beginning
    :ivar memory: resident bytes of each relay, by pid
    :ivar waiting: deliveries that wait, by handler
    :ivar delivered: deliveries that succeeded, of all handlers
    """

    at: float
    memory: dict[int, int]
    waiting: dict[str, int]
    delivered: int


class Kill(NamedTuple):
    """A relay that was killed.

    :ivar at: seconds since the beginning
    :ivar out: deliveries that were out with it
    """

    at: float
    out: int


@dataclass
class Record:
    """What was seen of a day.

    :ivar steady: pid of the relay that was never killed
    :ivar outages: when the handler that flaps went down, and up again
    :ivar ended: when the last event was put
    :ivar drained: when nothing waited any more but for the handler that is dead; `None`: it came to no end
    :ivar dead: dead letters of each handler, before what was never tried became dead letters, too
    """

    steady: int = 0
    samples: list[Sample] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)
    ended: float = 0.0
    drained: float | None = None
    dead: dict[str, int] = field(default_factory=dict)


class Day:
    """Everybody who takes part in a day, and what was seen of it.

    :ivar record: what was seen
    """

    def __init__(self, bench: Bench, scale: Scale) -> None:
        self.bench, self.scale = bench, scale
        self.office = Office(bench, (*STEADY, *DOOMED))
        self.record = Record()
        self._flapping = down(bench.path("notes-flapping"))
        self._env = install(bench, scale.slow)
        self._began = time.monotonic()
        self._writers = [
            bench.child(write, rate=scale.rate / WRITERS, number=number) for number in range(WRITERS)
        ]
        self._set_down(down(bench.path("notes-dead")))
        self._steady = self._relay("steady")
        self._doomed = [self._relay("doomed") for _ in range(scale.doomed)]
        self.record.steady = self._steady.pid

    def live(self) -> None:
        """Let the day pass, heal what can be healed, and let everything be delivered.

        :raises DiedError: a process ended that should not have
        :raises HangError: one does not end
        """
        wild = {self._look: 0.0, self._kill: self._random(self.scale.kills), self._flap: 0.0}
        self._spend(wild, self._is_over)
        self.bench.tell("enough")
        for writer in self._writers:
            self.bench.finish(writer)
        self.record.ended = self._now()
        self._set_up()
        self._look()
        end = self._now() + self.scale.patience
        self._spend({self._look: 0.0}, lambda: self._is_drained() or self._now() > end)
        if self._is_drained():
            self.record.drained = self._now()
        for process in (self._steady, *self._doomed):
            process.terminate()
            self.bench.finish(process)
        self._bury()

    def _spend(self, agenda: dict[Callable[[], float], float], is_over: Callable[[], bool]) -> None:
        """Do each action at its time; it says after how many seconds it is to be done again."""
        while not is_over():
            action = min(agenda, key=agenda.__getitem__)
            time.sleep(max(0.0, agenda[action] - self._now()))
            agenda[action] = self._now() + action()

    def _is_over(self) -> bool:
        """Is the time up? On a slow machine a short day goes on until a kill has hit somebody at work."""
        now, seconds = self._now(), self.scale.seconds
        has_hit = any(kill.out for kill in self.record.kills)
        return now >= seconds and (has_hit or now >= 6 * seconds)

    def _look(self) -> float:
        memory = {}
        for process in (self._steady, *self._doomed):
            if process.poll() is not None:
                raise DiedError(f"a relay ended with {process.returncode}: {self.bench.stderr()}")
            memory[process.pid] = _resident(process.pid)
        status = self.office.spool.ledger.status().subscriptions
        waiting = {one.name: one.waiting for one in status}
        delivered = sum(one.delivered for one in status)
        self.record.samples.append(Sample(self._now(), memory, waiting, delivered))
        return 1.0

    def _kill(self) -> float:
        """Kill a relay, note what it had out, and start another one.

        It served the handlers whose last note is its own: nobody else gets their leases so soon.
        """
        place, process = self._victim()
        self.bench.kill(process)
        at = self._now()
        served = [name for name in DOOMED if self._server(name) == process.pid]
        self.record.kills.append(Kill(at, self.office.note_out(served)))
        self._doomed[place] = self._relay("doomed")
        return self._random(self.scale.kills)

    def _victim(self) -> tuple[int, subprocess.Popen[str]]:
        """One of the relays that are to be killed: one that works, if there is one."""
        pid = self._server(self.bench.random.choice(DOOMED))
        working = [one for one in enumerate(self._doomed) if one[1].pid == pid]
        return self.bench.random.choice(working or list(enumerate(self._doomed)))

    def _server(self, name: str) -> int:
        """The relay that served a handler last."""
        return last_noter(self.bench.path(f"notes-{name}"))

    def _flap(self) -> float:
        if os.path.exists(self._flapping):
            self._set_up()
        else:
            self._set_down(self._flapping)
            self.record.outages.append((self._now(), self._now()))
        return self._random(self.scale.flaps)

    def _set_down(self, path: str) -> None:
        with open(path, "w"):
            pass

    def _set_up(self) -> None:
        if os.path.exists(self._flapping):
            os.unlink(self._flapping)
            self.record.outages[-1] = (self.record.outages[-1][0], self._now())

    def _is_drained(self) -> bool:
        """Does nothing wait any more but for the handler that is dead?"""
        waiting = self.record.samples[-1].waiting
        return not any(count for name, count in waiting.items() if name != "dead")

    def _bury(self) -> None:
        """Let the retention pass: what waits for a handler that nobody serves becomes dead letters then."""
        status = self.office.spool.ledger.status().subscriptions
        self.record.dead = {one.name: one.dead for one in status}
        for seconds in (_RETENTION, _MISSED):
            self.office.clock.advance(seconds)
            self.office.spool.purge(before=0.0)  # removes no event

    def _relay(self, config: str) -> subprocess.Popen[str]:
        return self.bench.child(relay, env=self._env, config=config, lease=self.scale.lease)

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _random(self, between: tuple[float, float]) -> float:
        return self.bench.random.uniform(*between)


def _resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) * 1024
