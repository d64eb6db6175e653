"""`record`: a block or a function as an event."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import e3_event
from cli.command import DIRECT, kept, spool_of
from e3_event import Event, EventManager
from e3_event._config import _place
from e3_event.handler.file import FileHandler
from e3_event.handler_tools import attachments
from e3_event.testing import Recorder


@pytest.fixture
def direct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This user keeps events out of the spool."""
    (tmp_path / "direct.toml").write_text(DIRECT)
    monkeypatch.setenv("E3_EVENT_CONFIG", str(tmp_path / "direct.toml"))


def test_a_block_becomes_an_event(manager: EventManager, recorder: Recorder) -> None:
    with manager.record("nightly", branch="main") as event:
        event.tests = 12
    (sent,) = recorder.events
    assert (sent.name, sent.status, sent.branch, sent.tests) == ("nightly", "ok", "main", 12)
    assert sent.duration >= 0
    assert (sent.end_time or 0) >= sent.begin_time
    assert "error" not in sent


def test_a_failed_block_tells_why_and_its_exception_goes_on(
    manager: EventManager, recorder: Recorder
) -> None:
    text = "no such table\npassword=hunter2"

    @manager.record("nightly", status="ok")
    def nightly() -> None:
        raise ValueError(text)

    with pytest.raises(ValueError, match="no such table"):
        nightly()
    (sent,) = recorder.events
    assert sent.status == "failed"
    assert sent.error == "ValueError: no such table password=[redacted]"
    assert sent.traceback.startswith("Traceback")
    assert "in nightly" in sent.traceback
    assert "hunter2" not in json.dumps(sent.as_dict())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
        (SystemExit(3), "failed"),
        (SystemExit(0), "ok"),
        (SystemExit(), "ok"),
    ],
)
def test_the_way_it_ends_is_the_status(
    error: BaseException, status: str, manager: EventManager, recorder: Recorder
) -> None:
    with pytest.raises(type(error)), manager.record("x"):
        raise error
    assert recorder.events[0].status == status


def test_a_status_that_the_block_sets_stays(manager: EventManager, recorder: Recorder) -> None:
    with manager.record("x") as event:
        event.status = "skipped"
    assert recorder.events[0].status == "skipped"


KILLED = """
import os, signal, e3_event
with e3_event.record("batch", part=3) as event:
    event.stage = "after it began"
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_program_that_is_killed_in_the_block_is_reported_as_aborted(private_environment: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert killed.returncode == -signal.SIGKILL
    with e3_event.record("next"):
        pass
    _, event = sorted(kept(spool_of(private_environment)), key=lambda event: event.name, reverse=True)
    assert (event.name, event.status, event.part) == ("batch", "aborted", 3)
    assert "stage" not in event
    assert attachments(event) == ()


def test_an_event_that_the_block_closed_is_sent_as_it_is(manager: EventManager, recorder: Recorder) -> None:
    with manager.record("x", uid="mine") as event:
        event.close()
    assert recorder.events[0].uid == "mine"
    assert "status" not in recorder.events[0]


def test_a_function_makes_an_event_a_call(manager: EventManager, recorder: Recorder) -> None:
    @manager.record("add", kind="sum")
    def add(a: int, b: int = 1) -> int:
        """Adds."""
        return a + b

    assert add(1) == 2
    assert add(1, b=3) == 4
    assert add.__doc__ == "Adds."
    assert [event.kind for event in recorder.events] == ["sum", "sum"]
    assert recorder.events[0].uid != recorder.events[1].uid


def test_a_recursive_function_makes_an_event_a_call(manager: EventManager, recorder: Recorder) -> None:
    @manager.record("down")
    def down(n: int) -> int:
        return n and down(n - 1)

    down(3)
    assert len(recorder.events) == 4


def test_a_coroutine_function_is_recorded_while_it_runs(manager: EventManager, recorder: Recorder) -> None:
    @manager.record("wait")
    async def wait() -> str:
        await asyncio.sleep(0.02)
        return "done"

    assert asyncio.run(wait()) == "done"
    assert recorder.events[0].duration >= 0.02


def test_a_delivery_that_fails_never_raises_and_is_in_the_report(
    manager: EventManager, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.failures = [OSError("no route")]
    recording = manager.record("x")
    with recording:
        pass
    assert recording.report is not None
    (waiting,) = recording.report.waiting
    assert (waiting.handler, waiting.reason) == ("it", "OSError: no route")
    assert "waits for it: OSError: no route" in caplog.text


def test_without_a_spool_a_delivery_that_fails_is_in_the_report(
    manager: EventManager, recorder: Recorder, direct: None
) -> None:
    recorder.failures = [OSError("no route")]
    recording = manager.record("x")
    with recording:
        pass
    assert recording.report is not None
    assert recording.report.failed[0].reason == "OSError: no route"
    assert [outcome.handler for outcome in recording.report.outcomes] == ["it"]


def test_the_handlers_of_the_environment_are_loaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={tmp_path}")
    manager = EventManager()
    with manager.record("one"):
        pass
    loaded = manager.handlers["file"]
    with manager.record("two"):
        pass
    assert manager.handlers == {"file": loaded}
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_without_any_handler_events_are_kept_in_the_users_spool(
    private_environment: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = EventManager().record("kept")
    with recording:
        pass
    folder = spool_of(private_environment)
    assert folder.stat().st_mode & 0o777 == 0o700
    (event,) = kept(folder)
    assert (event.name, event.status) == ("kept", "ok")
    assert recording.report is not None
    assert (recording.report.kept, caplog.records) == (True, [])


def test_a_broken_variable_is_logged_and_events_are_kept_for_nobody(
    private_environment: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", "nonsense=1")
    with EventManager().record("kept"):
        pass
    assert [event.name for event in kept(spool_of(private_environment))] == ["kept"]
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("E3_EVENT_HANDLERS, entry 1 (nonsense): no handler 'nonsense'")
    assert record.getMessage().endswith(f"; events are kept in {spool_of(private_environment)}")


def test_a_foreign_handler_that_can_not_be_made_is_logged_and_the_event_kept(
    private_environment: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def make(self: FileHandler, log_dir: str) -> None:
        raise OSError("refused")

    monkeypatch.setattr(FileHandler, "__init__", make)
    monkeypatch.setenv("E3_EVENT_HANDLERS", "file=elsewhere")
    with EventManager().record("kept"):
        pass
    assert [event.name for event in kept(spool_of(private_environment))] == ["kept"]
    assert "E3_EVENT_HANDLERS, entry 1 (file): the configuration does not fit (OSError)" in caplog.text


def test_a_user_without_a_home_has_a_spool_elsewhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with EventManager().record("x"):
        pass
    folder = Path(_place.FALLBACK) / f"e3-event-{os.geteuid()}"
    assert [event.name for event in kept(folder)] == ["x"]
    assert caplog.records == []


def test_where_no_folder_takes_events_they_go_directly_which_is_logged(
    manager: EventManager,
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(_place, "FALLBACK", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        with manager.record("x"):
            pass
    assert [event.name for event in recorder.events] == ["x", "x"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("no folder can take events: ")
    assert record.getMessage().endswith("; they go directly to their handlers")


def test_the_spool_is_that_of_the_configuration_file(
    manager: EventManager, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.toml").write_text(f'[spool]\npath = "{tmp_path}/spool"\nmax_size = "5MiB"\n')
    monkeypatch.setenv("E3_EVENT_CONFIG", str(tmp_path / "c.toml"))
    with manager.record("x"):
        pass
    assert [event.name for event in kept(tmp_path / "spool")] == ["x"]
    assert [event.name for event in recorder.events] == ["x"]


def test_a_plain_send_event_stays_direct(
    manager: EventManager, recorder: Recorder, private_environment: Path
) -> None:
    with manager.record("recorded"):
        pass
    recorder.failures = [OSError("no route")]
    assert not manager.send_event(Event("sent"))
    assert [event.name for event in recorder.events] == ["recorded"]
    assert [event.name for event in kept(spool_of(private_environment))] == ["recorded"]


def test_nothing_is_delivered_while_flush_timeout_is_zero(manager: EventManager, recorder: Recorder) -> None:
    manager.flush_timeout = 0
    with manager.record("x"):
        pass
    assert recorder.events == []
    assert manager.flush()
    assert [event.name for event in recorder.events] == ["x"]


def test_of_several_threads_one_loads_the_handlers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    everybody = threading.Barrier(8)

    class Slow(FileHandler):
        def __init__(self, log_dir: str) -> None:
            super().__init__(log_dir)
            try:
                everybody.wait(0.1)  # those that load as well come together here
            except threading.BrokenBarrierError:
                pass

    def work() -> None:
        with shared.record("x"):
            pass

    monkeypatch.setattr("e3_event.handler.file.FileHandler", Slow)
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={tmp_path}|logging=,50")
    shared = EventManager()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "is replaced" not in caplog.text
    assert len(list(tmp_path.iterdir())) == 8


def test_it_gives_an_ordinary_event(manager: EventManager) -> None:
    with manager.record("x") as event:
        assert type(event) is Event
