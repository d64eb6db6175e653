"""One thread that takes what one subscription is owed to its handler."""

from __future__ import annotations

import contextlib
import logging
import math
import random as _random
import threading
import time
from itertools import repeat
from typing import TYPE_CHECKING

from e3_event._errors import DeliveryError, RejectedError, SpoolError
from e3_event._handler import EventHandler
from e3_event._redact import describe
from e3_event._retry import Again, Delivered, judge
from e3_event.spool._deliveries import Delivery, State
from e3_event.spool._queue import LeaseLostError

from ._rate import Rate
from ._sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from e3_event._event import Snapshot
    from e3_event._retry import Verdict
    from e3_event.spool import Spool
    from e3_event.spool._queue import Taken

    from ._subscriber import Subscriber

logger = logging.getLogger("e3.event")

#: Most deliveries that go out at once, and how many at first.
BATCH, FIRST_BATCH = 500, 16
#: Seconds of work that are written down with one commit, about: what is out when a worker dies comes twice.
_SETTLE = 0.5
#: Seconds after which a spool that failed, or a subscription that another one serves, is looked at again.
_PATIENCE = 5.0
#: Seconds after which a clock that was set may have made something due.
_LONGEST_PAUSE = 10.0
_DELIVERED = Delivered()


class Worker:
    """Takes what one subscription is owed to its handler, in a thread of its own.

    :param spool: where the events wait
    :param number: id of the subscription
    :param subscriber: the handler
    :param first: a snapshot to be delivered before any other
    :param random: gives a number from 0 up to 1
    :ivar is_idle: whether it waits for something to do, for a sink that is down, or for another worker
    :ivar delivered: how many deliveries succeeded
    :ivar problem: why it can't use the spool; empty: it can
    """

    def __init__(
        self,
        spool: Spool,
        number: int,
        subscriber: Subscriber,
        *,
        first: str | None = None,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.subscriber = subscriber
        self.is_idle = False
        self.delivered = 0
        self.problem = ""
        self._spool = spool
        self._clock = spool.clock
        self._queue = spool.queue(number, strict=subscriber.order == "strict")
        self._first = first
        self._random = random
        self._sink = Sink(subscriber.retry, random)
        self._rate = Rate(subscriber.rate, time.monotonic())
        self._handler: EventHandler | None = None
        self._dead = 0  # given up, and not logged yet
        self._telling = Rate(1.0, time.monotonic())
        self._limit = FIRST_BATCH
        self._stopping = False
        self._anew = False
        self._wake = threading.Event()
        self._guard = threading.Lock()  # held while the queue is changed
        self._fenced = False
        self._out: Sequence[Taken] = ()  # what is taken and not written down yet,
        self._done: list[Delivery] = []  # and what became of the first of them
        self._called = math.inf  # since when the handler is busy (monotonic)
        self._thread = threading.Thread(target=self._run, name=f"relay {subscriber.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def take_anew(self) -> None:
        """The clock was set back: look again at what waits for its time."""
        self._anew = True
        self._wake.set()

    def stop(self) -> None:
        """Let the handler finish what it does, give back the rest, and end."""
        self._stopping = True
        self._wake.set()

    def join(self, timeout: float) -> bool:
        """Wait until it has ended, at most so many seconds.

        :return: whether it has
        """
        self._thread.join(max(timeout, 0.0))
        return not self._thread.is_alive()

    def is_alive(self) -> bool:
        """Does its thread run?"""
        return self._thread.is_alive()

    def hangs(self) -> bool:
        """Has its handler been busy with one call for longer than it may?"""
        return time.monotonic() - self._called > self.subscriber.deadline

    def renew(self) -> None:
        """Keep the lease, if it has one."""
        with self._guard, contextlib.suppress(SpoolError):
            if not self._fenced:
                self._queue.renew()

    def fence(self, reason: str) -> None:
        """Take its deliveries away: the one that is with the handler has failed, the others wait.

        Whatever the handler answers from now on changes nothing.
        """
        with self._guard, contextlib.suppress(SpoolError):
            self._fenced = True
            done = list(self._done)
            if len(done) < len(self._out):
                late, now = self._out[len(done)], self._clock()
                verdict = self._judge(late, DeliveryError(reason), now)
                done.append(self._delivery(late, verdict, now, 0.0))
            self._queue.turn(done, note=self._sink.save)
            self._queue.release()

    def _run(self) -> None:
        while not self._stopping and not self._fenced:
            try:
                self._serve()
                self.problem = ""
            except LeaseLostError as error:
                logger.debug("%s", error)
            except SpoolError as error:
                if str(error) != self.problem:
                    self.problem = str(error)
                    logger.error("handler %s can't be served: %s", self.subscriber.name, error)
            if not self._anew:
                self.is_idle = True
                self._pause(_PATIENCE)
        if not self._fenced:
            self._close()

    def _serve(self) -> None:
        """Take the lease and deliver, until it is lost or we are stopped."""
        with self._guard:
            if self._fenced or not self._queue.acquire():
                return
        self._sink.load(self._queue.lane(), self._clock())
        try:
            self._anew = False
            while not self._stopping and not self._anew:
                self._deliver()
                self._await_work()
        finally:
            with self._guard, contextlib.suppress(SpoolError):
                if not self._fenced:
                    self._queue.release()

    def _deliver(self) -> None:
        """Deliver until there is nothing that can be taken."""
        while not self._stopping and (limit := self._may_take()):
            taken = self._turn(limit)
            if not taken:
                return
            self.is_idle = False
            started = time.monotonic()
            try:
                self._send(taken)
            finally:
                self._queue.tidy(taken)
                self._rate.spend(len(taken))
            self._adapt(time.monotonic() - started, len(taken))
        if self._done:
            self._turn(0)

    def _turn(self, limit: int) -> Sequence[Taken]:
        """Write down what is done, and take so many more; 0 is none."""
        with self._guard:
            if self._fenced:
                raise LeaseLostError("its handler was taken to hang")
            done, self._done = self._done, []
            self._out = self._out[len(done) :]
            taken = self._queue.turn(done, limit, note=self._sink.save, first=self._first if limit else None)
            if limit:
                self._out, self._first = taken, None
        return taken

    def _may_take(self) -> int:
        """How many deliveries may go out now."""
        if self._sink.wait(self._clock()):
            return 0
        return int(min(1 if self._sink.down else self._limit, self._rate.allowed(time.monotonic())))

    def _adapt(self, seconds: float, count: int) -> None:
        """Let a batch be about as large as what is done between two commits."""
        if seconds > _SETTLE:
            self._limit = max(1, int(count * _SETTLE / seconds))
        elif count >= self._limit and seconds < _SETTLE / 2:
            self._limit = min(2 * self._limit, BATCH)

    def _send(self, taken: Sequence[Taken]) -> None:
        """Give deliveries to the handler, in order, until its sink is down or we are stopped."""
        written = time.monotonic()
        answers = self._answers([one.snapshot for one in taken if one.snapshot is not None])
        for place, one in enumerate(taken):
            started = self._called = time.monotonic()
            answer = next(answers) if one.snapshot is not None else RejectedError(one.problem)
            self._called = math.inf
            now = time.monotonic()
            is_blocked = self._conclude(one, answer, now - started)
            if self._stopping or is_blocked:
                self._done += [self._untried(rest) for rest in taken[place + 1 :]]
                return
            if now - written > _SETTLE:
                self._turn(0)
                written = now

    def _conclude(self, one: Taken, answer: object, duration: float) -> bool:
        """Decide what becomes of a delivery, for the next commit.

        :return: whether its failure keeps back what comes after it
        """
        now = self._clock()
        if answer is True and not self._sink.failures:  # so it is nearly always
            verdict: Verdict = _DELIVERED
        else:
            verdict = self._judge(one, answer, now)
        self._done.append(self._delivery(one, verdict, now, duration))
        return isinstance(verdict, Again) and (bool(self._sink.down) or self.subscriber.order == "strict")

    def _answers(self, batch: Sequence[Snapshot]) -> Iterator[object]:
        """What the handler answers for each event, or the exception that it raises; never ends."""
        try:
            if self._handler is None:
                self._handler = self._build()
            bulk = getattr(self._handler, "send_events", None)  # a handler written for e3-core has none
            answers = bulk(batch) if bulk else EventHandler.send_events(self._handler, batch)
            yield from answers
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001  a foreign handler, which may even exit
            yield from repeat(error)
        yield from repeat(DeliveryError("the handler gave no answer for this event"))

    def _build(self) -> EventHandler:
        handler = self.subscriber.build()
        if getattr(handler, "in_front", False) and getattr(handler, "path", None) == self._spool.path:
            raise DeliveryError("this handler puts events back into the spool that it gets them from")
        return handler

    def _judge(self, one: Taken, answer: object, now: float) -> Verdict:
        """What becomes of a delivery; what it says of the sink is taken note of."""
        policy = self.subscriber.retry
        verdict = judge(answer, one.attempts + 1, policy, age=now - one.put, random=self._random)
        if self._sink.judge(answer, getattr(verdict, "reason", ""), now):
            self._tell_of_sink()
        return verdict

    def _tell_of_sink(self) -> None:
        name, sink = self.subscriber.name, self._sink
        if sink.down:
            logger.warning("%s is down, its events wait: %s", name, sink.reason)
            return
        logger.warning("%s is up again", name)
        with self._guard:
            if not self._fenced:
                self._queue.catch_up()

    def _delivery(self, one: Taken, verdict: Verdict, now: float, duration: float) -> Delivery:
        number, attempts = self._queue.number, one.attempts + 1
        if verdict is _DELIVERED or isinstance(verdict, Delivered):
            self.delivered += 1
            return Delivery(one.seq, number, State.DELIVERED, attempts, one.crashes, 0.0, now, duration)
        state, due = State.DEAD, 0.0
        if isinstance(verdict, Again):
            state, due = State.AGAIN, now + verdict.after
        reason = getattr(verdict, "reason", "")
        if state is State.DEAD:
            self._tell_of_dead(reason)
        return Delivery(one.seq, number, state, attempts, one.crashes, due, now, duration, reason)

    def _tell_of_dead(self, reason: str) -> None:
        """Log that an event is given up; a flood of them in a line now and then."""
        self._dead += 1
        if self._telling.allowed(time.monotonic()) >= 1:
            self._telling.spend(1)
            logger.error(
                "%s: %d given up (see `e3-event dead`): %s", self.subscriber.name, self._dead, reason
            )
            self._dead = 0

    def _untried(self, one: Taken) -> Delivery:
        """A delivery as it was before it was taken."""
        now = self._clock()
        return Delivery(one.seq, self._queue.number, State.AGAIN, one.attempts, one.crashes, now, now)

    def _await_work(self) -> None:
        """Wait until something can be taken, as far as is known."""
        is_ready, due = self._queue.ready()
        now = self._clock()
        down = self._sink.wait(now)
        self.is_idle = not is_ready or bool(down)
        if down:
            self._pause(down)
        elif is_ready:
            self._pause(self._rate.wait(time.monotonic()))
        else:
            self._pause(due - now)

    def _pause(self, seconds: float) -> None:
        if self._stopping or seconds <= 0:
            return
        self._wake.wait(min(seconds, _LONGEST_PAUSE))
        self._wake.clear()

    def _close(self) -> None:
        close = getattr(self._handler, "close", None)
        if close is None:
            return
        try:
            close()
        except Exception as error:  # noqa: BLE001  a foreign handler
            logger.warning("handler %s can't be closed: %s", self.subscriber.name, describe(error))
