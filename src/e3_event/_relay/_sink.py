"""Whether a handler's other side is up, and when one that is down is tried again."""

from __future__ import annotations

import random as _random
from typing import TYPE_CHECKING

from e3_event._errors import RejectedError
from e3_event._retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from e3_event.spool._subscriptions import Lane

#: Failed attempts in a row after which a sink is taken to be down. One event alone must not do that.
ENOUGH = 3


class Sink:
    """What is known of a handler's other side.

    A sink is down after `ENOUGH` failed attempts in a row that might have succeeded. It is then tried with
    one delivery at a time, after waits that grow as the policy says (without its limits), and is up with the
    first that arrives. A rejection is an answer: the sink is up.

    :param policy: its waits
    :ivar failures: failed attempts in a row
    :ivar down: since when it is down (seconds since the epoch); 0: it is up
    :ivar reason: why
    :ivar probe: not to be tried before
    """

    def __init__(self, policy: RetryPolicy, random: Callable[[], float] = _random.random) -> None:
        self._waits = RetryPolicy(first=policy.first, longest=policy.longest)
        self._random = random
        self.failures = 0
        self.down = 0.0
        self.reason = ""
        self.probe = 0.0

    def load(self, lane: Lane, now: float) -> None:
        """Take over what an earlier worker knew."""
        self.failures, self.down, self.reason = lane.failures, lane.down, lane.reason
        self.probe = min(lane.probe, now + self._waits.longest)  # the clock may have been set back

    def save(self, lane: Lane) -> None:
        """Leave it to later workers."""
        lane.failures, lane.down, lane.reason, lane.probe = self.failures, self.down, self.reason, self.probe

    def wait(self, now: float) -> float:
        """Seconds until it may be tried; 0 if it is up."""
        return max(self.probe - now, 0.0) if self.down else 0.0

    def judge(self, answer: object, reason: str, now: float) -> bool:
        """Learn from an attempt.

        :param answer: what the handler answered, or the exception that it raised
        :param reason: why it was not delivered
        :return: whether the sink has just gone down or come up
        """
        if isinstance(answer, RejectedError) or (answer and not isinstance(answer, BaseException)):
            changed = bool(self.down)
            self.failures, self.down, self.reason, self.probe = 0, 0.0, "", 0.0
            return changed
        self.failures += 1
        if self.failures < ENOUGH:
            return False
        changed = not self.down
        self.down = self.down or now
        self.reason = reason
        self.probe = now + (self._waits.delay(self.failures - ENOUGH + 1, random=self._random) or 0.0)
        return changed
