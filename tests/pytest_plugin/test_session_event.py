"""`--e3-event NAME`: a session of pytest as one event."""

from __future__ import annotations

import os
import platform

import pytest

from pytest_plugin.session import Sessions, line_of

EVERY_KIND = """
    import warnings
    import pytest

    def test_passes(): warnings.warn("old")
    def test_passes_too(): pass
    def test_fails():
        print("printed")
        assert 1 == 2, "not the same"
    @pytest.fixture
    def broken(): raise OSError("no disk")
    def test_error(broken): pass
    @pytest.mark.skip(reason="not today")
    def test_skipped(): pass
    @pytest.mark.xfail(reason="known")
    def test_xfailed(): assert 0
    @pytest.mark.xfail
    def test_xpassed(): pass
    def test_left_out(): pass
"""
COUNTS = {
    "passed": 2,
    "failed": 1,
    "errors": 1,
    "skipped": 1,
    "xfailed": 1,
    "xpassed": 1,
    "deselected": 1,
    "warnings": 1,
}
ASKED = ("--e3-event", "unit")


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one", "xdist"])
def test_a_session_is_one_event_with_pytests_own_counts(
    sessions: Sessions, processes: tuple[str, ...]
) -> None:
    sessions.write("test_it.py", EVERY_KIND)
    done = sessions.run(*ASKED, "--deselect", "test_it.py::test_left_out", *processes)
    assert done.returncode == 1
    event = sessions.session()
    assert {key: event[key] for key in COUNTS} == COUNTS
    assert (event["name"], event["status"], event["exit_code"]) == ("unit", "failed", 1)
    assert event["error"] == "1 failed, 1 error"
    assert sorted(event["failures"]) == [
        "test_it.py::test_error (setup): OSError: no disk",
        "test_it.py::test_fails: AssertionError: not the same",
    ]
    assert len(sessions.sent()) == 1
    assert line_of(done) == f"e3-event: event unit ({event['uid']}) is delivered to file"


def test_it_says_where_and_of_what_it_was(sessions: Sessions) -> None:
    sessions.write("test_it.py", "def test_it(): pass")
    assert sessions.run(*ASKED, "-q").returncode == 0
    event = sessions.session()
    assert event["command"] == [
        "pytest",
        *["-p", "no:cacheprovider", "-p", "e3_event.pytest", "--e3-event", "unit", "-q"],
    ]
    assert (event["python"], event["pytest"]) == (platform.python_version(), pytest.__version__)
    assert (event["cwd"], event["host"]) == (str(sessions.folder), os.uname().nodename)
    assert 0 < event["duration"] < 100
    assert (event["status"], event["exit_code"], event["passed"]) == ("ok", 0, 1)
    assert not {"error", "failures", "log_incomplete", "other_outcomes"} & event.keys()
    assert not list(sessions.events.glob("*/log"))


def test_the_log_has_what_failed_and_what_it_printed(sessions: Sessions) -> None:
    sessions.write("test_it.py", EVERY_KIND)
    sessions.write("test_broken.py", "import not_there")
    sessions.run(*ASKED, "--continue-on-collection-errors")
    log = sessions.log()
    assert "____ test_it.py::test_fails ____\n" in log
    assert "E       AssertionError: not the same\nE       assert 1 == 2\n" in log
    assert "---- Captured stdout call ----\nprinted\n" in log
    assert "____ test_it.py::test_error (setup) ____\n" in log
    assert "____ test_broken.py (collect) ____\nImportError while importing test module" in log
    assert "known" not in log
    assert sessions.session()["errors"] == 2


ENDINGS = {
    "a test fails": ("def test_it(): assert 0", 1, "failed", "1 failed"),
    "two errors": (
        """
        import pytest
        @pytest.fixture
        def broken(): raise OSError
        def test_it(broken): pass
        def test_too(broken): pass
        """,
        *(1, "failed", "2 errors"),
    ),
    "a teardown fails": (
        """
        import pytest
        @pytest.fixture
        def broken():
            yield
            raise OSError
        def test_it(broken): pass
        """,
        *(1, "failed", "1 error"),
    ),
    "Ctrl-C": (
        """
        import os, signal
        def test_it(): pass
        def test_too(): os.kill(os.getpid(), signal.SIGINT)
        """,
        *(2, "cancelled", "KeyboardInterrupt"),
    ),
    "a test gives up": (
        "import pytest\ndef test_it(): pytest.exit('no server: password=hunter2')",
        *(2, "failed", "Exit: no server: password=[redacted]"),
    ),
    "with an exit code": ("import pytest\ndef test_it(): pytest.exit('x', 33)", 33, "failed", "Exit: x"),
    "it can't be collected": ("import not_there", 2, "failed", "Interrupted: 1 error during collection"),
    "there are no tests": ("", 5, "failed", "no tests were run"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_how_it_ends_is_what_pytest_exits_with(sessions: Sessions, ending: str) -> None:
    text, exit_code, status, error = ENDINGS[ending]
    sessions.write("test_it.py", text)
    assert sessions.run(*ASKED).returncode == exit_code
    event = sessions.session()
    assert (event["exit_code"], event["status"], event["error"]) == (exit_code, status, error)


def test_bad_usage_that_is_found_in_a_session_is_told(sessions: Sessions) -> None:
    assert sessions.run(*ASKED, "not_there.py").returncode == 4
    event = sessions.session()
    assert (event["status"], event["exit_code"]) == ("failed", 4)
    assert event["error"] == "UsageError: file or directory not found: not_there.py"


def test_an_internal_error_is_told(sessions: Sessions) -> None:
    sessions.write("conftest.py", "def pytest_collection_modifyitems(): raise ValueError('bug')")
    sessions.write("test_it.py", "def test_it(): pass")
    assert sessions.run(*ASKED).returncode == 3
    event = sessions.session()
    assert (event["status"], event["exit_code"], event["error"]) == ("failed", 3, "ValueError: bug")
    assert "in pytest_collection_modifyitems" in sessions.log()


def test_a_session_that_another_plugin_does_not_let_begin_is_told(sessions: Sessions) -> None:
    sessions.write("conftest.py", "import pytest\ndef pytest_sessionstart(): pytest.exit('not here', 7)")
    assert sessions.run(*ASKED).returncode == 7
    event = sessions.session()
    assert (event["status"], event["exit_code"], event["error"]) == ("failed", 7, "Exit: not here")


@pytest.mark.skipif(not hasattr(pytest.ExitCode, "MAX_WARNINGS_ERROR"), reason="pytest knows no limit")
@pytest.mark.parametrize("how", [("--max-warnings", "0"), ("-o", "max_warnings=0")])
def test_too_many_warnings_are_a_failure(sessions: Sessions, how: tuple[str, str]) -> None:
    sessions.write("test_it.py", "import warnings\ndef test_it(): warnings.warn('old')")
    done = sessions.run(*ASKED, *how)
    assert done.returncode == 6
    event = sessions.session()
    assert (event["status"], event["exit_code"], event["warnings"]) == ("failed", 6, 1)


def test_a_setting_asks_for_it_as_well_and_an_empty_name_for_none(sessions: Sessions) -> None:
    sessions.write("pytest.ini", "[pytest]\ne3_event = from-file\ne3_event_tests = all\n")
    sessions.write("test_it.py", "def test_it(): pass")
    assert "e3-event:" not in sessions.run("--e3-event", "").stdout
    assert not sessions.events.exists()
    sessions.run()
    assert sessions.session()["name"] == "from-file"
    assert len(sessions.tests()) == 1


@pytest.mark.parametrize(
    "option", ["--collect-only", "--fixtures", "--fixtures-per-test", "--help", "--version"]
)
def test_where_no_test_is_run_there_is_no_event(sessions: Sessions, option: str) -> None:
    sessions.write("test_it.py", "def test_it(): pass")
    assert sessions.run(*ASKED, option).returncode == 0
    assert not sessions.events.exists()


WRONG = {
    ("--e3-event-tests", "failed"): "--e3-event-tests needs the name of the session's event: --e3-event NAME",
    (*ASKED, "-o", "e3_event_tests=some"): "the setting e3_event_tests is failed or all, not 'some'",
    (*ASKED, "--e3-event-tests", "some"): "--e3-event-tests: invalid choice: 'some'",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_bad_usage_of_ours_is_refused(sessions: Sessions, arguments: tuple[str, ...]) -> None:
    done = sessions.run(*arguments)
    assert done.returncode == 4
    assert WRONG[arguments] in done.stdout


def test_a_quiet_session_tells_of_trouble_only(sessions: Sessions) -> None:
    sessions.write("test_it.py", "def test_it(): pass")
    assert "e3-event:" not in sessions.run(*ASKED, "-q").stdout
    assert "Not a directory" in line_of(
        sessions.run(*ASKED, "-q", E3_EVENT_HANDLERS="file=pytest.ini/events")
    )
