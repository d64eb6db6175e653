"""Each line of `docs/migrating.md`, "What is better": a test that e3-core's `e3.event` would not pass.

Lines 7 (`file`), 8 (`smtp`) and 9 (`s3`) are held by the tests in `tests/handler/`.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import pickle
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from compat import ids
from e3_event import Event, EventError, EventManager
from e3_event.handler.logging import LoggingHandler
from e3_event.handler_tools import Secret, attachments
from e3_event.testing import Recorder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "build.log"
    path.write_text("compiled\n")
    return path


def manager_with(**handlers: Any) -> EventManager:
    manager = EventManager()
    manager.handlers.update(handlers)
    return manager


def passed_on(manager: EventManager) -> EventManager:
    """What a child process gets of a manager."""
    try:
        manager.handler_config_as_env("HANDLERS_OF_TEST")
        child = EventManager()
        child.load_handlers_from_env("HANDLERS_OF_TEST")
    finally:
        os.environ.pop("HANDLERS_OF_TEST", None)
    return child


def test_line_01_an_exception_of_a_handler_stops_no_other_and_is_reported() -> None:
    first, broken, last = Recorder(), Recorder(), Recorder()
    broken.failures = [ValueError("disk on fire")]
    manager = manager_with(first=first, broken=broken, last=last)
    report = manager.dispatch(Event("build"))
    assert [len(handler.events) for handler in (first, broken, last)] == [1, 0, 1]
    assert not report.ok
    assert [(outcome.handler, outcome.reason) for outcome in report.failed] == [
        ("broken", "ValueError: disk on fire")
    ]


class TestLine02:
    def test_ids_of_eight_busy_processes_never_collide_and_sort_by_time(self) -> None:
        """Ten million of them: `python tests/compat/ids.py --count 10000000`."""
        script = Path(ids.__file__)
        done = subprocess.run(
            [sys.executable, str(script), "--count", "400000"], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[0].startswith("401000 ids of 8 processes")
        assert done.stdout.splitlines()[1:] == ["0 collisions", "0 out of order"]

    def test_that_count_sees_a_collision_and_a_disorder(self) -> None:
        a, b, c = (bytes([n]) * 16 for n in (1, 2, 3))
        assert ids.judge([[a, b], [c]]) == (3, 0, 0)
        assert ids.judge([[a, b], [b, c]]) == (4, 1, 0)
        assert ids.judge([[b, a, c]]) == (3, 0, 1)
        assert ids.unpack(a + b) == [a, b]

    def test_an_id_does_not_show_the_machine(self) -> None:
        mac = f"{uuid.getnode():012x}"
        assert not any(mac in Event("build").uid for _ in range(100))


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))])
def test_line_03_copies_are_equal_and_stand_alone(how: Any, log: Path) -> None:
    event = Event("build", branch="main", steps=[1])
    event.attach_file(str(log))
    made = how(event)
    assert (made.as_dict(), made.get_attachments()) == (event.as_dict(), event.get_attachments())
    made.branch = "other"
    assert event.branch == "main"
    event.close()
    made.extra = 1
    with pytest.raises(EventError, match="closed"):
        how(event).extra = 1


class TestLine04:
    @pytest.mark.parametrize("value", [math.inf, math.nan, {1, 2}, b"x", object(), 10**30])
    def test_what_json_can_not_hold_is_named_and_no_file_is_left(self, value: object, tmp_path: Path) -> None:
        folder = tmp_path / "dumps"
        folder.mkdir()
        with pytest.raises(EventError, match=r"`sizes\[1\]\.disk`"):
            Event("build", sizes=[1, {"disk": value}]).dump(str(folder))
        assert list(folder.iterdir()) == []

    def test_a_dump_that_fails_half_way_leaves_no_file(self, tmp_path: Path) -> None:
        code = """
import resource, signal, sys
from e3_event import Event, EventError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Event("build", log="x" * 5000).dump(sys.argv[1])
except EventError:
    sys.exit(7)
"""
        folder = tmp_path / "dumps"
        assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 7
        assert list(folder.iterdir()) == []

    def test_a_path_may_be_attached_and_dumped(self, log: Path, tmp_path: Path) -> None:
        event = Event("build")
        event.attach_file(log)
        assert Event.load(event.dump(tmp_path)).get_attachments()["log"][0] == str(log)

    @pytest.mark.parametrize("uid", ["../../climbed", "a/b", "/absolute", "..", "a\0b", "x" * 300])
    def test_the_uid_never_leads_out_of_the_folder(self, uid: str, tmp_path: Path) -> None:
        folder = tmp_path / "deep" / "dumps"
        path = Path(Event("build", uid).dump(str(folder)))
        assert path.parent == folder
        assert [entry.name for entry in folder.iterdir()] == [path.name]
        assert Event.load(path).uid == uid


class TestLine05:
    @pytest.mark.parametrize(
        ("content", "what"),
        [
            ("", "truncated"),
            ("[]", "object"),
            ('{"data": {"name": "n", "uid": "u"}, "closed": false}', "attachments"),
            ('{"data": {"name": "n"}, "attachments": {}, "closed": false}', "uid"),
            ('{"data": {"name": "n", "uid": "u"}, "attachments": {}, "closed": 1}', r"\$\.closed"),
            ('{"data": {"name": "n", "uid": "u", "x": %s}, "attachments": {}, "closed": true}', "deep"),
        ],
    )
    def test_what_is_no_dump_is_refused_with_file_and_place(
        self, content: str, what: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "given.json"
        path.write_text(content.replace("%s", "[" * 100_000 + "]" * 100_000))
        with pytest.raises(EventError, match=rf"given\.json: no event dump: .*{what}"):
            Event.load(path)

    def test_times_come_back_with_their_fraction(self, tmp_path: Path) -> None:
        event = Event("build", begin_time=1_700_000_000.123456)
        event.close()
        loaded = Event.load(event.dump(tmp_path))
        assert (loaded.begin_time, loaded.end_time) == (event.begin_time, event.end_time)

    def test_an_attachment_is_sent_only_if_it_is_what_was_dumped(self, log: Path, tmp_path: Path) -> None:
        event = Event("build")
        event.attach_file(log)
        dump = event.dump(tmp_path)
        recorder = Recorder()
        manager = manager_with(recorder=recorder)
        assert manager.send_event_from_file(dump)
        log.write_text("something else\n")
        assert manager.send_event_from_file(dump)
        assert [len(attachments(sent)) for sent in recorder.events] == [1, 0]
        assert "SHA-1" in recorder.events[1].as_dict()["attachments_left_out"]["log"]

    def test_a_dump_that_names_a_fifo_does_not_block(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        content = {"name": "n", "uid": "u"}
        dump = {"data": content, "attachments": {"log": [str(tmp_path / "fifo"), "0" * 40]}, "closed": True}
        (tmp_path / "given.json").write_text(json.dumps(dump))
        recorder = Recorder()
        assert manager_with(recorder=recorder).send_event_from_file(tmp_path / "given.json")
        assert attachments(recorder.events[0]) == ()


class TestLine06:
    def test_a_relative_path_means_the_same_file_after_a_change_of_folder(
        self, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        event = Event("build")
        event.attach_file("build.log")
        monkeypatch.chdir("/")
        recorder = Recorder()
        assert manager_with(recorder=recorder).send_event(event)
        with attachments(recorder.events[0])[0].open() as file:
            assert file.read() == b"compiled\n"

    def test_a_log_that_grew_goes_out_as_it_is_and_a_missing_one_is_named(
        self, log: Path, tmp_path: Path
    ) -> None:
        gone = tmp_path / "gone.log"
        gone.write_text("")
        event = Event("build")
        event.attach_file(log, "grown")
        event.attach_file(gone, "gone")
        log.write_text("compiled\nlinked\n")
        gone.unlink()
        recorder = Recorder()
        assert manager_with(recorder=recorder).send_event(event)
        shown = recorder.events[0].as_dict()
        assert shown["attachments_changed"] == ["grown"]
        assert list(shown["attachments_left_out"]) == ["gone"]
        with attachments(recorder.events[0])[0].open() as file:
            assert file.read() == b"compiled\nlinked\n"

    def test_a_second_one_of_a_name_is_warned_about(
        self, log: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        event = Event("build", "u")
        event.attach_file(log)
        event.attach_file(log)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "'log' is replaced" in caplog.text


class TestLine10:
    def test_a_filtered_record_is_not_answered_true(self) -> None:
        logging.getLogger("e3.quiet").setLevel(logging.ERROR)
        report = manager_with(logging=LoggingHandler("quiet", 10)).dispatch(Event("build"))
        assert not report.ok
        assert "'e3.quiet'" in report.failed[0].reason

    def test_any_logger_can_be_reached(self, caplog: pytest.LogCaptureFixture) -> None:
        assert LoggingHandler("myapp.events", logging.WARNING, exact=True).send_event(Event("build"))
        assert [record.name for record in caplog.records] == ["myapp.events"]

    def test_a_comma_in_the_name_survives_the_environment(self) -> None:
        again = passed_on(manager_with(logging=LoggingHandler("a,b|c%2C", 30)))
        handler = again.handlers["logging"]
        assert isinstance(handler, LoggingHandler)
        assert (handler.logger_name, handler.level) == ("a,b|c%2C", 30)


class TestLine11:
    @pytest.mark.parametrize("value", [None, "", "|", " | "])
    def test_an_unset_or_empty_variable_is_no_handler(
        self, value: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if value is not None:
            monkeypatch.setenv("E3_EVENT_HANDLERS", value)
        manager = EventManager()
        manager.load_handlers_from_env()
        assert manager.handlers == {}

    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            ("nothing=x", "no handler 'nothing' is installed; installed: file, logging, s3, smtp, spool"),
            ("smtp", "subject"),
            ("logging=x,loud", "'loud'"),
            ("file", "the folder is missing"),
        ],
    )
    def test_a_wrong_entry_is_named_and_no_handler_is_added(
        self, entry: str, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={tmp_path}|{entry}|logging=x,20")
        manager = EventManager()
        name = entry.partition("=")[0]
        with pytest.raises(EventError, match=rf"E3_EVENT_HANDLERS, entry 2 \({name}\): .*{reason}"):
            manager.load_handlers_from_env()
        assert manager.handlers == {}

    def test_a_bar_in_a_folder_survives(self, tmp_path: Path) -> None:
        manager = EventManager()
        manager.add_handler("file", str(tmp_path / "a|b"))
        again = passed_on(manager)
        again.send_event(Event("build"))
        assert len(list((tmp_path / "a|b").glob("build-*.json"))) == 1


def test_line_12_several_handlers_of_one_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={tmp_path / 'a'}|file:archive={tmp_path / 'b'}")
    manager = EventManager()
    manager.load_handlers_from_env()
    assert manager.send_event(Event("build"))
    assert list(manager.handlers) == ["file", "file:archive"]
    assert [len(list((tmp_path / name).iterdir())) for name in ("a", "b")] == [1, 1]


class TestLine13:
    def test_configuration_is_not_logged(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caplog.set_level(logging.DEBUG)
        manager = EventManager()
        manager.add_handler("file", "/x/hunter2")
        monkeypatch.setenv("E3_EVENT_HANDLERS", "file=/y/hunter2")
        manager.load_handlers_from_env()
        assert caplog.records
        assert "hunter2" not in caplog.text

    def test_a_secret_is_shared_with_children_by_reference_only(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        manager = EventManager()
        manager.add_handler("smtp", "s", "f@x.org", "t@x.org", "smtps://me@mail.x.org", password="hunter2")
        with pytest.raises(EventError) as caught:
            manager.handler_config_as_env("HANDLERS_OF_TEST")
        assert (
            "hunter2" not in f"{caught.value} {manager.handlers['smtp']!r} {vars(manager.handlers['smtp'])}"
        )
        assert "HANDLERS_OF_TEST" not in os.environ
        secret = Secret(env="MAIL_PASSWORD")
        manager.add_handler("smtp", "s", "f@x.org", "t@x.org", "smtps://me@mail.x.org", password=secret)
        monkeypatch.setenv("MAIL_PASSWORD", "hunter2")
        manager.handler_config_as_env("HANDLERS_OF_TEST")
        exported = os.environ.pop("HANDLERS_OF_TEST")
        assert "hunter2" not in exported
        assert "MAIL_PASSWORD" in exported


def test_line_14_no_handler_is_true_and_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    manager = EventManager()
    assert manager.send_event(Event("build"))
    assert manager.send_event(Event("build"))
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "E3_EVENT_HANDLERS" in warnings[0]
