"""What we do in a session, so that it is not harmed by it."""

from __future__ import annotations

import logging
import warnings

from e3_event._attempt import Attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_logger = logging.getLogger("e3.event")


class Unharmed:
    """A context manager, to be used again and again: nothing inside raises, warns or logs.

    :ivar problem: the first that there was to say, to be told in pytest's summary
    """

    def __init__(self) -> None:
        self.problem = ""

    def tell(self, problem: str) -> None:
        """Take what is wrong."""
        self.problem = self.problem or problem

    def __enter__(self) -> Self:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")  # with `-W error` they would be errors
        _logger.addFilter(self)
        self._attempt = Attempt()
        self._attempt.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        is_caught = self._attempt.__exit__(kind, error, traceback)
        _logger.removeFilter(self)
        self._warnings.__exit__(None, None, None)
        if is_caught:
            self.tell(self._attempt.reason)
        return is_caught

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep a record of the package from the log. Errors are in the report, too, and so is what is of a
        relay's thread.
        """
        if record.levelno == logging.WARNING and not (record.threadName or "").startswith("relay"):
            self.tell(record.getMessage())
        return False
