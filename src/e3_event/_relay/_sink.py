"""Whether a handler's other side is up, and when one that is down is tried again."""

from __future__ import annotations

import random as _random
from typing import TYPE_CHECKING, Any

from e3_event._errors import RejectedError
from e3_event._retry import RetryPolicy
from e3_event.spool._subscriptions import Moment

from . import _outage

if TYPE_CHECKING:
    from collections.abc import Callable

    from e3_event.spool._subscriptions import Lane

    from ._outage import Expired

#: Events that fail in a row, after which a sink is taken to be down. One event alone never does that.
ENOUGH = 3
#: So many of them are known again when they fail again.
_REMEMBERED = 16


class Sink:
    """What is known of a handler's other side.

    A sink is down after `ENOUGH` events in a row failed that might have succeeded. It is then tried with
    one delivery at a time, after waits that grow as the policy says (without its limits), and is up with the
    first that arrives. A rejection is an answer: the sink is up. An event that failed before says nothing new
    when it fails again, as that may be its own fault: neither does it take the sink down nor do the waits
    grow.

    What waits behind a sink that stays down is given up once that has lasted for as long as the policy lets a
    delivery grow old (see `_outage`).

    :param policy: its waits, and its age
    :ivar failures: events that failed in a row
    :ivar down: since when it is down (seconds since the epoch); 0: it is up
    :ivar reason: why
    :ivar probe: not to be tried before
    """

    def __init__(self, policy: RetryPolicy, random: Callable[[], float] = _random.random) -> None:
        self._policy = policy
        self._waits = RetryPolicy(first=policy.first, longest=policy.longest)
        self._random = random
        self._failed: dict[int, None] = {}  # the last ones, the latest at the end
        self.failures = 0
        self.down = 0.0
        self.reason = ""
        self.probe = 0.0
        self._outage: list[Moment] = []

    def load(self, lane: Lane, now: float) -> None:
        """Take over what an earlier worker knew."""
        self.failures, self.down, self.reason = lane.failures, lane.down, lane.reason
        self._failed = dict.fromkeys(lane.failed)
        self._outage = lane.outage
        self.probe = min(lane.probe, now + self._policy.longest)  # the clock may have been set back

    def save(self, lane: Lane) -> None:
        """Leave it to later workers; what waits has its time again if a person has decided so meanwhile."""
        if not lane.outage:
            self._outage = self._outage[-1:]
        lane.failures, lane.down, lane.reason, lane.probe = self.failures, self.down, self.reason, self.probe
        lane.failed, lane.outage = list(self._failed), self._outage

    def wait(self, now: float) -> float:
        """Seconds until it may be tried; 0 if it is up."""
        return max(self.probe - now, 0.0) if self.down else 0.0

    def expired(self) -> tuple[Expired, str] | None:
        """What is given up, and why, as the sink does not come back; `None`: nothing."""
        found = _outage.expired(self._outage, self._policy) if self.down else None
        return found and (found, _outage.reason(self._policy, self.reason))

    def judge(self, seq: int, answer: bool | BaseException, reason: str, now: float, newest: int = 0) -> bool:
        """Learn from an attempt.

        :param seq: of the event
        :param answer: what the handler answered, or the exception that it raised
        :param reason: why it was not delivered
        :param newest: the newest event (its seq) that was there before
        :return: whether the sink has just gone down or come up
        """
        if answer is True or isinstance(answer, RejectedError):
            changed = bool(self.down)
            self.failures, self.down, self.reason, self.probe = 0, 0.0, "", 0.0
            self._failed.clear()
            self._outage = []
            return changed
        self._outage = _outage.prolong(self._outage, Moment(now, newest), self._policy)
        self.failures += seq not in self._failed
        self._failed.pop(seq, None)
        self._failed[seq] = None
        if len(self._failed) > _REMEMBERED:
            del self._failed[next(iter(self._failed))]
        if self.failures < ENOUGH:
            return False
        changed = not self.down
        self.down = self.down or now
        self.reason = reason
        self.probe = now + self._wait(getattr(answer, "retry_after", None))
        return changed

    def _wait(self, wished: Any) -> float:
        """How long it is left alone: also as long as it asks for, within reason."""
        delay = self._waits.delay(self.failures - ENOUGH + 1, wished, random=self._random)
        return min(delay or 0.0, 2 * self._policy.longest)
