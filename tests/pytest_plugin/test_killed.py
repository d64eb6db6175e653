"""A session that is killed, or told to end, is told of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from cli.command import DEADLINE, e3_event, kept, spool_of
from pytest_plugin.session import Sessions, line_of
from pytest_plugin.test_session_event import ASKED

ALL = (*ASKED, "--e3-event-tests", "all")


def aborted(sessions: Sessions) -> dict[str, object]:
    """The event of the session, which the next process sends."""
    assert [event for event in sessions.sent() if event["name"] == "unit"] == []
    assert e3_event("send", "other").returncode == 0
    (event,) = [event for event in sessions.sent() if event["name"] == "unit"]
    return event


def test_a_session_that_is_killed_is_an_aborted_event_with_what_failed_so_far(sessions: Sessions) -> None:
    sessions.write(
        "test_it.py",
        """
        import os, signal
        def test_fails(): assert 0, "password=hunter2"
        def test_kills(): os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert sessions.run(*ALL).returncode == -signal.SIGKILL
    event = aborted(sessions)
    assert event["status"] == "aborted"
    assert event["command"]
    log = (sessions.events / f"unit-{event['uid']}" / "log").read_text()
    assert "____ test_it.py::test_fails ____\n" in log
    assert "password=[redacted]" in log
    (failed,) = sessions.tests().values()
    assert (failed["status"], failed["parent_uid"]) == ("failed", event["uid"])


def test_while_a_session_runs_its_failures_can_be_read(sessions: Sessions, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    sessions.write(
        "test_it.py",
        f"""
        def test_fails(): assert 0, "first"
        def test_waits():
            open({str(fifo)!r}, "w").close()
            open({str(fifo)!r}).close()
        """,
    )
    with sessions.start(*ASKED) as process:
        fifo.open().close()
        uid = uid_of_running(sessions)
        shown = e3_event("log", uid).stdout.decode()
        fifo.open("w").close()
        process.communicate(timeout=DEADLINE)
    assert "AssertionError: first" in shown
    assert sessions.session()["uid"] == uid


def uid_of_running(sessions: Sessions) -> str:
    (record,) = Path(os.environ["HOME"]).rglob("runs/*.json")
    return str(json.loads(record.read_text())["data"]["uid"])


def test_ctrl_c_ends_a_session_with_xdist_as_cancelled(sessions: Sessions, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    sessions.write(
        "test_it.py",
        f"""
        import time
        def test_waits():
            open({str(fifo)!r}, "w").close()
            time.sleep(1000)
        """,
    )
    with sessions.start(*ALL, "-n", "1", process_group=0) as process:
        fifo.open().close()
        os.killpg(process.pid, signal.SIGINT)
        printed, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2
    assert sessions.session()["status"] == "cancelled"
    line_of(subprocess.CompletedProcess((), 2, printed))


def test_ctrl_c_while_the_event_is_delivered_changes_no_exit_code(
    sessions: Sessions, private_environment: Path
) -> None:
    sessions.write(
        "conftest.py",
        """
        import os, signal, time
        from e3_event.handler.file import FileHandler
        def interrupt(self, events):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1000)
        FileHandler.send_events = interrupt
        """,
    )
    sessions.write("test_it.py", "def test_it(): pass")
    done = sessions.run(*ASKED)
    assert done.returncode == 0
    assert "1 passed" in done.stdout
    assert sessions.sent() == []
    (event,) = kept(spool_of(private_environment))
    assert (event.name, event.status) == ("unit", "ok")
