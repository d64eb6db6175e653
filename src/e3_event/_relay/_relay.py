"""The relay: spool -> handlers, one worker a handler, and one thread that looks after them."""

from __future__ import annotations

import math
import os
import random as _random
import threading
import time
from typing import TYPE_CHECKING

from e3_event._errors import EventError, SpoolError
from e3_event._logger import logger
from e3_event.spool import Spool
from e3_event.spool._subscriptions import LEASE

from . import notify
from ._worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._subscriber import Subscriber

#: Hanging handlers with which a relay goes on; with one more it gives up.
MOST_HANGING = 3
#: Seconds between two looks for new events, and at the workers.
_TICK = 0.05
#: Seconds between two times at which what is not needed any more is removed.
_CLEANING = 3600.0
#: Seconds after which it is looked for what was killed.
_ADOPTING = 5.0
#: Seconds that a clock may jump back unnoticed.
_JUMP = 60.0
#: Seconds for which the spool may be unusable before the relay stops; and what a stop needs at least.
_PATIENCE = 0.5
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
    :ivar problems: why workers that have ended could not serve their handlers, by the names of these
    :raises SpoolError: the spool can't be used; says why
    """

    def __init__(
        self,
        spool: Spool,
        subscribers: Sequence[Subscriber],
        *,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._spool = Spool(
            spool.path,
            max_size=spool.max_size,
            retention=spool.retention,
            patience=spool.patience,
            clock=spool.clock,
        )
        self._random = random
        self._subscribers = tuple(subscribers)
        self._numbers = self._spool.register([subscriber.key for subscriber in subscribers])
        self._workers: list[Worker] = []
        self._hanging: list[Worker] = []
        self._delivered = 0
        self.problems: dict[str, str] = {}
        self._failure: BaseException | None = None
        self._keeper: threading.Thread | None = None
        self._cleaner: threading.Thread | None = None
        self._adopter: threading.Thread | None = None
        self._pid = os.getpid()
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
        self._notice_fork()
        if self._keeper is not None:
            raise RuntimeError("this relay runs already")
        self._ends.clear()
        self._failure = None
        with self._changes:
            for number, subscriber in zip(self._numbers, self._subscribers, strict=True):
                self._add(number, subscriber, first)
        self._keeper = threading.Thread(target=self._keep, name="relay", daemon=True)
        self._keeper.start()

    def stop(self, timeout: float = GRACE, reason: str = "") -> bool:
        """Take nothing more, let handlers finish the event they are at, give back the rest.

        :param timeout: seconds; a handler that is still busy then is left alone, its event delivered again
        :param reason: why that delivery has failed
        :return: whether all handlers finished
        """
        self._notice_fork()
        self._ends.set()
        until = time.monotonic() + timeout
        for thread in (self._keeper, self._cleaner, self._adopter):
            if thread is not None:
                thread.join(max(until - time.monotonic(), _TICK))
        self._keeper = None
        if not self._changes.acquire(timeout=max(until - time.monotonic(), _PATIENCE)):
            return False  # the spool is held by others: our leases end by themselves
        try:
            reason = reason or f"no answer within {timeout:g} s of being told to stop"
            late = self._end(self._workers, until - time.monotonic(), reason)
            self._workers = []
        finally:
            self._changes.release()
        return not late

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has stopped by itself, or for so many seconds.

        :return: whether it still runs
        :raises HangingHandlersError: it has stopped, as too many handlers hang
        :raises SpoolError: it has stopped, as the spool was deleted or its disk has failed
        """
        self._notice_fork()
        self._ends.wait(timeout)
        if self._failure is not None:
            raise self._failure
        return not self._ends.is_set()

    def run_once(self, timeout: float | None = None) -> bool:
        """Deliver all that can be delivered now, and stop. For cron, and for tests.

        :param timeout: seconds
        :return: whether there was time for all of it, and the spool could be used
        """
        self._adopt()
        return self.flush(timeout)

    def flush(self, timeout: float | None = None, *, first: str | None = None) -> bool:
        """Deliver all that can be delivered now, and stop; do not wait for sinks that are down.

        :param timeout: seconds after which it stops in any case
        :param first: `snapshot_id` of what is delivered before anything else
        :return: whether there was time for all of it, and the spool could be used
        """
        grace = GRACE if timeout is None else min(timeout / 4, _PATIENCE)
        until = math.inf if timeout is None else time.monotonic() + timeout - grace
        pause = _TICK / 100  # most often there is one event, and it is soon delivered
        self.start(first=first)
        try:
            while not (is_done := self.is_idle()):
                if time.monotonic() >= until or not self.wait(pause):
                    break
                pause = min(2 * pause, _TICK / 10)
            is_done = is_done and not any(worker.problem for worker in self._workers)
        finally:
            self.stop(grace, "" if timeout is None else f"no answer within {round(timeout, 1):g} s")
        return is_done

    def reload(self, subscribers: Sequence[Subscriber]) -> None:
        """Serve other handlers from now on; one that is the same as before is made anew, too.

        :raises SpoolError: the spool can't be used, and nothing has changed
        """
        numbers = self._spool.register([subscriber.key for subscriber in subscribers])
        self._notice_fork()
        with self._changes:
            self._hanging += self._end(self._workers, GRACE, "the configuration was read again")
            self._workers = []
            self._subscribers, self._numbers = tuple(subscribers), numbers
            if self._keeper is None or self._ends.is_set():
                return
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

    def left(self) -> int:
        """How many deliveries are still to be made, at most.

        :raises SpoolError: the spool can't be read
        """
        return sum(self._spool.queue(number).left() for number in self._numbers)

    def close(self) -> None:
        """Stop, and close the connection to the spool."""
        self.stop()
        self._spool.close()

    def _add(self, number: int, subscriber: Subscriber, first: str | None = None) -> None:
        worker = Worker(self._spool, number, subscriber, first=first, random=self._random, alone=self._alone)
        self._workers.append(worker)
        worker.start()

    def _end(self, workers: Sequence[Worker], timeout: float, reason: str) -> list[Worker]:
        """Stop workers; those that do not end in time are fenced.

        :return: these
        """
        for worker in workers:
            worker.stop()
        until = time.monotonic() + timeout
        late = [worker for worker in workers if not worker.join(until - time.monotonic())]
        for worker in late:
            worker.fence(reason)
        self._delivered += sum(worker.delivered for worker in workers)
        self.problems.update({worker.subscriber.name: worker.problem for worker in workers if worker.problem})
        return late

    def _notice_fork(self) -> None:
        """In a child of a fork there are no threads, and locks may be held for ever: begin anew."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._keeper = self._cleaner = self._adopter = None
        self._workers, self._hanging = [], []
        self._ends, self._changes, self._alone = threading.Event(), threading.Lock(), threading.Lock()
        self._ends.set()

    def _keep(self) -> None:
        """Look after the workers until it ends; if that fails, it ends."""
        try:
            self._look_after()
        except BaseException as error:  # noqa: BLE001  logged, and the relay ends
            trace = None if isinstance(error, EventError) else error
            logger.error("the relay stops: %s", error, exc_info=trace)
            self._failure = error
        finally:
            self._ends.set()

    def _look_after(self) -> None:
        renewed = cleaned = usable = time.monotonic()
        adopted = -math.inf
        offset = self._spool.clock() - time.monotonic()
        interval = notify.watchdog_interval()
        signed = time.monotonic()
        version = changed = -1
        while not self._ends.wait(_TICK):
            now = time.monotonic()
            with self._changes:
                try:
                    changed, usable = self._spool.version(), now
                except SpoolError:
                    if now - usable > _PATIENCE:
                        raise
                if changed != version:
                    version = changed
                    for worker in self._workers:
                        worker.wake()
                self._replace_hanging()
                back = offset - (offset := self._spool.clock() - now)
                if now - renewed > LEASE / 3 or -back > LEASE / 3:  # a clock set forward ends leases
                    renewed = now
                    for worker in self._workers:
                        worker.renew()
                if back > _JUMP:
                    for worker in self._workers:
                        worker.take_anew()
            if now - cleaned > _CLEANING:
                cleaned = now
                self._cleaner = threading.Thread(target=self._clean, name="relay cleaner", daemon=True)
                self._cleaner.start()
            if now - adopted > _ADOPTING and not (self._adopter and self._adopter.is_alive()):
                adopted = now
                self._adopter = threading.Thread(target=self._adopt, name="relay adopter", daemon=True)
                self._adopter.start()
            if interval and now - signed > interval:
                signed = now
                notify.notify("WATCHDOG=1")

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

    def _adopt(self) -> None:
        """Put the events of runs that were killed."""
        try:
            self._spool.adopt()
        except (SpoolError, OSError) as error:
            if not self._ends.is_set():  # else it is closed
                logger.error("what was killed is told of later: %s", error)

    def _clean(self) -> None:
        try:
            self._spool.purge()
        except SpoolError as error:
            if not self._ends.is_set():  # else it is closed
                logger.error("the spool can't be cleaned: %s", error)
