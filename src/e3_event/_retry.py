"""When a delivery is tried again, and when it is given up: values and pure functions, nothing that acts."""

from __future__ import annotations

import math
import random as _random

import msgspec

from ._errors import EventError, RejectedError
from ._redact import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Age gives nothing up before so many attempts.
LEAST_ATTEMPTS = 3
#: Seconds that one call of a handler may take before it is taken to hang.
DEADLINE = 300.0
_MOST_DOUBLINGS = 64  # beyond any sensible ratio of `longest` to `first`, and no overflow


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long a delivery is tried, and how the waits between its attempts grow.

    Exponential back-off with full jitter: before attempt n + 1 it waits a random time between 0 and
    `min(longest, first * 2 ** (n - 1))` (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
    2015), so that many deliveries that failed together do not come back together.

    The limits are attempts and age, whichever is reached first. Age gives up nothing before the third
    attempt: a machine that was off for a week or whose clock has jumped must not drop what it never tried.
    But a relay that has tried a sink in vain for all of that time gives up what waits behind it untried.

    :ivar attempts: give up after so many; `None` leaves it to *age*
    :ivar age: give up what was accepted so many seconds ago. Five days is what mail servers do (RFC 5321,
        section 4.5.4.1)
    :ivar first: the longest wait after the first attempt, in seconds
    :ivar longest: the longest wait at all, in seconds, unless the other side asks for more
    :raises EventError: says which value is wrong
    """

    attempts: int | None = None
    age: float = 5 * 86400.0
    first: float = 5.0
    longest: float = 3600.0

    def __post_init__(self) -> None:
        if self.attempts is not None and self.attempts < 1:
            raise EventError(f"attempts: a number from 1 is needed, not {self.attempts}")
        for name in ("age", "first", "longest"):
            value = getattr(self, name)
            if not (0 < value < math.inf):
                raise EventError(f"{name}: more than 0 seconds are needed, not {value}")
        if self.longest < self.first:
            raise EventError(f"longest ({self.longest} s) is shorter than first ({self.first} s)")

    def delay(
        self,
        attempt: int,
        wished: float | None = None,
        age: float = 0.0,
        random: Callable[[], float] = _random.random,
    ) -> float | None:
        """How long to wait after a failed attempt.

        What the other side wishes comes on top of our own wait: never earlier than it asked, and not all at
        the same moment. It may be above *longest*, as the other side knows best when it is back; it is cut
        to what is left of *age*, so that a wish for years means one last try and no delivery that never ends.

        :param attempt: the number of the attempt that failed, from 1
        :param wished: seconds that the other side asks to wait (`retry_after`); what is no time is ignored
        :param age: seconds since the event was accepted; a clock that was set back makes it 0
        :param random: gives a number from 0 up to 1
        :return: seconds, at least 0; `None`: given up
        """
        age = max(age, 0.0)
        if self.attempts is not None and attempt >= self.attempts:
            return None
        if age >= self.age and attempt >= LEAST_ATTEMPTS:
            return None
        doublings = min(max(attempt, 1) - 1, _MOST_DOUBLINGS)
        wait = random() * min(self.longest, self.first * 2.0**doublings)
        return min(_seconds(wished), max(self.age - age, 0.0)) + wait


class Delivered(msgspec.Struct, frozen=True):
    """The other side has it."""


class Skipped(msgspec.Struct, frozen=True):
    """It is not for this handler: its route did not match."""


class Again(msgspec.Struct, frozen=True):
    """Not delivered; to be tried again.

    :ivar after: seconds to wait
    :ivar reason: why it was not delivered; secrets are masked
    """

    after: float
    reason: str


class Dead(msgspec.Struct, frozen=True):
    """Given up: a dead letter, until a person decides.

    :ivar reason: why; secrets are masked
    """

    reason: str


Verdict = Delivered | Skipped | Again | Dead


def judge(
    answer: object,
    attempt: int,
    policy: RetryPolicy,
    *,
    age: float = 0.0,
    random: Callable[[], float] = _random.random,
) -> Verdict:
    """What becomes of a delivery after its *attempt*-th try (from 1).

    Only `RejectedError` means that another try can't help. Any other exception may be a passing one, also
    those that are no error of ours: a bug in a handler is mended by a new version of it, and its events
    wait for that.

    :param answer: what `send_event` answered, or the exception that it raised; as the items of `send_events`
    :param age: seconds since the event was accepted
    :param random: gives a number from 0 up to 1
    """
    if answer and not isinstance(answer, BaseException):
        return Delivered()
    reason = why(answer)
    if isinstance(answer, RejectedError):
        return Dead(reason)
    delay = policy.delay(attempt, getattr(answer, "retry_after", None), age, random)
    if delay is None:
        return Dead(f"given up after {attempt} attempts: {reason}")
    return Again(delay, reason)


def why(answer: object) -> str:
    """Why a delivery failed; secrets are masked."""
    return describe(answer) if isinstance(answer, BaseException) else "the handler answered False"


def _seconds(wished: object) -> float:
    """The time that a sink or a foreign handler asks for; 0 if it is none."""
    if isinstance(wished, bool) or not isinstance(wished, int | float) or not wished > 0:
        return 0.0
    return float(min(wished, 1e12))  # an int may be larger than any float
