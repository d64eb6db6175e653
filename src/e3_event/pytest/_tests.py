"""Tests as events, each part of the session's."""

from __future__ import annotations

import os
import time

from e3_event._course import Course
from e3_event._event import Event
from e3_event._family import join

from ._failures import reason_of, traceback_of
from ._outcome import STATUS_OF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from e3_event._manager import EventManager

    from ._text import Cleaner

#: The attribute of a report with the `uid` of its test's event and its place in the trace.
MARK = "e3_event"
#: Characters of a traceback that an event has.
_TRACEBACK = 20_000
#: Seconds after which what fails is not tried for each test.
_LONG = 1.0
_ORDER = list(STATUS_OF)
_OF_ALL_TRIES = ("duration", "test", "file", "line")


class TestEvents:
    """Makes an event of the reports of a test, and sends it when there will be no more of them.

    After one that could not be sent no further one is tried, nor where it took long to learn that the spool
    or a handler does not take it: each of many would have to be waited for.

    :param only_failed: whether there are events of tests that failed only
    :param tell: takes what is wrong
    """

    def __init__(
        self, manager: EventManager, clean: Cleaner, *, only_failed: bool, tell: Callable[[str], object]
    ) -> None:
        self._lost = 0
        self._has_stopped = False
        self._tell = tell
        self._manager = manager
        self._clean = clean
        self._only_failed = only_failed
        self._open: dict[object, _Test] = {}

    def add(self, report: Any, category: str) -> None:
        """Take a report.

        :param category: pytest's
        """
        key = (getattr(getattr(report, "node", None), "gateway", None), report.nodeid)
        test = self._open.setdefault(key, _Test())
        if category == "rerun":
            self._open[key] = test.another(report, self._clean)
        else:
            test.add(report, category, self._clean)
            if report.when not in ("setup", "call") and not test.is_to_come:
                self._send(self._open.pop(key))

    def finish(self, status: str) -> None:
        """Send those whose end was not seen.

        :param status: that of tests which did not come to one
        """
        while self._open:
            _, test = self._open.popitem()
            test.status = test.status or status
            self._send(test)
        if self._lost:
            self._tell(f"the events of {self._lost} tests were not sent")

    def _send(self, test: _Test) -> None:
        if self._only_failed and test.status != "failed":
            return
        if self._has_stopped:
            self._lost += 1
            return
        # What a spool has taken is delivered with the session's event.
        report = Course(self._manager, test.event()).send(timeout=0)
        self._lost += not report.kept
        self._has_stopped = not report.kept or any(one.duration > _LONG for one in report.failed)


class _Test:
    """What is known of a test.

    :ivar status: as of an event; empty: it is not known yet
    :ivar is_to_come: whether there will be another try; what comes first is the end of the last one
    """

    def __init__(self) -> None:
        self.status = ""
        self.is_to_come = False
        self._category = ""
        self._attempt = 1
        self._begin = self._end = time.time()
        self._marks: dict[str, str] = {}
        self._data: dict[str, Any] = {"duration": 0.0}

    def another(self, report: Any, clean: Cleaner) -> _Test:
        """Return it for its next try, as this one is not what counts.

        :param report: that it failed
        """
        self._note(report, clean)
        test = _Test()
        test.is_to_come = True
        test._attempt = self._attempt + 1
        test._begin, test._marks = self._begin, self._marks
        test._data = {key: value for key, value in self._data.items() if key in _OF_ALL_TRIES}
        return test

    def add(self, report: Any, category: str, clean: Cleaner) -> None:
        """Take a report."""
        if report.when == "setup":
            self.is_to_come = False
        self._note(report, clean)
        if category not in STATUS_OF and report.when == "call":  # another plugin's
            category = report.outcome
        if category not in _ORDER[: _ORDER.index(self._category) if self._category else None]:
            return
        self._category, self.status = category, STATUS_OF[category]
        data = self._data
        data.pop("reason", None)
        if self.status == "failed":
            data["error"] = clean.line(reason_of(report))
            data["traceback"] = clean.text(traceback_of(report), _TRACEBACK)
        elif reason := _reason(report):
            data["reason"] = clean.line(reason)

    def _note(self, report: Any, clean: Cleaner) -> None:
        """Note which test it is of, and when."""
        data = self._data
        data["duration"] += report.duration
        self._begin = min(self._begin, getattr(report, "start", 0) or time.time() - report.duration)
        self._end = max(self._begin, getattr(report, "stop", 0) or time.time())
        self._marks = self._marks or getattr(report, MARK, {})
        file, line, _ = report.location
        data |= {"test": clean.line(report.nodeid), "file": clean.line(file)}
        if line is not None:
            data["line"] = line + 1

    def event(self) -> Event:
        """Return its event, with its place in the family."""
        data = self._data | {"status": self.status, "outcome": self._category or "interrupted"}
        if self._attempt > 1:
            data["attempt"] = self._attempt
        event = Event(data.pop("test"), **self._marks, **data, begin_time=self._begin)
        join(event, os.environ)
        event.close()
        event._data["end_time"] = self._end
        return event


def _reason(report: Any) -> str:
    """Why a test was skipped, or was to fail."""
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail).removeprefix("reason: ")
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return ""
