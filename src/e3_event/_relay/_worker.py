"""One thread that takes what one subscription is owed to its handler."""

from __future__ import annotations

import contextlib
import math
import random as _random
import threading
import time
from typing import TYPE_CHECKING

from e3_event._errors import DeliveryError, SpoolError
from e3_event._logger import logger
from e3_event._redact import describe
from e3_event._retry import Again, Dead, judge, why
from e3_event.spool._queue import LeaseLostError

from ._caller import Caller, plain
from ._rate import Rate
from ._scribe import Scribe
from ._sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from e3_event._retry import Verdict
    from e3_event.spool import Spool
    from e3_event.spool._deliveries import Delivery
    from e3_event.spool._taken import Taken

    from ._subscriber import Subscriber

#: Most deliveries that go out at once, and how many at first.
BATCH, FIRST_BATCH = 500, 16
#: Seconds of work that are written down with one commit, about: what is out when a worker dies comes twice.
_SETTLE = 0.5
#: Seconds after which a spool that failed, or a subscription that another one serves, is looked at again.
_PATIENCE = 5.0
#: Seconds after which a clock that was set may have made something due.
_LONGEST_PAUSE = 10.0
#: Seconds to wait at least where there is something but it can't be taken.
_LEAST_PAUSE = 0.05


class Worker:
    """Takes what one subscription is owed to its handler, in a thread of its own.

    :param spool: where the events wait
    :param number: id of the subscription
    :param subscriber: the handler
    :param first: a snapshot to be delivered before any other
    :param random: gives a number from 0 up to 1
    :param alone: shared by the workers of a process: held while something is out that was out before when a
        worker died, so that what a next death says is said of it alone
    :ivar is_idle: whether it waits for something to do, for a sink that is down, or for another worker
    :ivar problem: why it can't serve the subscription; empty: it can, or another worker does
    """

    def __init__(
        self,
        spool: Spool,
        number: int,
        subscriber: Subscriber,
        *,
        first: str | None = None,
        random: Callable[[], float] = _random.random,
        alone: threading.Lock | None = None,
    ) -> None:
        self.subscriber = subscriber
        self.is_idle = False
        self.problem = ""
        self._clock = spool.clock
        self._queue = spool.queue(number, strict=subscriber.order == "strict")
        self._first = first
        self._random = random
        self._sink = Sink(subscriber.retry, random)
        self._rate = Rate(subscriber.rate, time.monotonic())
        self._scribe = Scribe(subscriber.name, number)
        self._caller = Caller(subscriber.build, spool.path, in_order=subscriber.order == "strict")
        self._alone = alone or threading.Lock()
        self._is_alone = False
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

    @property
    def delivered(self) -> int:
        """How many deliveries succeeded."""
        return self._scribe.delivered

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
        if self._thread.ident is not None:  # it could be started
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
            if not self._fenced and self._queue.has_lease:
                self._queue.renew()

    def fence(self, reason: str) -> None:
        """Take its deliveries away: the one that is with the handler has failed, the others wait.

        Whatever the handler answers from now on changes nothing.
        """
        self._fenced = True
        with self._guard, contextlib.suppress(SpoolError):
            done = list(self._done)
            if len(done) < len(self._out):
                late, now = self._out[len(done)], self._clock()
                verdict, _ = self._judge(late, DeliveryError(reason), now)
                done.append(self._scribe.judged(late, verdict, now, 0.0))
            self._queue.release(done, note=self._sink.save)
        self._share()

    def _run(self) -> None:
        while not self._stopping and not self._fenced:
            try:
                self._serve()
                if self._anew:
                    continue
            except LeaseLostError as error:
                logger.debug("%s", error)
            except BaseException as error:  # noqa: BLE001  this thread has to go on, whatever it was
                self._tell_of_problem(error)
            self.is_idle = True
            self._pause(_PATIENCE)
        self._close()

    def _tell_of_problem(self, error: BaseException) -> None:
        """Log what keeps the deliveries from going on, once."""
        if str(error) == self.problem:
            return
        self.problem = str(error) or type(error).__name__
        trace = None if isinstance(error, SpoolError) else error
        logger.error("handler %s can't be served: %s", self.subscriber.name, error, exc_info=trace)

    def _serve(self) -> None:
        """Take the lease and deliver, until it is lost or we are stopped."""
        self._anew = False
        self._give_back()  # what an earlier failure of the spool has kept us from
        lane = self._queue.lane()
        if lane.forgotten or lane.is_served(self._clock()):
            return
        with self._guard:
            if self._fenced or not self._queue.acquire():
                return
        try:
            self._sink.load(self._queue.lane(), self._clock())
            self.problem = ""
            while not self._stopping and not self._anew:
                wait = self._wait()
                if wait > 0 or not self._deliver():
                    self._pause(max(wait, _LEAST_PAUSE))
        finally:
            with contextlib.suppress(SpoolError):
                self._give_back()

    def _give_back(self) -> None:
        """Write down what is done, and give back what else is out, and the lease."""
        with self._guard:
            try:
                if self._queue.has_lease:
                    self._queue.release(self._done, note=self._sink.save)
            except LeaseLostError as error:
                logger.debug("%s", error)
            self._out, self._done = (), []

    def _deliver(self) -> bool:
        """Deliver until there is nothing that can be taken; return whether there was something."""
        has_some = False
        while not self._stopping and (limit := self._may_take()):
            try:
                taken = self._turn(limit, alone=self._be_alone())
                if not taken:
                    break
                has_some, self.is_idle = True, False
                if not taken[0].crashes:
                    self._share()
                self._rate.spend(len(taken))
                started = time.monotonic()
                try:
                    self._send(taken)
                finally:
                    self._queue.unpacker.tidy(taken)
                self._adapt(time.monotonic() - started, len(taken))
                if self._is_alone:
                    self._turn(0)
            finally:
                self._share()
        if self._done:
            self._turn(0)
        if has_some:
            self._give_up()
        return has_some

    def _give_up(self) -> None:
        """Make dead letters of what has waited too long for a sink that has just failed again."""
        if (found := self._sink.expired()) is None:
            return
        (seq, due), reason = found
        count, is_more = 0, True
        try:
            while is_more and not self._stopping:
                with self._guard:
                    if self._fenced:
                        return
                    given, is_more = self._queue.expire(seq, due, reason)
                count += given
        finally:
            self._scribe.gave_up(count, reason)

    def _be_alone(self) -> bool:
        """Get the right to take what was out when its worker died; no other worker gets it meanwhile."""
        if self._queue.has_suspects and self._alone.acquire(timeout=_LEAST_PAUSE):
            self._is_alone = True
        return self._is_alone

    def _share(self) -> None:
        with self._guard:
            if self._is_alone:
                self._is_alone = False
                self._alone.release()

    def _turn(self, limit: int, *, alone: bool = False) -> Sequence[Taken]:
        """Write down what is done, and take so many more; 0 is none."""
        with self._guard:
            if self._fenced:
                raise LeaseLostError("its handler was taken to hang")
            first = self._first if limit else None
            taken = self._queue.turn(self._done, limit, note=self._sink.save, first=first, alone=alone)
            if limit:
                self._out, self._first = taken, None
            else:
                self._out = self._out[len(self._done) :]
            self._done = []
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
        sink, scribe, monotonic, clock = self._sink, self._scribe, time.monotonic, self._clock
        written = monotonic()
        answers = self._caller.answers([one.snapshot for one in taken if one.snapshot is not None])
        for place, one in enumerate(taken):
            started = self._called = monotonic()
            answer = next(answers) if one.snapshot is not None else None
            self._called = math.inf
            ended, now = monotonic(), clock()
            if answer is True and not sink.failures:  # so it is nearly always
                self._done.append(scribe.success(one, now, ended - started))
                is_blocked = False
            else:
                is_blocked = self._conclude(one, answer, now, ended - started)
            if self._fenced:
                raise LeaseLostError("its handler was taken to hang")
            if (self._stopping or is_blocked) and not (self._caller.is_ahead and ended - started < _SETTLE):
                if is_blocked:
                    self._done += [scribe.untried(rest, now) for rest in taken[place + 1 :]]
                return
            if ended - written > _SETTLE or self._queue.may_be_lost(now):
                self._turn(0)
                written = ended

    def _conclude(self, one: Taken, answer: object, now: float, duration: float) -> bool:
        """Decide what becomes of a delivery, for the next commit.

        :return: whether its failure keeps back what comes after it
        """
        if answer is not True and (problem := self._queue.unpacker.examine(one)):
            self._done.append(self._scribe.judged(one, Dead(problem), now, duration))
            return False
        verdict, is_changed = self._judge(one, plain(answer), now)
        self._done.append(self._scribe.judged(one, verdict, now, duration))
        if is_changed:
            self._tell_of_sink()
        return isinstance(verdict, Again) and (bool(self._sink.down) or self.subscriber.order == "strict")

    def _judge(self, one: Taken, answer: bool | BaseException, now: float) -> tuple[Verdict, bool]:
        """What becomes of a delivery, and whether its sink has just gone down or come up."""
        policy = self.subscriber.retry
        verdict = judge(answer, one.attempts + 1, policy, age=now - one.put, random=self._random)
        return verdict, self._sink.judge(one.seq, answer, why(answer), now, self._queue.newest)

    def _tell_of_sink(self) -> None:
        name, sink = self.subscriber.name, self._sink
        if sink.down:
            logger.warning("%s is down, its events wait: %s", name, sink.reason)
            return
        logger.warning("%s is up again", name)
        with self._guard:
            if not self._fenced:
                self._queue.catch_up()

    def _wait(self) -> float:
        """Seconds until something can be taken, as far as is known; 0: now."""
        is_ready, due = self._queue.ready()
        now = self._clock()
        down = self._sink.wait(now)
        self.is_idle = not is_ready or bool(down)
        if down or not is_ready:
            return down or max(due - now, 0.0)
        return self._rate.wait(time.monotonic())

    def _pause(self, seconds: float) -> None:
        if self._stopping or self._fenced or seconds <= 0:
            return
        self._wake.wait(min(seconds, _LONGEST_PAUSE))
        self._wake.clear()

    def _close(self) -> None:
        try:
            self._caller.close()
        except BaseException as error:  # noqa: BLE001  a foreign handler
            logger.warning("handler %s can't be closed: %s", self.subscriber.name, describe(error))
