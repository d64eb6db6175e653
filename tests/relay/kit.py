"""What tests of the relay share: a spool with handlers, what its ledger says, handlers that misbehave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from e3_event import DeliveryError, Event, EventHandler
from e3_event._relay import Relay, Subscriber
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import Delivery, State
from e3_event.spool._subscriptions import Lane, find
from e3_event.testing import Clock, Recorder

__all__ = ["Bulk", "Gate", "Post", "Sinking", "names", "until"]


class Post:
    """A spool, its clock, and handlers for it.

    :ivar spool: where events are put
    """

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.spool = Spool(folder / "spool", clock=self.clock)
        self.relays: list[Relay] = []

    def relay(self, *handlers: EventHandler, **options: Any) -> Relay:
        """A relay for these, as `h0`, `h1` …; *options* are those of `Subscriber`."""
        return self.relay_of(*[subscriber(f"h{i}", one, **options) for i, one in enumerate(handlers)])

    def relay_of(self, *subscribers: Subscriber) -> Relay:
        relay = Relay(self.spool, subscribers, random=lambda: 0.5)
        self.relays.append(relay)
        return relay

    def close(self) -> None:
        for relay in self.relays:
            relay.close()
        self.spool.close()

    def put(self, *names: object) -> list[str]:
        """Put events of these names with one commit."""
        return self.spool.put_many([Event(str(name)) for name in names])

    def ledger(self, name: str = "h0") -> dict[str, Delivery]:
        """What is written down of the deliveries to a handler, by the event's name."""
        with self.spool._database.reading() as connection:
            found = find(connection, Key(name))
            assert found is not None
            rows = connection.execute(
                "SELECT e.snapshot_id, d.* FROM delivery d JOIN event e USING (seq) WHERE subscription = ?",
                (found.id,),
            ).fetchall()
        return {self.spool.read(row[0])["name"]: Delivery(*row[1:-1]) for row in rows}  # type: ignore[arg-type]

    def states(self, name: str = "h0") -> dict[str, State]:
        return {event: State(delivery.state) for event, delivery in self.ledger(name).items()}

    def lane(self, name: str = "h0") -> Lane:
        with self.spool._database.reading() as connection:
            found = find(connection, Key(name))
            assert found is not None
            return found.lane


def subscriber(name: str, handler: EventHandler, **options: Any) -> Subscriber:
    return Subscriber(key=Key(name), build=lambda: handler, **options)


def names(events: Iterable[Any]) -> list[str]:
    """The names of events."""
    return [event["name"] for event in events]


def until(is_so: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something is so, and fail if it is not in time."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it has not come to that in time"
        time.sleep(0.005)


class Bulk(Recorder):
    """A handler that takes many at once; what it does with a batch is told by a function.

    :ivar batches: the names of each batch
    """

    def __init__(self, answers: Callable[[Sequence[Event]], Any]) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self._answers = answers

    def send_events(self, events: Sequence[Event]) -> Any:
        self.batches.append(names(events))
        return self._answers(events)


class Gate(Recorder):
    """A handler that waits in its first call, for events of one name, until it is let go.

    :ivar is_in: set when it waits
    """

    def __init__(self, name: str = "", calls: int = 1_000_000) -> None:
        super().__init__()
        self.name = name
        self.calls = calls
        self.is_in = threading.Event()
        self.go = threading.Event()

    def send_event(self, event: Event) -> bool:
        if self.calls and (not self.name or event["name"] == self.name):
            self.calls -= 1
            self.is_in.set()
            assert self.go.wait(60)
        return super().send_event(event)


class Sinking(Recorder):
    """A handler whose other side is down when it is said to be.

    :ivar attempts: names of the events that were tried
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.attempts: list[str] = []

    def send_event(self, event: Event) -> bool:
        self.attempts.append(event["name"])
        if self.is_down:
            raise DeliveryError("connection refused")
        return super().send_event(event)
