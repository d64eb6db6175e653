"""The relay: spool -> handlers, one worker a handler, and one thread that looks after them."""

from __future__ import annotations

import logging
import random as _random
import threading
import time
from typing import TYPE_CHECKING

from e3_event._errors import EventError, SpoolError
from e3_event.spool import Spool
from e3_event.spool._subscriptions import LEASE

from . import notify
from ._worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._subscriber import Subscriber

logger = logging.getLogger("e3.event")

#: Hanging handlers with which a relay goes on; with one more it gives up.
MOST_HANGING = 3
#: Seconds between two looks for new events, and at the workers.
_TICK = 0.05
#: Seconds between two times at which what is not needed any more is removed.
_CLEANING = 3600.0
#: Seconds that a clock may jump back unnoticed.
_JUMP = 60.0
#: Seconds that are given to handlers that were told to stop.
GRACE = 10.0


class HangingHandlersError(EventError):
    """So many handlers hang that the relay has stopped; a new process is needed."""


class Relay:
    """Delivers what a spool holds: at least once to each handler, with retries, until it is given up.

    Each handler has a worker of its own, so that none waits for another. Several relays may serve a spool:
    each subscription is served by one worker at a time. What a relay has out when it dies is delivered again
    by the next one, one event at a time.

    :param spool: where the events wait; the relay opens it for itself
    :param subscribers: the handlers
    :param random: gives a number from 0 up to 1
    :raises SpoolError: the spool can't be used; says why
    """

    def __init__(
        self,
        spool: Spool,
        subscribers: Sequence[Subscriber],
        *,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._spool = Spool(spool.path, max_size=spool.max_size, retention=spool.retention, clock=spool.clock)
        self._random = random
        self._subscribers = tuple(subscribers)
        self._numbers = self._spool.register([subscriber.key for subscriber in subscribers])
        self._workers: list[Worker] = []
        self._hanging: list[Worker] = []
        self._delivered = 0
        self._failure: Exception | None = None
        self._keeper: threading.Thread | None = None
        self._ends = threading.Event()
        self._changes = threading.Lock()  # held while workers are changed
        self._alone = threading.Lock()

    @property
    def delivered(self) -> int:
        """How many deliveries succeeded so far."""
        return self._delivered + sum(worker.delivered for worker in self._workers)

    def start(self, *, first: str | None = None) -> None:
        """Begin to deliver, in threads of its own.

        :param first: `snapshot_id` of what is delivered before anything else
        """
        if self._keeper is not None:
            raise RuntimeError("this relay runs already")
        self._ends.clear()
        with self._changes:
            for number, subscriber in zip(self._numbers, self._subscribers, strict=True):
                self._add(number, subscriber, first)
        self._keeper = threading.Thread(target=self._keep, name="relay", daemon=True)
        self._keeper.start()

    def stop(self, timeout: float = GRACE) -> bool:
        """Take nothing more, let handlers finish the event they are at, give back the rest.

        :param timeout: seconds; a handler that is still busy then is left alone, its event delivered again
        :return: whether all handlers finished
        """
        self._ends.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None
        with self._changes:
            finished = self._end(
                self._workers, timeout, f"no answer within {timeout:g} s of being told to stop"
            )
            self._workers = []
        return finished

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has stopped by itself, or for so many seconds.

        :return: whether it still runs
        :raises HangingHandlersError: it has stopped, as too many handlers hang
        """
        self._ends.wait(timeout)
        if self._failure is not None:
            raise self._failure
        return not self._ends.is_set()

    def run_once(self, timeout: float | None = None) -> bool:
        """Deliver all that can be delivered now, and stop. For cron, and for tests.

        :param timeout: seconds
        :return: whether there was time for all of it
        """
        return self.flush(timeout)

    def flush(self, timeout: float | None = None, *, first: str | None = None) -> bool:
        """Deliver all that can be delivered now, and stop; do not wait for sinks that are down.

        :param timeout: seconds after which it stops in any case
        :param first: `snapshot_id` of what is delivered before anything else
        :return: whether there was time for all of it
        """
        until = None if timeout is None else time.monotonic() + timeout
        self.start(first=first)
        try:
            while not (is_done := self.is_idle()):
                left = _TICK if until is None else min(until - time.monotonic(), _TICK)
                if left <= 0 or not self.wait(left / 10):
                    break
        finally:
            self.stop(GRACE if until is None else max(until - time.monotonic(), 0.0))
        return is_done

    def reload(self, subscribers: Sequence[Subscriber]) -> None:
        """Serve other handlers from now on; one that is the same as before is made anew, too.

        :raises SpoolError: the spool can't be used, and nothing has changed
        """
        numbers = self._spool.register([subscriber.key for subscriber in subscribers])
        with self._changes:
            self._end(self._workers, GRACE, "the configuration was read again")
            self._workers = []
            self._subscribers, self._numbers = tuple(subscribers), numbers
            for number, subscriber in zip(numbers, subscribers, strict=True):
                self._add(number, subscriber)

    def is_idle(self) -> bool:
        """Is there nothing that could be delivered now?"""
        with self._changes:
            return all(worker.is_idle for worker in self._workers)

    def waits(self) -> bool:
        """Is anything still owed to its handlers, also later?

        :raises SpoolError: the spool can't be read
        """
        return any(not self._spool.queue(number).is_empty() for number in self._numbers)

    def close(self) -> None:
        """Stop, and close the connection to the spool."""
        self.stop()
        self._spool.close()

    def _add(self, number: int, subscriber: Subscriber, first: str | None = None) -> None:
        worker = Worker(self._spool, number, subscriber, first=first, random=self._random, alone=self._alone)
        self._workers.append(worker)
        worker.start()

    def _end(self, workers: Sequence[Worker], timeout: float, reason: str) -> bool:
        """Stop workers; those that do not end in time are fenced.

        :return: whether all ended
        """
        for worker in workers:
            worker.stop()
        until = time.monotonic() + timeout
        late = [worker for worker in workers if not worker.join(until - time.monotonic())]
        for worker in late:
            worker.fence(reason)
        self._delivered += sum(worker.delivered for worker in workers)
        return not late

    def _keep(self) -> None:
        """Look after the workers until it ends."""
        renewed = cleaned = time.monotonic()
        offset = self._spool.clock() - time.monotonic()
        interval = notify.watchdog_interval()
        signed = time.monotonic()
        version = None
        while not self._ends.wait(_TICK):
            now = time.monotonic()
            with self._changes:
                if (changed := self._version()) != version:
                    version = changed
                    for worker in self._workers:
                        worker.wake()
                self._replace_hanging()
                if now - renewed > LEASE / 3:
                    renewed = now
                    for worker in self._workers:
                        worker.renew()
                jumped = offset - (offset := self._spool.clock() - now)
                if jumped > _JUMP:
                    for worker in self._workers:
                        worker.take_anew()
            if now - cleaned > _CLEANING:
                cleaned = now
                self._clean()
            if interval and now - signed > interval:
                signed = now
                notify.notify("WATCHDOG=1")

    def _version(self) -> int:
        """As the spool's; workers tell what is wrong with one that can't be read."""
        try:
            return self._spool.version()
        except SpoolError:
            return -1

    def _replace_hanging(self) -> None:
        """Fence workers whose handler hangs, and let new ones take their place."""
        self._hanging = [worker for worker in self._hanging if worker.is_alive()]
        for worker in [worker for worker in self._workers if worker.hangs()]:
            subscriber = worker.subscriber
            reason = f"no answer within {subscriber.deadline:g} s"
            logger.error("handler %s hangs and is replaced: %s", subscriber.name, reason)
            worker.fence(reason)
            self._workers.remove(worker)
            self._hanging.append(worker)
            self._delivered += worker.delivered
            if len(self._hanging) > MOST_HANGING:
                self._failure = HangingHandlersError(
                    f"{len(self._hanging)} handlers hang; start the relay again, and see why they do"
                )
                self._ends.set()
                return
            self._add(self._numbers[self._subscribers.index(subscriber)], subscriber)

    def _clean(self) -> None:
        try:
            self._spool.purge()
        except SpoolError as error:
            logger.error("the spool can't be cleaned: %s", error)
