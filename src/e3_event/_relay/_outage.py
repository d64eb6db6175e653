"""When what waits behind a sink that does not come back is given up: pure functions, nothing that acts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from e3_event._retry import LEAST_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e3_event._retry import RetryPolicy
    from e3_event.spool._subscriptions import Moment

#: So many moments are kept of the time after which events are given up: they may wait longer by that part.
_STEPS = 12
#: A sink is left alone for twice the longest wait at most; so much more is due to those who probe it.
_WAITS = 3
_DAY, _HOUR = 86400.0, 3600.0


class Expired(NamedTuple):
    """What is given up, if it was not tried for so long although it might have been.

    :ivar seq: events up to this one
    :ivar due: what was due before (seconds since the epoch)
    """

    seq: int
    due: float


def prolong(outage: Sequence[Moment], now: Moment, policy: RetryPolicy) -> list[Moment]:
    """An outage once another try has failed; its last moment is always that of the last failure.

    It has to be seen to go on: after a pause longer than a third of the policy's age (or than waits may be,
    if those are longer), and wherever the clock went back, it begins anew. Else a machine that was off for a
    week, a relay that was stopped for so long, or a clock that jumps would count as a week of tries.

    :param outage: the moments of it so far; none: this is the first failure
    :param now: when the try has failed, and the newest event that was there before
    """
    pause = max(policy.age / LEAST_ATTEMPTS, _WAITS * policy.longest)
    if not outage or not 0 <= now.when - outage[-1].when <= pause:
        return [now]
    is_close = len(outage) > 1 and outage[-1].when - outage[-2].when < policy.age / _STEPS
    known = outage[:-1] if is_close else outage
    past = sum(moment.when <= now.when - policy.age for moment in known)
    return [*known[max(past - 1, 0) :], now]


def expired(outage: Sequence[Moment], policy: RetryPolicy) -> Expired | None:
    """What is given up as the sink has failed at every try for as long as the policy lets events grow old.

    That is what was there when such a time began. What was tried meanwhile is judged by its own attempts. No
    clock is asked when an event was put: it is older than a moment of the outage if its seq is.

    :return: `None`: nothing
    """
    if not outage:
        return None
    due = outage[-1].when - policy.age
    seq = max((moment.newest for moment in outage if moment.when <= due), default=0)
    return Expired(seq, due) if seq else None


def reason(policy: RetryPolicy, why: str) -> str:
    """Why an event is given up that was never tried, or not often enough."""
    age = policy.age
    unit, size = ("days", _DAY) if age >= 2 * _DAY else ("h", _HOUR) if age >= 2 * _HOUR else ("s", 1.0)
    return f"given up after {age / size:.3g} {unit}: {why}"
