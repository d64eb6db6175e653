"""Rows 2, 13 and 19: a relay killed at a random moment, asleep past its lease, ended by a handler."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from e3_event.spool._queue import MOST_CRASHES

from .bench import Bench, HangError, Outcome
from .office import Noting, NotingMany, Office, SharedClock, is_soon, put_steadily

if TYPE_CHECKING:
    from e3_event import Event, EventHandler

    from .child import Child

#: Kills of one trial, and seconds at most that a relay lives.
KILLS = 5
LONGEST = 0.12
#: Seconds that the last relay may take.
PATIENCE = 60.0
#: Seconds after which a handler that was in the middle of an event says that it has failed.
_ASLEEP = 0.3


class Slow(Noting):
    """Takes its time; answers no for an event at which it was asleep, although it is noted."""

    def send_event(self, event: Event) -> bool:
        started = time.monotonic()
        time.sleep(0.004)
        self.note(event)
        return time.monotonic() - started < _ASLEEP


class Exiting(Noting):
    """Ends the process when it gets the event `poison`."""

    def send_event(self, event: Event) -> bool:
        if event["name"] == "poison":
            time.sleep(0.02)  # so that other handlers are in the middle of an event
            os._exit(7)
        return self.note(event)


class Tardy(Noting):
    """Needs long for each event, so that it is nearly always in the middle of one."""

    def send_event(self, event: Event) -> bool:
        time.sleep(0.05)
        return self.note(event)


_KINDS: dict[str, type[Noting]] = {
    "plain": Noting,
    "many": NotingMany,
    "slow": Slow,
    "exiting": Exiting,
    "tardy": Tardy,
}


def make_relay(child: Child) -> Any:
    """A relay for handlers that are called as their kind."""
    from e3_event._relay import Relay, Subscriber
    from e3_event._retry import RetryPolicy
    from e3_event.spool import Key, Spool

    def subscriber(name: str) -> Subscriber:
        handler: EventHandler = _KINDS[name](child.beside(f"notes-{name}"))
        return Subscriber(
            key=Key(name), build=lambda: handler, retry=RetryPolicy(first=0.05, longest=0.1, age=1e11)
        )

    spool = Spool(child.folder, clock=SharedClock(child.beside("clock")))
    return Relay(spool, [subscriber(name) for name in child.options["handlers"]])


def relay_endlessly(child: Child) -> None:
    """Deliver until somebody ends it."""
    relay = make_relay(child)
    relay.start()
    child.say("begins")
    while relay.wait(1.0):
        pass


def relay_all(child: Child) -> None:
    """Deliver until nothing waits any more."""
    relay = make_relay(child)
    end = time.monotonic() + PATIENCE / 2
    while relay.waits() and time.monotonic() < end:
        relay.run_once(PATIENCE / 4)


def kill_relays(bench: Bench) -> Outcome:
    """Kill relays at random moments while somebody puts; the last one delivers what is left."""
    handlers = ("plain", "many")
    office = Office(bench, handlers)
    outcome = Outcome()
    writer = bench.child(put_steadily)
    bench.hear(writer, "begins")
    for kill in range(KILLS):
        relay = bench.child(relay_endlessly, handlers=handlers)
        bench.hear(relay, "begins")
        time.sleep(bench.random.uniform(0, LONGEST))  # the moment is the fault
        bench.kill(relay)
        office.note_out()
        office.let_leases_lapse()
        if kill < KILLS - 1:
            outcome.add([])
    bench.kill(writer)
    bench.finish(bench.child(relay_all, handlers=handlers))
    outcome.add(office.losses())
    office.close()
    return outcome


def put_to_sleep(bench: Bench) -> Outcome:
    """Stop a relay in the middle of its work; another one takes its lease; let the first one go on."""
    office = Office(bench, ("slow",))
    office.put(*map(str, range(60)))
    first = bench.child(relay_endlessly, handlers=("slow",))
    bench.hear(first, "begins")
    wanted = bench.random.randrange(1, 40)
    if not is_soon(lambda: len(office.notes("slow")) >= wanted):
        raise HangError("a relay delivered nothing")
    os.kill(first.pid, signal.SIGSTOP)
    time.sleep(0.01)  # until it has really stopped
    before = len(office.notes("slow"))
    office.note_out()
    office.let_leases_lapse()
    second = bench.child(relay_endlessly, handlers=("slow",))
    bench.hear(second, "begins")
    has_taken_over = is_soon(lambda: any(note.pid == second.pid for note in office.notes("slow")), 3.0)
    is_soon(lambda: len(office.notes("slow")) > before + 3, 1.0)
    os.kill(first.pid, signal.SIGCONT)
    is_soon(lambda: not _waits(office), 10.0)
    losses = []
    late = [note for note in office.notes("slow")[before:] if note.pid == first.pid]
    if has_taken_over and len(late) > 1:  # else it was asleep inside of a commit, which keeps all others out
        losses.append(f"it went on with {len(late)} events that another relay had taken over")
    bench.kill(first)
    bench.kill(second)
    office.let_leases_lapse()
    bench.finish(bench.child(relay_all, handlers=("slow",)))
    losses += office.losses() if has_taken_over else []
    office.close()
    return Outcome.of(losses)


def _waits(office: Office) -> bool:
    return not office.spool.queue(office._numbers["slow"]).is_empty()


def exit_in_a_handler(bench: Bench) -> Outcome:
    """Let a handler end its process at one event, until that is given up."""
    handlers = ("tardy", "plain", "exiting")
    office = Office(bench, handlers)
    names = [str(number) for number in range(bench.random.choice((0, 3, 12)))]
    names.insert(bench.random.randrange(len(names) + 1), "poison")
    office.put(*names)
    deaths = 0
    while deaths < 2 * MOST_CRASHES:
        relay = bench.child(relay_all, handlers=handlers)
        if bench.finish(relay, exits=None) == 0:
            break
        deaths += 1
        office.note_out()
        office.let_leases_lapse()
    losses = office.losses()
    if deaths != MOST_CRASHES:
        losses.append(f"its process was ended {deaths} times")
    for name in handlers:
        dead = [one for one, (state, _) in office.states(name).items() if state.name == "DEAD"]
        if len(dead) != (name == "exiting"):
            losses.append(f"{len(dead)} dead letters of {name}")
    office.close()
    return Outcome.of(losses)
