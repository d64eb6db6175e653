"""What a call of a handler, or of what handlers stand behind, came to."""

from __future__ import annotations

import functools
import time

from ._errors import RejectedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from ._report import Outcome, Report


class Attempt:
    """The one place where anything that a handler raises is caught, timed and worded.

    :ivar delivered: whether nothing was raised
    :ivar reason: what was; secrets are masked
    :ivar rejected: whether another try can't help
    :ivar retry_after: seconds that the other side asks to wait
    :ivar duration: seconds that it took
    """

    def __enter__(self) -> Self:
        self.delivered = True
        self.reason = ""
        self.rejected = False
        self.retry_after: float | None = None
        self._started = time.perf_counter()
        return self

    def __exit__(self, _type: object, error: BaseException | None, _tb: object) -> bool:
        self.duration = time.perf_counter() - self._started
        if not isinstance(error, Exception):
            return False
        from ._redact import describe

        self.delivered = False
        self.reason = describe(error)
        self.rejected = isinstance(error, RejectedError)
        wished = getattr(error, "retry_after", None)  # a foreign exception may have anything there
        self.retry_after = wished if isinstance(wished, (int, float)) else None
        return True

    def outcome(self, handler: str, *, in_front: bool = False) -> Outcome:
        """What is reported of a handler."""
        _, outcome = report_types()
        return outcome(
            handler=handler,
            delivered=self.delivered,
            in_front=in_front,
            reason=self.reason,
            rejected=self.rejected,
            retry_after=self.retry_after,
            duration=self.duration,
        )


@functools.cache
def report_types() -> tuple[type[Report], type[Outcome]]:
    """Load them when they are first needed (they bring typing), at the cost of one import statement."""
    from ._report import Outcome, Report

    return Report, Outcome
