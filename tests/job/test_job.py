"""A command as an event, from Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from e3_event import EventError, EventManager
from e3_event.job import CompletedRun, Ending, Job, Way, run
from e3_event.testing import Recorder


@pytest.fixture
def manager(recorder: Recorder) -> EventManager:
    manager = EventManager()
    manager.handlers["recorder"] = recorder
    return manager


def test_one_event_tells_of_a_command(manager: EventManager, recorder: Recorder) -> None:
    job = run(["sh", "-c", "exit 3"], data={"branch": "main"}, manager=manager)
    assert (job.ending.exit_code, job.ending.status) == (3, "failed")
    assert job.report.ok
    (event,) = recorder.events
    assert event.uid == job.event.uid
    assert (event.name, event.status, event.exit_code, event.branch) == ("sh", "failed", 3, "main")


def test_the_handlers_of_the_environment_are_used_if_there_are_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={tmp_path}")
    job = run(["true"], manager=EventManager())
    assert [outcome.handler for outcome in job.report.outcomes] == ["spool", "file"]
    assert list(tmp_path.glob("true-*.json"))


def test_the_output_need_not_pass_through(
    manager: EventManager, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Job(["sh", "-c", "echo out; echo err >&2"], manager=manager, way=Way(echo=False)) as job:
        job.run()
        job.send()
        (path, _) = job.event.get_attachments()["log"]
        assert sorted(Path(path).read_text().split()) == ["err", "out"]
        assert Path(path).stat().st_mode & 0o777 == 0o600
    assert not Path(path).exists()
    assert capfd.readouterr() == ("", "")


def test_so_much_of_the_output_is_kept_as_is_wished(manager: EventManager, recorder: Recorder) -> None:
    logs = []
    for limit in (None, 20, 0):
        with Job(["seq", "20"], manager=manager, way=Way(echo=False), max_log=limit) as job:
            job.run()
            job.send()
            found = job.event.get_attachments()
            logs.append(Path(found["log"][0]).read_bytes() if found else None)
    whole, cut, none = logs
    assert whole == b"".join(b"%d\n" % number for number in range(1, 21))
    assert cut == b"1\n2\n3\n4\n5\n\n[e3-event: 35 bytes cut here; --max-log keeps 20 bytes]\n19\n20\n"
    assert none is None


def test_a_failed_delivery_does_not_raise(
    manager: EventManager, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.failures = [OSError("sink is down")]
    job = run(["true"], manager=manager)
    assert job.ending.status == "ok"
    assert job.report.waiting[0].reason == "OSError: sink is down"
    assert "waits for recorder: OSError: sink is down" in caplog.text


def test_the_same_event_can_be_sent_again(manager: EventManager, recorder: Recorder) -> None:
    recorder.failures = [False]
    with Job(["echo", "x"], manager=manager, way=Way(echo=False)) as job:
        job.run()
        assert not job.send().ok
        assert job.send().ok
        (event,) = recorder.events
        assert list(event.get_attachments()) == ["log"]


def test_it_works_outside_of_the_main_thread(manager: EventManager) -> None:
    jobs: list[CompletedRun] = []
    thread = threading.Thread(target=lambda: jobs.append(run(["true"], manager=manager)))
    thread.start()
    thread.join()
    assert jobs[0].ending.status == "ok"


def test_signal_handlers_are_put_back(manager: EventManager) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run(["true"], manager=manager)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_no_descriptor_is_left_open(manager: EventManager) -> None:
    run(["true"], manager=manager)
    before = set(os.listdir("/proc/self/fd"))
    for command in (["true"], ["no-such-program"], ["sh", "-c", "sleep 1 &"]):
        run(command, manager=manager, echo=False, grace=0.01)
    assert set(os.listdir("/proc/self/fd")) == before


def test_output_to_a_non_blocking_pipe_is_complete() -> None:
    """Another process may have made the pipe that is our stdout non-blocking."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    code = (
        "from e3_event.job._log import Log\n"
        "log = Log.temporary()\n"
        "from e3_event.job._process import run_process\n"
        "run_process(['head', '-c', '1000000', '/dev/zero'], log)\n"
        "log.remove()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=writing) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            assert len(file.read()) == 1_000_000
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"command": []}, "a command is a list"),
        ({"command": "make all"}, "a command is a list"),
        ({"command": ["echo", "\0"]}, "NUL"),
        ({"command": ["true"], "data": {"exit_code": 1}}, "`exit_code` is written by the job itself"),
        ({"command": ["true"], "max_log": -1}, "`max_log` is a number of bytes, or 0 for no log, not -1"),
        ({"command": ["true"], "attachments": {"log": "x"}}, "the attachment `log` is the command's output"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(EventError, match=told):
        Job(**arguments, manager=EventManager())


def test_an_ending_names_its_signal() -> None:
    assert Ending(None, signal.SIGKILL).signal_name == "SIGKILL"
    assert Ending(None, signal.SIGRTMIN + 1).signal_name == f"SIG{signal.SIGRTMIN + 1}"


def test_an_undecodable_argument_is_no_harm(manager: EventManager, recorder: Recorder) -> None:
    run(["true", os.fsdecode(b"\xff")], manager=manager)
    assert recorder.events[0].command == ["true", "\\udcff"]
