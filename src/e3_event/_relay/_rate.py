"""No more than so many a second."""

from __future__ import annotations

import math


class Rate:
    """Allows so many deliveries a second, and a second's worth of them at once (a token bucket).

    :param limit: deliveries a second; `None`: any number
    :param now: seconds of a clock that never jumps
    """

    def __init__(self, limit: float | None, now: float) -> None:
        self._limit = limit
        self._most = max(limit, 1.0) if limit else math.inf
        self._tokens = min(self._most, 1.0)
        self._since = now

    def allowed(self, now: float) -> float:
        """How many may go out now, as a number that may have a fraction."""
        if self._limit is None:
            return math.inf
        self._tokens = min(self._most, self._tokens + (now - self._since) * self._limit)
        self._since = now
        return self._tokens

    def wait(self, now: float) -> float:
        """Seconds until the next one may go out."""
        missing = 1.0 - self.allowed(now)
        return max(missing, 0.0) / self._limit if self._limit else 0.0

    def spend(self, count: int) -> None:
        """Note that so many went out."""
        self._tokens -= count
