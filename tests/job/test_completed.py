"""`e3_event.run`, the event that tells of a beginning, required delivery, and problems in the event."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import e3_event
from cli.command import DEADLINE, Events, kept, spool_of, start
from cli.command import e3_event as command
from e3_event import CompletedRun, EventManager, Snapshot
from e3_event.testing import Recorder


@pytest.fixture
def sink(tmp_path: Path) -> Events:
    return Events(tmp_path / "sink")


@pytest.fixture
def handlers(sink: Events) -> dict[str, str]:
    return {"E3_EVENT_HANDLERS": f"file={sink.folder}"}


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A port where somebody answers the phone and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("command_", "returncode", "status"),
    [
        (["sh", "-c", "exit 3"], 3, "failed"),
        (["sh", "-c", "kill -9 $$"], -9, "failed"),
        (["true"], 0, "ok"),
        (["no-such-program"], 127, "failed"),
    ],
)
def test_it_says_how_the_command_ended(
    command_: list[str], returncode: int, status: str, private_environment: Path
) -> None:
    done = e3_event.run(command_, "job", data={"part": 3})
    assert isinstance(done, CompletedRun)
    assert (done.args, done.returncode, done.status) == (command_, returncode, status)
    assert done.ok == (status == "ok")
    assert done.report.kept
    (event,) = kept(spool_of(private_environment))
    assert (event.uid, event.name, event.status, event.part) == (done.event.uid, "job", status, 3)


def test_what_does_not_succeed_raises_if_that_is_wished_after_its_event_was_sent(
    private_environment: Path,
) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        e3_event.run(["sh", "-c", "exit 3"], check=True)
    assert failed.value.returncode == 3
    with pytest.raises(subprocess.TimeoutExpired):
        e3_event.run(["sleep", "60"], timeout=0.1, check=True)
    assert e3_event.run(["true"], check=True).ok
    assert [event.status for event in kept(spool_of(private_environment))] == ["ok", "timeout", "failed"]


def test_a_manager_of_its_own_sends_it() -> None:
    manager = EventManager()
    manager.handlers["it"] = recorder = Recorder()
    assert manager.run(["true"], "mine").ok
    assert [event.name for event in recorder.events] == ["mine"]


def wait_for(sink: Events, count: int) -> list[dict[str, object]]:
    deadline = time.monotonic() + DEADLINE
    while len(found := sink.all()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_the_beginning_is_told_while_the_command_runs(
    sink: Events, handlers: dict[str, str], private_environment: Path
) -> None:
    process = start(
        *("run", "--start-event", "--name", "job", "--data", "part:=3", "--", "cat"),
        env={"HOME": str(private_environment), "PATH": "/usr/bin:/bin", **handlers},
    )
    (began,) = wait_for(sink, 1)
    assert process.poll() is None
    process.communicate(timeout=DEADLINE)
    ended = next(event for event in wait_for(sink, 2) if event["uid"] != began["uid"])
    assert (began["name"], began["status"], began["part"], began["command"]) == ("job", "running", 3, ["cat"])
    assert (began["parent_uid"], began["trace_id"]) == (ended["uid"], ended["trace_id"])
    assert began["parent_span_id"] == ended["span_id"]
    assert "span_id" not in began
    assert (ended["name"], ended["status"]) == ("job", "ok")


def test_a_sink_that_hangs_does_not_keep_the_command_from_beginning_or_the_exit_from_coming(
    silent_server: int, private_environment: Path
) -> None:
    handlers = f"smtp=subject,nobody@example.com,me@example.com,127.0.0.1:{silent_server}"
    config = private_environment / "config.toml"
    config.write_text(
        '[handlers.smtp]\nsubject = "x"\nfrom_addr = "a@example.com"\nto_addr = "b@example.com"\n'
        f'smtp_servers = "127.0.0.1:{silent_server}"\n'
    )
    started = time.monotonic()
    done = command("--config", config, "run", "--start-event", "--flush-timeout", "1s", "--", "date", "+%s")
    assert done.returncode == 0, (done.stderr, handlers)
    assert time.monotonic() - started < 30
    statuses = {event.status for event in kept(spool_of(private_environment))}
    assert statuses == {"running", "ok"}


def test_what_is_skipped_has_not_begun(sink: Events, handlers: dict[str, str]) -> None:
    first = start("run", "--lock", "x", "--", "sh", "-c", "echo up; cat")
    assert first.stdout
    assert first.stdout.readline() == b"up\n"
    done = command("run", "--lock", "x", "--start-event", "true", env=handlers)
    assert done.returncode == 75
    assert sink.only()["status"] == "skipped"
    first.communicate(timeout=DEADLINE)


def test_delivery_that_is_required_and_comes_changes_nothing(handlers: dict[str, str]) -> None:
    for code in (0, 3):
        done = command("run", "--require-delivery", "--", "sh", "-c", f"exit {code}", env=handlers)
        assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize("spool", ['"none"', "{}"], ids=["no spool", "a spool"])
def test_only_a_command_that_succeeds_is_failed_by_a_delivery_that_is_required(
    spool: str, tmp_path: Path, private_environment: Path
) -> None:
    (tmp_path / "file").touch()
    config = private_environment / "config.toml"
    config.write_text(f'spool = {spool}\n[handlers.file]\nlog_dir = "{tmp_path}/file/x"\n')
    require = ("--config", config, "run", "--require-delivery", "--flush-timeout", "300ms", "--name", "job")
    for script, code, lines in (("exit 0", 1, 2), ("exit 3", 3, 1), ("kill -9 $$", -signal.SIGKILL, 1)):
        done = command(*require, "--", "sh", "-c", script)
        assert done.returncode == code
        told = done.stderr.decode().splitlines()
        assert len(told) == lines, told
        wanted = "e3-event: the event job was not delivered to file, which --require-delivery wants"
        assert (told[-1] == wanted) == (lines == 2)


def test_that_nobody_is_to_get_it_is_told_where_delivery_is_required() -> None:
    done = command("run", "--require-delivery", "--name", "job", "--", "true")
    assert done.returncode == 1
    nobody = b"e3-event: the event job was not delivered to anybody: no handler is configured"
    assert done.stderr == nobody + b", which --require-delivery wants\n"


def test_a_delivery_by_a_relay_counts_where_it_is_required(
    sink: Events, tmp_path: Path, private_environment: Path
) -> None:
    config = private_environment / "config.toml"
    config.write_text(f'[handlers.file]\nlog_dir = "{sink.folder}"\n')
    relay = start("--config", str(config), "relay")
    try:
        command("--config", config, "send", "first")
        wait_for(sink, 1)
        options = ("--require-delivery", "--flush-timeout", "20s")
        for _ in range(5):
            done = command("--config", config, "run", *options, "--", "true")
            assert (done.returncode, done.stderr) == (0, b"")
    finally:
        relay.terminate()
        relay.communicate(timeout=DEADLINE)
    assert len(sink.all()) == 6


def test_problems_are_in_the_event(tmp_path: Path, private_environment: Path) -> None:
    config = private_environment / "config.toml"
    config.write_text("[handlers.file]\nno_such_key = 1\n")
    done = command("--config", config, "run", "--", "sh", "-c", "exit 5")
    assert done.returncode == 5
    (event,) = kept(spool_of(private_environment))
    assert [problem.partition(", line ")[2].partition(": ")[0] for problem in event.problems] == ["1", "2"]
    assert "no_such_key" in event.problems[1]
    assert all(problem in done.stderr.decode() for problem in event.problems)


def test_that_nobody_would_have_heard_of_it_is_in_the_event(
    private_environment: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("e3_event.spool._runs.sync_folder", _fail)
    assert e3_event.run(["true"]).report.kept
    monkeypatch.undo()
    (event,) = kept(spool_of(private_environment))
    (problem,) = event.problems
    assert (
        problem == "nobody would have heard of it, had it been killed: OSError: [Errno 5] Input/output error"
    )
    assert problem in caplog.text


def _fail(_folder: str) -> None:
    raise OSError(5, os.strerror(5))


def test_one_without_problems_says_nothing_of_them() -> None:
    manager = EventManager()
    manager.handlers["it"] = recorder = Recorder()
    manager.run(["true"])
    (event,) = recorder.events
    assert isinstance(event, Snapshot)
    assert "problems" not in event


def test_threads_run_commands_at_the_same_time(private_environment: Path) -> None:
    done: list[CompletedRun] = []
    threads = [
        threading.Thread(target=lambda: done.append(e3_event.run(["sh", "-c", "exit 3"], echo=False)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert [one.returncode for one in done] == [3] * 8
    assert len({event.uid for event in kept(spool_of(private_environment))}) == 8


def test_it_is_loaded_when_it_is_first_used() -> None:
    code = "import sys, e3_event; e3_event.run; sys.exit('e3_event.job' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
