"""The work of ours with a relay: a backlog that was put beforehand, to handlers that only count.

The function with a row's name prepares it, as in `tasks`. An operation is one delivery, written down.
"""

from __future__ import annotations

import os
import shutil
import threading
from functools import partial
from typing import TYPE_CHECKING

import e3_event

from .batches import Made
from .kept import HANDLER, fill, open_spool
from .tasks import make_event

if TYPE_CHECKING:
    from e3_event import Event, EventHandler
    from e3_event.spool import Key, Spool

    from .worker import Setting

#: Seconds in which a batch is delivered, or something is wrong.
_PATIENCE = 120.0


class Counter(e3_event.EventHandler):
    """Counts, and says when it has counted enough."""

    def __init__(self) -> None:
        self.left = 0
        self.is_done = threading.Event()

    def send_event(self, event: Event) -> bool:
        self.left -= 1
        if not self.left:
            self.is_done.set()
        return True

    def expect(self, count: int) -> None:
        self.left = count
        self.is_done.clear()


class Dead(e3_event.EventHandler):
    """Never gets anything through."""

    def send_event(self, event: Event) -> bool:
        raise ConnectionRefusedError("nobody listens")


class Backlog:
    """A spool, its handlers, and what they are owed.

    :param counters: those that have to be done
    :param others: further handlers, which nobody waits for
    """

    def __init__(self, spool: Spool, counters: dict[Key, Counter], others: dict[Key, EventHandler]) -> None:
        from e3_event._relay import Relay, Subscriber

        self._spool = spool
        self._counters = counters
        self._relay = Relay(
            spool,
            [
                Subscriber(key=key, build=partial(_same, handler))
                for key, handler in {**counters, **others}.items()
            ],
        )

    def drain(self) -> None:
        """Deliver what is left of earlier runs."""
        if not self._relay.run_once(_PATIENCE):
            raise RuntimeError("the backlog was not delivered in time")

    def owe(self, deliveries: int) -> None:
        """Put so many events that the counters together are owed so many deliveries."""
        events = max(1, deliveries // len(self._counters))
        for counter in self._counters.values():
            counter.expect(events)
        for first in range(0, events, 1000):
            self._spool.put_many([make_event(e3_event) for _ in range(min(1000, events - first))])

    def deliver(self) -> None:
        """Start the relay, wait until all counters are done, and stop it: then all of it is written down."""
        self._relay.start()
        for counter in self._counters.values():
            if not counter.is_done.wait(_PATIENCE):
                raise RuntimeError(f"{counter.left} events were not delivered in time")
        if not self._relay.stop():
            raise RuntimeError("the relay did not stop in time")

    def made(self) -> Made:
        def make(count: int) -> list[Backlog]:
            self.owe(count)
            return [self]

        return Made(make, Backlog.deliver)

    def close(self) -> None:
        self._relay.close()
        self._spool.close()


def _same(handler: EventHandler) -> EventHandler:
    return handler


def _counters(number: int) -> dict[Key, Counter]:
    return {HANDLER._replace(name=f"bench{place}"): Counter() for place in range(number)}


def _spool(setting: Setting) -> Spool:
    return open_spool(os.path.join(setting.folder, "spool"))


def relay_one(setting: Setting) -> Made:
    return Backlog(_spool(setting), _counters(1), {}).made()


def relay_eight(setting: Setting) -> Made:
    return Backlog(_spool(setting), _counters(8), {}).made()


def relay_kept(setting: Setting) -> Made:
    """From a spool that keeps many events."""
    backlog = Backlog(open_spool(setting.kept), {HANDLER: Counter()}, {})
    backlog.drain()
    return backlog.made()


def relay_kept_few(setting: Setting) -> Made:
    """From one that keeps a thousand: a new one for each batch."""
    path = os.path.join(setting.folder, "spool")

    def make(count: int) -> list[Backlog]:
        spool = open_spool(path)
        fill(spool, 1000)
        backlog = Backlog(spool, {HANDLER: Counter()}, {})
        backlog.owe(count)
        return [backlog]

    return Made(make, Backlog.deliver, lambda: shutil.rmtree(path))


def relay_dead(setting: Setting) -> Made:
    """To seven, beside an eighth whose other side is dead."""
    return Backlog(_spool(setting), _counters(7), {HANDLER: Dead()}).made()


def relay_seven(setting: Setting) -> Made:
    return Backlog(_spool(setting), _counters(7), {}).made()
