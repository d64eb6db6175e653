"""`--e3-event-tests`: tests as events that are part of the session's."""

from __future__ import annotations

import textwrap
import time

import pytest

from cli.command import e3_event
from pytest_plugin.session import Sessions
from pytest_plugin.test_session_event import ASKED, COUNTS, EVERY_KIND

ALL, FAILED = (*ASKED, "--e3-event-tests", "all"), (*ASKED, "--e3-event-tests", "failed")
#: A test that starts a program of which there is an event.
STARTS = """
    import os, subprocess, sys
    import e3_event

    def test_starts():
        code = "import e3_event\\nwith e3_event.record('inner'): pass"
        subprocess.run([sys.executable, "-c", code], env=os.environ | e3_event.child_variables(), check=True)
"""
#: As pytest-rerunfailures does it: what failed is told as `rerun`, also by the setups and teardowns.
RERUNS = """
    import pytest
    from _pytest.runner import runtestprotocol

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item, nextitem):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for attempt in range(3):
            item._initrequest()
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            bad = [report for report in reports if report.failed] if attempt < 2 else []
            for report in bad:
                report.outcome = "rerun"
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
                if report in bad and {breaks}:
                    break
            if not bad:
                break
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_report_teststatus(report):
        if report.outcome == "rerun":
            return "rerun", "R", "RERUN"
"""


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one", "xdist"])
def test_each_test_is_an_event_of_the_session(sessions: Sessions, processes: tuple[str, ...]) -> None:
    sessions.write("test_it.py", EVERY_KIND)
    before = time.time()
    assert sessions.run(*ALL, "--deselect", "test_it.py::test_left_out", *processes).returncode == 1
    session, tests = sessions.session(), sessions.tests()
    assert {key: session[key] for key in COUNTS} == COUNTS
    assert {
        name.removeprefix("test_it.py::test_"): (t["status"], t["outcome"]) for name, t in tests.items()
    } == {
        "passes": ("ok", "passed"),
        "passes_too": ("ok", "passed"),
        "fails": ("failed", "failed"),
        "error": ("failed", "error"),
        "skipped": ("skipped", "skipped"),
        "xfailed": ("ok", "xfailed"),
        "xpassed": ("ok", "xpassed"),
    }
    for test in tests.values():
        assert test["parent_uid"] == session["uid"]
        assert test["parent_span_id"] == session["span_id"]
        assert test["trace_id"] == session["trace_id"]
        assert 0 < test["duration"] < time.time() - before
    failed = tests["test_it.py::test_fails"]
    assert failed["error"] == "AssertionError: not the same"
    assert failed["traceback"].endswith("test_it.py:9: AssertionError")
    assert (failed["file"], failed["line"]) == ("test_it.py", 7)
    assert tests["test_it.py::test_skipped"]["reason"] == "Skipped: not today"
    assert tests["test_it.py::test_xfailed"]["reason"] == "known"
    assert not any(
        {"error", "traceback"} & test.keys() for test in tests.values() if test["status"] != "failed"
    )


def test_only_those_that_failed_if_that_is_asked(sessions: Sessions) -> None:
    sessions.write("test_it.py", EVERY_KIND)
    sessions.run(*FAILED)
    assert sorted(sessions.tests()) == ["test_it.py::test_error", "test_it.py::test_fails"]
    assert {test["parent_uid"] for test in sessions.tests().values()} == {sessions.session()["uid"]}


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one", "xdist"])
@pytest.mark.parametrize("asked", [ASKED, FAILED, ALL], ids=["none", "failed", "all"])
def test_what_a_test_starts_is_part_of_it_or_of_the_session(
    sessions: Sessions, asked: tuple[str, ...], processes: tuple[str, ...]
) -> None:
    sessions.write("test_it.py", STARTS)
    assert sessions.run(*asked, *processes).returncode == 0
    (inner,) = [event for event in sessions.sent() if event["name"] == "inner"]
    above = sessions.tests()["test_it.py::test_starts"] if asked == ALL else sessions.session()
    assert (inner["parent_uid"], inner["parent_span_id"]) == (above["uid"], above["span_id"])
    assert inner["trace_id"] == sessions.session()["trace_id"]


def test_a_session_is_part_of_what_it_runs_in_and_its_environment_stays(sessions: Sessions) -> None:
    sessions.write(
        "test_it.py",
        """
        import os
        def test_it(): assert os.environ["E3_EVENT_PARENT"] == os.environ["EXPECTED"] == "above"
        """,
    )
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    done = sessions.run(*ALL, E3_EVENT_PARENT="above", EXPECTED="above", TRACEPARENT=trace)
    assert done.returncode == 0
    event = sessions.session()
    assert event["parent_uid"] == "above"
    assert (event["trace_id"], event["parent_span_id"]) == tuple(trace.split("-")[1:3])


@pytest.mark.parametrize("breaks", [True, False], ids=["without teardown", "with teardown"])
@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one", "xdist"])
def test_a_test_that_is_tried_again_is_one_event(
    sessions: Sessions, breaks: bool, processes: tuple[str, ...]
) -> None:
    sessions.write("conftest.py", RERUNS.replace("{breaks}", str(breaks)))
    sessions.write(
        "test_it.py",
        """
        import pytest
        tries = []
        def test_in_the_end():
            tries.append(1)
            assert len(tries) == 3, "not yet"
        def test_never(): assert 0, "never"
        @pytest.fixture
        def broken(): raise OSError
        def test_error(broken): pass
        def test_at_once(): pass
        """,
    )
    sessions.run(*ALL, *processes)
    session, tests = sessions.session(), sessions.tests()
    assert (session["passed"], session["failed"], session["errors"]) == (2, 1, 1)
    assert session["other_outcomes"] == {"rerun": 6}
    found = {name.partition("::")[2]: (t["outcome"], t.get("attempt")) for name, t in tests.items()}
    assert found == {
        "test_in_the_end": ("passed", 3),
        "test_never": ("failed", 3),
        "test_error": ("error", 3),
        "test_at_once": ("passed", None),
    }
    assert "error" not in tests["test_it.py::test_in_the_end"]
    assert sessions.log().count("____ test_it.py::test_never ____") == 1


def test_a_worker_that_crashes_fails_its_test_once(sessions: Sessions) -> None:
    sessions.write(
        "test_it.py",
        """
        import os
        def test_before(): pass
        def test_dies(): os._exit(1)
        def test_after(): pass
        """,
    )
    assert sessions.run(*ALL, "-n", "1").returncode == 1
    tests = sessions.tests()
    assert sorted((test["outcome"], name) for name, test in tests.items()) == [
        ("failed", "test_it.py::test_dies"),
        ("passed", "test_it.py::test_after"),
        ("passed", "test_it.py::test_before"),
    ]
    assert (
        tests["test_it.py::test_dies"]["error"]
        == "worker 'gw0' crashed while running 'test_it.py::test_dies'"
    )
    assert (sessions.session()["failed"], sessions.session()["passed"]) == (1, 2)


def test_a_test_that_is_interrupted_is_told_as_what_it_started_may_be(sessions: Sessions) -> None:
    sessions.write(
        "test_it.py",
        f"{textwrap.dedent(STARTS)}    import signal\n    os.kill(os.getpid(), signal.SIGINT)",
    )
    assert sessions.run(*ALL).returncode == 2
    (inner,) = [event for event in sessions.sent() if event["name"] == "inner"]
    (test,) = sessions.tests().values()
    assert (test["status"], test["outcome"]) == ("cancelled", "interrupted")
    assert inner["parent_uid"] == test["uid"]


def test_a_test_that_runs_in_each_process_is_an_event_of_each(sessions: Sessions) -> None:
    sessions.write("test_it.py", "def test_it(): pass")
    sessions.run(*ALL, "-n", "2", "--dist", "each")
    tests = [event for event in sessions.sent() if "outcome" in event]
    assert [test["name"] for test in tests] == ["test_it.py::test_it"] * 2
    assert len({test["uid"] for test in tests}) == 2
    assert sessions.session()["passed"] == 2


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="this pytest has no subtests")
@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one", "xdist"])
def test_subtests_belong_to_their_test(sessions: Sessions, processes: tuple[str, ...]) -> None:
    sessions.write(
        "test_it.py",
        """
        def test_it(subtests):
            for n in range(3):
                with subtests.test(n=n):
                    assert n != 1, "one"
        """,
    )
    sessions.run(*ALL, *processes)
    (test,) = sessions.tests().values()
    assert (test["status"], test["error"]) == ("failed", "AssertionError: one")
    assert "AssertionError: one" in sessions.log()


def test_show_names_the_tests_of_a_session(sessions: Sessions) -> None:
    sessions.write("test_it.py", "def test_it(): pass")
    sessions.run(*ALL)
    shown = e3_event("show", sessions.session()["uid"]).stdout.decode()
    assert "\nFamily\n" in shown
    assert "test_it.py::test_it" in shown.partition("\nFamily\n")[2]


def test_what_a_forked_child_does_of_a_session_is_not_told(sessions: Sessions) -> None:
    sessions.write(
        "test_it.py",
        """
        import os
        def test_forks():
            if not (child := os.fork()):
                raise ValueError("in the child")
            assert os.waitpid(child, 0)[1]
        """,
    )
    sessions.run(*ALL)
    session = sessions.session()
    assert (session["passed"], session["failed"], session["status"]) == (1, 0, "ok")
    assert len(sessions.sent()) == 2
