"""What pytest calls: of the process that began the session, and of the processes that run its tests."""

from __future__ import annotations

import os
import sys

import pytest

from e3_event import _family
from e3_event._event import Event

from ._summary import told
from ._tests import MARK
from ._unharmed import Unharmed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any

    from e3_event._report import Report

    from ._session import SessionEvent

#: What the processes of pytest-xdist are told, and tell.
_FAMILY, _DESELECTED = "e3_event_family", "e3_event_deselected"
#: The data of a test's event that are known where it runs.
_PLACE = ("uid", "parent_uid", "trace_id", "span_id", "parent_span_id")
#: Options with which no test is run.
_ONLY_LOOKING = ("collectonly", "showfixtures", "show_fixtures_per_test", "cacheshow")


def register(config: pytest.Config, name: str, tests: str) -> None:
    """Have pytest call us.

    :param name: of the session's event
    :param tests: which tests get an event of their own
    """
    if any(getattr(config.option, option, None) for option in _ONLY_LOOKING):
        return
    is_worker = hasattr(config, "workerinput")
    config.pluginmanager.register(Worker(config) if is_worker else Controller(config, name, tests))
    if tests == "all":
        config.pluginmanager.register(Items())


class Controller:
    """Makes the event of the session, and those of its tests.

    With pytest-xdist the reports of all processes come here.
    """

    def __init__(self, config: pytest.Config, name: str, tests: str) -> None:
        self._config = config
        self._arguments = (name, tests)
        self._pid = os.getpid()
        self._unharmed = Unharmed()
        self._event: SessionEvent | None = None
        self._report: Report | None = None
        self._deselected = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        with self._unharmed:
            from ._session import SessionEvent

            arguments = [os.fspath(argument) for argument in self._config.invocation_params.args]
            self._session = session
            self._event = SessionEvent(*self._arguments, arguments, self._unharmed.tell)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if (event := self._own_event()) and not report.passed:
            with self._unharmed:
                event.take(report, "error" if report.failed else "skipped")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if event := self._own_event():
            with self._unharmed:
                status = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
                event.take(report, status[0] if status else report.outcome)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._deselected += len(items)

    def pytest_warning_recorded(self) -> None:
        if event := self._own_event():
            event.count("warnings")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a process of pytest-xdist which event its tests are part of."""
        if event := self._own_event():
            node.workerinput[_FAMILY] = event.member.variables({})

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Each process of pytest-xdist collects, and deselects, the same."""
        output = getattr(node, "workeroutput", {})
        self._deselected = max(self._deselected, output.get(_DESELECTED, 0))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if event := self._own_event():
            event.stop(excinfo.value)

    def pytest_internalerror(self, excrepr: object, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if event := self._own_event():
            with self._unharmed:
                event.stop(excinfo.value, str(excrepr))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._finish(sys.exception())

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if os.getpid() != self._pid:
            return
        with self._unharmed:
            is_well, line = told(self._arguments[0], self._report, self._unharmed.problem)
            if terminalreporter.verbosity >= 0 or not is_well:
                terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        self._finish(None)  # where another plugin did not let the session begin

    def _own_event(self) -> SessionEvent | None:
        """The event; `None`: there is none, or it is that of the process from which a test has forked us."""
        return self._event if os.getpid() == self._pid else None

    def _finish(self, error: BaseException | None) -> None:
        """Send the event, once."""
        event, self._event = self._own_event(), None
        if event is None:
            return
        try:
            with self._unharmed:
                if isinstance(error, pytest.UsageError):  # of which no hook is told
                    event.stop(error)
                event.count("deselected", self._deselected)
                event.finish(self._session)
        except KeyboardInterrupt:  # while it was delivered; what is kept is delivered later
            pass
        self._report = event.report


class Worker:
    """In a process of pytest-xdist: has tests know the event of the session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config: Any = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        if above := _family.parent(self._config.workerinput.get(_FAMILY, {})):
            _family.enter(above)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        output = self._config.workeroutput
        output[_DESELECTED] = output.get(_DESELECTED, 0) + len(items)


class Items:
    """Where tests run that all have an event: makes it the parent of what is made inside the test."""

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None]:
        event = Event("test")
        member = _family.begin(event)
        self._mark = {key: event[key] for key in _PLACE if key in event}
        yield
        _family.end(member)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any]:
        outcome = yield
        setattr(outcome.get_result(), MARK, self._mark)
