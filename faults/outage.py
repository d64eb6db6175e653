"""Row 18: a sink that was down comes back, with very many events waiting for it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from e3_event import DeliveryError, Event

from .bench import Bench, Outcome
from .office import Noting, Office, SharedClock, is_soon

if TYPE_CHECKING:
    from .child import Child


class Scale(NamedTuple):
    """How much of it. What waits must take far longer than the patience, or nobody sees what goes first.

    :ivar waiting: events that wait
    :ivar rate: deliveries a second that the handler is configured for
    :ivar patience: seconds in which a new event has to be delivered
    """

    waiting: int
    rate: float
    patience: float


_WHOLE, _SHORT = Scale(100_000, 1000.0, 5.0), Scale(4000, 200.0, 3.0)
#: Seconds for which it is looked at.
_LOOK = 3.0


class Sinking(Noting):
    """Is down while a file is there; tells how often it was tried then."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._down = f"{path}.down"

    def send_event(self, event: Event) -> bool:
        if os.path.exists(self._down):
            with open(self._down, "a") as file:
                file.write("x")
            raise DeliveryError("connection refused")
        return self.note(event)


def relay_at_a_rate(child: Child) -> None:
    """Deliver, not too fast, until somebody ends it."""
    from e3_event._relay import Relay, Subscriber
    from e3_event._retry import RetryPolicy
    from e3_event.spool import Key, Spool

    spool = Spool(child.folder, clock=SharedClock(child.beside("clock")))
    handler = Sinking(child.beside("notes-h"))
    policy = RetryPolicy(first=0.2, longest=1.0, age=1e9)
    rate = child.options["rate"]
    relay = Relay(spool, [Subscriber(key=Key("h"), build=lambda: handler, retry=policy, rate=rate)])
    relay.start()
    child.say("begins")
    while relay.wait(1.0):
        pass


def come_back(bench: Bench) -> Outcome:
    """Let a sink go down and come back; look at the rate and at new events, then let all be delivered."""
    office = Office(bench, ("h",))
    down = bench.path("notes-h.down")
    with open(down, "w"):
        pass
    scale = _SHORT if bench.is_short else _WHOLE
    relay = bench.child(relay_at_a_rate, rate=scale.rate)
    bench.hear(relay, "begins")
    for first in range(0, scale.waiting, 1000):
        office.put(*[f"old-{first + place}" for place in range(1000)])
    time.sleep(1.0)  # an outage
    losses = []
    if (tries := os.path.getsize(down)) > 60:
        losses.append(f"a sink that was down was tried {tries} times")
    os.unlink(down)
    losses += _look(office, scale)
    bench.kill(relay)
    office.note_out()
    office.let_leases_lapse()
    relay = bench.child(relay_at_a_rate, rate=None)
    bench.hear(relay, "begins")
    if not is_soon(lambda: office.spool.queue(office._numbers["h"]).is_empty(), 90.0):
        losses.append("not everything was delivered")
    bench.kill(relay)
    losses += office.losses()
    office.close()
    return Outcome.of(losses)


def _look(office: Office, scale: Scale) -> list[str]:
    """Put now and then, and say what arrives too late or too fast."""
    losses = []
    until = time.monotonic() + _LOOK
    number = 0
    while time.monotonic() < until:
        number += 1
        name, put = f"new-{number}", time.monotonic()
        office.put(name)
        if not is_soon(lambda name=name: _has(office, name), scale.patience):  # type: ignore[misc]
            losses.append(f"a new event did not arrive within {scale.patience:g} s")
            break
        time.sleep(max(0.0, put + 0.5 - time.monotonic()))
    times = [note.at for note in office.notes("h")]
    for place in range(0, len(times), 50):
        some = times[place : place + int(3 * scale.rate)]
        count = sum(at < some[0] + 1.0 for at in some)
        if count > 2 * scale.rate:  # a second's worth may come at once
            losses.append(f"{count} deliveries in a second, though {scale.rate:g} are allowed")
            break
    return losses


def _has(office: Office, name: str) -> bool:
    return any(note.name == name for note in office.notes("h")[-3000:])
