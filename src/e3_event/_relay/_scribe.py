"""What a worker writes down of its deliveries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from e3_event._logger import logger
from e3_event._retry import Again, Dead, Delivered
from e3_event.spool._deliveries import Delivery, State

from ._rate import Rate

if TYPE_CHECKING:
    from e3_event._retry import Verdict
    from e3_event.spool._taken import Taken

_DELIVERED = int(State.DELIVERED)  # which is packed faster than a member of an enumeration


class Scribe:
    """Puts verdicts into the words of the ledger, counts those that are good, and logs those that are final.

    :param name: of the handler
    :param number: id of the subscription
    :ivar delivered: how many deliveries succeeded
    """

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._number = number
        self._dead = 0  # given up, and not logged yet
        self._telling = Rate(1.0, time.monotonic())
        self.delivered = 0

    def success(self, one: Taken, now: float, duration: float) -> Delivery:
        """A delivery that has arrived.

        :param now: seconds since the epoch
        :param duration: of the attempt, in seconds
        """
        self.delivered += 1
        attempts = one.attempts + 1
        columns = (one.seq, self._number, _DELIVERED, attempts, one.crashes, 0.0, now, duration, "")
        return Delivery._make(columns)  # in a third of the time of Delivery(...)

    def judged(self, one: Taken, verdict: Verdict, now: float, duration: float) -> Delivery:
        """A delivery that was tried, whatever became of it; otherwise as `success`."""
        if isinstance(verdict, Delivered):
            return self.success(one, now, duration)
        state, due = State.DEAD, 0.0
        if isinstance(verdict, Again):
            state, due = State.AGAIN, now + verdict.after
        reason = getattr(verdict, "reason", "")
        if isinstance(verdict, Dead):
            self._dead += 1
            self._tell_now_and_then(reason)
        return Delivery(
            one.seq, self._number, state, one.attempts + 1, one.crashes, due, now, duration, reason
        )

    def untried(self, one: Taken, now: float) -> Delivery:
        """A delivery as it was before it was taken."""
        due = one.due or now
        return Delivery(one.seq, self._number, State.AGAIN, one.attempts, one.crashes, due, now)

    def gave_up(self, count: int, reason: str) -> None:
        """Log that so many were given up untried."""
        self._dead += count
        if count:
            self._tell(reason)

    def _tell_now_and_then(self, reason: str) -> None:
        """Log that an event is given up; a flood of them in a line now and then."""
        if self._telling.allowed(time.monotonic()) >= 1:
            self._telling.spend(1)
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        logger.error("%s: %d given up (see `e3-event dead`): %s", self._name, self._dead, reason)
        self._dead = 0
