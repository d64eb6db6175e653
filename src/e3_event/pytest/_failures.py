"""What failed in a session: all of it as text in a file, and the first of it in a line each."""

from __future__ import annotations

from e3_event._attempt import Attempt
from e3_event.job._log import Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._text import Cleaner

#: Bytes of the file. Less than half of it is used, so that only its end is ever missing.
MOST = 64 << 20
_USED = 16 << 20
#: Characters that are kept of one failure.
_LONGEST = 1 << 16
#: How many are told in a line each.
_LINES = 20


class Failures:
    """Keeps what failed, without secrets and within bounds. On disk it lies as it comes.

    :param path: of the file; empty: a temporary one
    :ivar lines: the first of them, for the event
    """

    def __init__(self, path: str, clean: Cleaner) -> None:
        self.lines: list[str] = []
        self._log = Log(path, MOST) if path else Log.temporary(MOST)
        self._clean = clean
        self._left_out = 0

    def add(self, what: str, reason: str, text: str) -> None:
        """Keep a failure.

        :param what: which test, or what else it was
        :param reason: in one line
        :param text: all of it
        """
        if len(self.lines) < _LINES:
            self.lines.append(f"{what}: {reason}" if reason else what)
        if self._log.total >= _USED:
            self._left_out += 1
            return
        text = self._clean.text(text, _LONGEST)
        self._log.write(f"____ {what} ____\n{text}\n\n".encode())

    def finish(self) -> tuple[str, str]:
        """End the file.

        :return: its path, if there is anything in it, and why not all of it is
        """
        if self._left_out:
            self._log.write(f"[e3-event: {self._left_out} further failures are not shown]\n".encode())
        self._log.finish()
        return self._log.path if self._log.total else "", self._log.error

    def remove(self) -> None:
        """Delete a temporary file."""
        self._log.remove()


def text_of(report: Any) -> str:
    """Return what pytest shows of a report that failed: where and why, and what was printed meanwhile."""
    printed = [f"---- {heading} ----\n{content}" for heading, content in report.sections]
    return "\n".join([traceback_of(report), *printed])


def traceback_of(report: Any) -> str:
    """Return where and why it failed."""
    return _shown(lambda: report.longreprtext)


def reason_of(report: Any) -> str:
    """Return why it failed, in the first line of what was raised."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = _shown(lambda: getattr(crash, "message", "") or report.longrepr or "")
    return text.strip().partition("\n")[0]


def _shown(show: Callable[[], object]) -> str:
    """Return a text that foreign code makes."""
    with Attempt() as attempt:
        return str(show())
    return f"it can't be shown: {attempt.reason}"
