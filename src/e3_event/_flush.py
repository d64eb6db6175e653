"""What a manager's handlers are owed by the spool in front of them, delivered by this process."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from ._config._subscribers import of_config
from ._errors import DeliveryError
from ._handler import EventHandler
from ._relay import Relay, Subscriber
from .spool import Spool, key_of
from .spool._deliveries import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ._event import Event
    from ._manager import EventManager
    from ._report import Outcome, Report
    from .spool._queue import Queue, Standing

_LOOK_AGAIN = 0.05


def follow(
    manager: EventManager, front: EventHandler, report: Report, timeout: float, *, insist: bool = False
) -> Report:
    """Deliver what was just put, then what else waits.

    :param front: the handler that has put it
    :param report: what became of it so far
    :param timeout: seconds that it may take
    :param insist: whether that time is waited for others who deliver it, and sinks that are down
    :return: the report, with what has become of it
    """
    spool = _spool_of(front)
    if spool is None or report.snapshot_id is None:
        return report
    subscribers = dict(_subscribers(manager, front))
    until = time.monotonic() + timeout
    while True:
        left = until - time.monotonic()
        problems = _serve(manager, spool, subscribers.values(), left, first=report.snapshot_id)
        report = _followed(spool, subscribers, report, problems)
        if not (insist and report.waiting and time.monotonic() < until):
            return report
        time.sleep(_LOOK_AGAIN)


def _followed(
    spool: Spool, subscribers: Mapping[str, Subscriber], report: Report, problems: Mapping[str, str]
) -> Report:
    """Return a report with what has become of those that waited."""
    outcomes = []
    for outcome in report.outcomes:
        if outcome.waiting:
            (number,) = spool.register([subscribers[outcome.handler].key])
            standing = spool.queue(number).standing(report.uid, str(report.snapshot_id))
            problem = problems.get(outcome.handler, "")
            outcomes.append(_what_became(outcome, standing, problem, spool.clock()))
        else:
            outcomes.append(outcome)
    return report._replace(outcomes=tuple(outcomes))


def flush(manager: EventManager, front: EventHandler, timeout: float) -> bool:
    """Deliver what waits for a manager's handlers.

    :param front: the handler that has put it
    :param timeout: seconds that it may take
    :return: whether they are owed nothing any more
    """
    spool = _spool_of(front)
    if spool is None:
        return False
    subscribers = [subscriber for _, subscriber in _subscribers(manager, front)]
    _serve(manager, spool, subscribers, timeout)
    numbers = spool.register([subscriber.key for subscriber in subscribers])
    return all(spool.queue(number).is_empty() for number in numbers)


def _serve(
    manager: EventManager,
    spool: Spool,
    subscribers: Collection[Subscriber],
    timeout: float,
    first: str | None = None,
) -> dict[str, str]:
    """Deliver for so many seconds; one thread at a time does that for a manager.

    :param first: `snapshot_id` of what is delivered before anything else
    :return: why the spool could not be used, by the names of handlers
    """
    until = time.monotonic() + timeout
    is_handler = (os.getpid(), threading.get_ident()) in manager._serving  # which sends an event itself
    lock = manager._lock_of(spool)
    problems: dict[str, str] = {}
    if is_handler or not lock.acquire(timeout=max(timeout, 0.0)):
        return problems
    try:
        numbers = spool.register([subscriber.key for subscriber in subscribers])
        served = [
            (subscriber, spool.queue(number, strict=subscriber.order == "strict"))
            for subscriber, number in zip(subscribers, numbers, strict=True)
        ]
        while until > time.monotonic():
            ready = [subscriber for subscriber, queue in served if _is_worth_it(queue, spool.clock())]
            # What others put meanwhile they may have left to us, who had the lease: so look again.
            if not ready or not _deliver(spool, ready, until, first, problems):
                break
    finally:
        lock.release()
    return problems


def _deliver(
    spool: Spool, subscribers: Sequence[Subscriber], until: float, first: str | None, problems: dict[str, str]
) -> bool:
    """Deliver what can be delivered now.

    :return: whether that was all, and anything was
    """
    relay = Relay(spool, subscribers)
    try:
        return relay.flush(until - time.monotonic(), first=first) and relay.delivered > 0
    finally:
        relay.close()
        problems.update(relay.problems)


def _is_worth_it(queue: Queue, now: float) -> bool:
    """Is there anything to take, nobody who takes it, and a sink that may be up?"""
    lane = queue.lane()
    if lane.is_served(now) or (lane.down and now < lane.probe):
        return False
    is_ready, _ = queue.ready()
    return is_ready


def _subscribers(manager: EventManager, front: EventHandler) -> Iterator[tuple[str, Subscriber]]:
    """The handlers behind the spool, by their names in the manager."""
    for name, handler in list(manager.handlers.items()):
        if handler is front:
            continue
        build = functools.partial(_borrow, manager, handler)
        if name in manager._setup.named:
            yield name, msgspec.structs.replace(of_config(manager._setup.named[name]), build=build)
        else:
            yield name, Subscriber(key=key_of(name, handler), build=build)


def _what_became(outcome: Outcome, standing: Standing, problem: str, now: float) -> Outcome:
    """What is said of a handler, given how the event stands with it.

    :param problem: why the spool could not be used
    """
    delivery, lane = standing
    change = functools.partial(outcome._replace)
    if delivery is not None:
        change = functools.partial(change, duration=delivery.duration)
        if delivery.state in (State.DELIVERED, State.SKIPPED):
            return change(delivered=True, waiting=False)
        if delivery.state in (State.DEAD, State.DROPPED):
            return change(waiting=False, rejected=True, reason=delivery.reason)
        if delivery.reason:
            return change(reason=delivery.reason, retry_after=max(delivery.due - now, 0.0))
    if lane.down:
        return change(reason=f"it is down: {lane.reason}", retry_after=max(lane.probe - now, 0.0))
    return change(reason=problem)  # without one it has its turn later, and nothing is wrong


def _spool_of(front: EventHandler) -> Spool | None:
    """The spool that a handler puts into; `None`: it is not one of ours."""
    found = front if isinstance(front, Spool) else getattr(front, "spool", None)
    return found if isinstance(found, Spool) else None


class _Borrowed(EventHandler):
    """A manager's handler as a worker calls it: never while somebody else does. Its connections stay open."""

    def __init__(self, manager: EventManager, handler: EventHandler) -> None:
        self._manager = manager
        self._handler = handler
        self.path = getattr(handler, "path", "")  # a relay looks at these, lest a spool feeds itself
        self.in_front = getattr(handler, "in_front", False)  # type: ignore[misc]  # of this instance

    def send_event(self, event: Event) -> bool:
        with self._call():
            return self._handler.send_event(event)

    @contextlib.contextmanager
    def _call(self) -> Iterator[None]:
        lock = self._manager._lock_of(self._handler)
        if not lock.acquire(blocking=False):
            raise DeliveryError("it is still busy with an earlier event")
        here = (os.getpid(), threading.get_ident())
        self._manager._serving.add(here)
        try:
            yield
        finally:
            self._manager._serving.discard(here)
            lock.release()


class _BorrowedInBulk(_Borrowed):
    """Likewise, of a handler that has a way of its own to take many at once."""

    def send_events(self, events: Sequence[Event]) -> Iterable[bool | Exception]:
        with self._call():
            yield from self._handler.send_events(events)


def _borrow(manager: EventManager, handler: EventHandler) -> EventHandler:
    bulk = getattr(type(handler), "send_events", None)  # a handler written for e3-core has none
    is_own = bulk not in (None, EventHandler.send_events)
    return (_BorrowedInBulk if is_own else _Borrowed)(manager, handler)
