"""A test session as an event: from its beginning to its delivery."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter

import pytest

from e3_event._attachment import attach_files
from e3_event._attempt import Attempt
from e3_event._config import PATIENCE, configure
from e3_event._course import Course
from e3_event._event import Event
from e3_event._family import begin, end
from e3_event._manager import EventManager
from e3_event._redact import describe
from e3_event.job._context import context

from ._failures import MOST, Failures, reason_of, text_of
from ._outcome import counts_of, exit_code_of, judge
from ._tests import TestEvents
from ._text import Cleaner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from e3_event._report import Report


class SessionEvent:
    """Makes an event of a session and sends it. If this process is killed, the event comes all the same.

    :param name: of the event
    :param tests: which tests get an event of their own: `failed`, `all` or none of them
    :param arguments: of pytest
    :param tell: takes what is wrong
    :ivar member: the event as the parent of others
    """

    def __init__(
        self, name: str, tests: str, arguments: Sequence[str], tell: Callable[[str], object]
    ) -> None:
        manager = EventManager()
        configure(manager, tell=lambda text, *values: tell(text % values), patience=PATIENCE)
        self._event = event = Event(name)
        self._course = Course(manager, event)
        masking = self._course.masking
        self._clean = clean = Cleaner(masking.redactor)
        event.command = [clean.line(argument) for argument in masking.command(["pytest", *arguments])]
        for key, value in {**context(os.environ), **_versions()}.items():
            setattr(event, key, value)
        self._started = time.monotonic()
        self._seen: Counter[str] = Counter()
        self._stop: BaseException | None = None
        self._manager = manager
        self.member = begin(event)
        self._course.begin(max_log=MOST)
        self._failures = Failures(self._course.log, clean)
        self._tests = TestEvents(manager, clean, only_failed=tests == "failed", tell=tell) if tests else None

    @property
    def report(self) -> Report | None:
        """What became of the event; `None`: nobody took it yet."""
        return self._course.report

    def count(self, category: str, number: int = 1) -> None:
        """Count what pytest counts."""
        self._seen[category] += number

    def take(self, report: Any, category: str) -> None:
        """Take a report of a test, or of what could not be collected."""
        self.count(category)
        if report.failed and category != "rerun":
            what = self._clean.line(report.nodeid or "collection")
            if category == "error":
                what += f" ({report.when})"
            self._failures.add(what, self._clean.line(reason_of(report)), text_of(report))
        if self._tests and isinstance(report, pytest.TestReport):
            self._tests.add(report, category)

    def stop(self, error: BaseException, text: str = "") -> None:
        """Take what ends the session before its time.

        :param text: all of what is known of it
        """
        self._stop = error
        if text:
            self._failures.add("pytest itself", self._clean.line(describe(error)), text)

    def finish(self, session: pytest.Session) -> None:
        """End the event and send it, and those of tests that did not end."""
        code = exit_code_of(session, self._seen["warnings"])
        why = self._clean.line(describe(self._stop)) if self._stop else ""
        status, error = judge(code, self._stop, self._seen, why)
        if self._tests:
            with Attempt():  # whatever becomes of them, the session's event is sent
                self._tests.finish("cancelled" if status == "cancelled" else "aborted")
        end(self.member)
        self._close(code, status, error)
        try:
            self._course.send()
        finally:
            if not self._course.log:  # else it goes when the event is kept
                self._failures.remove()
            self._manager._close_all(wait=False)

    def _close(self, code: int, status: str, error: str) -> None:
        event = self._event
        event.duration = time.monotonic() - self._started
        event.exit_code, event.status = code, status
        for key, value in counts_of(self._seen).items():
            setattr(event, key, value)
        log, incomplete = self._failures.finish()
        for key, told in (
            ("error", error),
            ("failures", self._failures.lines),
            ("log_incomplete", incomplete),
        ):
            if told:
                setattr(event, key, told)
        self._course.masking.captured.add(log)
        attach_files(event, {"log": log} if log else {})
        event.close()


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "pytest": pytest.__version__}
