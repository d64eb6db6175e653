"""Row 14: the clock jumps while a relay runs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from .bench import Bench, Outcome
from .office import Noting, Office, SharedClock, is_soon

if TYPE_CHECKING:
    from e3_event import Event

    from .child import Child

HOUR, YEAR = 3600.0, 365 * 86400.0
JUMPS = (HOUR, -HOUR, 10 * YEAR, -10 * YEAR)
#: Seconds at most between two attempts of one event, and for which attempts are counted after a jump.
_LONGEST = 3.0
_COUNTED = 0.5
#: Seconds in which a new event has to arrive, and those that were tried before.
_NEW, _OLD = 5.0, 2 * _LONGEST


class Failing(Noting):
    """Fails for events whose names begin with `bad`, until a file is there; notes every attempt."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._healed = f"{path}.healed"

    def send_event(self, event: Event) -> bool:
        self.note(event)
        return not event["name"].startswith("bad") or os.path.exists(self._healed)


def relay_flaky(child: Child) -> None:
    """Deliver until somebody ends it."""
    from e3_event._relay import Relay, Subscriber
    from e3_event._retry import RetryPolicy
    from e3_event.spool import Key, Spool

    spool = Spool(child.folder, clock=SharedClock(child.beside("clock")))
    handler = Failing(child.beside("notes-h"))
    policy = RetryPolicy(first=_LONGEST / 2, longest=_LONGEST, age=100 * YEAR)
    relay = Relay(spool, [Subscriber(key=Key("h"), build=lambda: handler, retry=policy)])
    relay.start()
    child.say("begins")
    while relay.wait(1.0):
        pass


def jump(bench: Bench) -> Outcome:
    """Let the clock jump to and fro; new events arrive at once, old ones soon, and nobody is hammered."""
    office = Office(bench, ("h",))
    office.put("bad 1", "bad 2", "good")
    relay = bench.child(relay_flaky)
    bench.hear(relay, "begins")
    outcome = Outcome()
    is_soon(lambda: len(office.notes("h")) >= 3)
    jumps = list(JUMPS)
    bench.random.shuffle(jumps)
    for number, seconds in enumerate(jumps):
        time.sleep(bench.random.uniform(0, 0.3))  # the moment is the fault
        before = len(office.notes("h"))
        office.clock.advance(seconds)
        office.put(f"new {number}")
        losses = []
        if not is_soon(lambda name=f"new {number}": _has(office, name), _NEW):  # type: ignore[misc]
            losses.append(f"after a jump of {seconds:g} s a new event did not arrive in {_NEW:g} s")
        time.sleep(_COUNTED)
        if (count := len(office.notes("h")) - before) > 10:
            losses.append(f"after a jump of {seconds:g} s there were {count} attempts")
        outcome.add(losses)
    outcome.losses += _heal(bench, office)
    outcome.first = outcome.first or (outcome.runs if outcome.losses else 0)
    office.close()
    return outcome


def _heal(bench: Bench, office: Office) -> list[str]:
    """Let what failed succeed from now on; say what does not come to its end."""
    with open(bench.path("notes-h.healed"), "w"):
        pass

    def are_done() -> bool:
        return {state.name for state, _ in office.states("h").values()} == {"DELIVERED"}

    if is_soon(are_done, _OLD):
        return []
    states = [state.name for state, _ in office.states("h").values()]
    return [f"what had failed was not delivered within {_OLD:g} s: {states}"]


def _has(office: Office, name: str) -> bool:
    return any(note.name == name for note in office.notes("h"))
