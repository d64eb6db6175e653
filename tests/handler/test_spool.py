"""`spool`: the contract of every handler, and what stands in front of others."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from cli.command import kept
from e3_event import DeliveryError, Event, EventError, EventHandler, EventManager
from e3_event._errors import SpoolError
from e3_event.handler.spool import MAX_SIZE, RETENTION, SpoolHandler
from e3_event.spool import MAX_SIZE as SPOOL_MAX_SIZE
from e3_event.spool import RETENTION as SPOOL_RETENTION
from e3_event.testing import HandlerContract, Recorder


class TestContract(HandlerContract):
    def make_handler(self, tmp_path: Path) -> SpoolHandler:
        return SpoolHandler(tmp_path / "spool")

    def received(self, handler: EventHandler, tmp_path: Path) -> list[str]:
        return [event.name for event in kept(tmp_path / "spool")]


def test_nothing_is_made_before_the_first_event(tmp_path: Path) -> None:
    handler = SpoolHandler(tmp_path / "spool")
    handler.close()
    assert list(tmp_path.iterdir()) == []
    assert handler.send_event(Event("x"))
    handler.close()
    assert (tmp_path / "spool/spool.db").exists()


def test_its_sizes_are_those_of_a_spool() -> None:
    assert (MAX_SIZE, RETENTION) == (SPOOL_MAX_SIZE, SPOOL_RETENTION)
    handler = SpoolHandler("/x", 5, 6.0)
    assert (handler.max_size, handler.retention) == (5, 6.0)


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    handler = SpoolHandler("spool")
    monkeypatch.chdir("/")
    assert handler.path == str(tmp_path / "spool")
    assert handler.encode_config() == str(tmp_path / "spool")


@pytest.mark.parametrize("path", ["/a|b%c", "/%7C", "/%25", "/a,b"])
def test_any_folder_can_be_configured(path: str) -> None:
    encoded = SpoolHandler(path).encode_config()
    assert "|" not in encoded
    assert SpoolHandler.decode_config(encoded) == {"path": path}


def test_a_folder_is_needed() -> None:
    with pytest.raises(EventError, match="the folder is missing, as in spool=/var/lib/e3-event"):
        SpoolHandler("")


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    handler = SpoolHandler(tmp_path / "file/spool")
    with pytest.raises(DeliveryError, match=f"Not a directory: {tmp_path}/file/spool"):
        handler.send_event(Event("x"))
    (tmp_path / "file").unlink()
    assert handler.send_event(Event("x"))
    handler.close()


def test_one_that_is_open_can_be_copied(tmp_path: Path) -> None:
    handler = SpoolHandler(tmp_path / "spool", 1 << 20)
    handler.send_event(Event("one"))
    for again in (copy.copy(handler), copy.deepcopy(handler), pickle.loads(pickle.dumps(handler))):
        assert (again.path, again.max_size) == (handler.path, 1 << 20)
        again.send_event(Event("more"))
        again.close()
    handler.close()
    assert len(kept(tmp_path / "spool")) == 4


def test_the_handlers_behind_it_are_not_called(tmp_path: Path) -> None:
    recorder = Recorder()
    manager = EventManager()
    manager.handlers.update({"it": recorder, "spool": SpoolHandler(tmp_path)})
    report = manager.dispatch(Event("x"))
    assert recorder.events == []
    assert [(one.handler, one.in_front, one.delivered, one.waiting) for one in report.outcomes] == [
        ("spool", True, True, False),
        ("it", False, False, True),
    ]
    assert (report.ok, report.kept, report.failed) == (False, True, ())
    assert manager.send_event(Event("y"))
    assert str(report).splitlines()[2].startswith("  it: waits in the spool (0.000 s)")
    manager.close()


def test_alone_it_is_all_that_is_asked_for(tmp_path: Path) -> None:
    manager = EventManager()
    manager.add_handler("spool", tmp_path)
    report = manager.dispatch(Event("x"))
    assert (report.ok, report.kept) == (True, True)
    manager.close()


def test_where_it_fails_the_others_are_called_and_both_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    manager = EventManager()
    manager.handlers.update({"spool": SpoolHandler(tmp_path, max_size=10), "it": recorder})
    report = manager.dispatch(Event("x"))
    assert [event.name for event in recorder.events] == ["x"]
    assert (report.ok, report.kept) == (False, True)
    (failed,) = report.failed
    assert (failed.handler, failed.in_front) == ("spool", True)
    assert "the spool is full" in failed.reason
    assert "handler spool failed: " in caplog.text
    recorder.failures = [OSError("no route")]
    report = manager.dispatch(Event("y"))
    assert (report.kept, [outcome.handler for outcome in report.failed]) == (False, ["spool", "it"])
    manager.close()


def test_an_event_that_can_not_be_read_is_told_for_all(tmp_path: Path) -> None:
    event = Event("x", key=1)
    event.set_formatter("key", lambda key, value: {key: value / 0})
    manager = EventManager()
    manager.handlers.update({"spool": SpoolHandler(tmp_path), "it": Recorder()})
    report = manager.dispatch(event)
    assert [outcome.handler for outcome in report.failed] == ["spool", "it"]
    assert not report.kept
    assert list(tmp_path.iterdir()) == []


def test_the_variable_puts_it_in_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={tmp_path}/files|spool={tmp_path}/spool")
    manager = EventManager()
    manager.load_handlers_from_env()
    assert manager.send_event(Event("x"))
    assert not (tmp_path / "files").exists()
    assert manager.flush()
    assert len(list((tmp_path / "files").iterdir())) == 1
    manager.close()


def test_one_that_is_damaged_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"this is no database" * 100)
    handler = SpoolHandler(tmp_path)
    with pytest.raises(SpoolError):
        handler.send_event(Event("x"))
