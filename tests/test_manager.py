"""The manager: who is called, what is reported, and the variable that shares handlers."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import e3_event
from e3_event import (
    DeliveryError,
    Event,
    EventError,
    EventHandler,
    EventManager,
    Outcome,
    RejectedError,
    Report,
)
from e3_event._plugins import find, installed, missing
from e3_event.handler import BUILT_IN
from e3_event.testing import Recorder


def manager_of(**handlers: EventHandler) -> EventManager:
    manager = EventManager()
    manager.handlers.update(handlers)
    return manager


def test_every_handler_gets_the_same_snapshot_in_order() -> None:
    manager = manager_of(b=Recorder(), a=Recorder())
    report = manager.dispatch(Event("x", uid="u"))
    assert [outcome.handler for outcome in report.outcomes] == ["b", "a"]
    one, other = (handler.events[0] for handler in manager.handlers.values())  # type: ignore[attr-defined]
    assert one is other
    assert (report.ok, report.failed, report.name, report.uid) == (True, (), "x", "u")
    assert report.snapshot_id == one.snapshot_id


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (False, {"reason": "the handler answered False"}),
        (ValueError("bad\nthing"), {"reason": "ValueError: bad thing"}),
        (DeliveryError("later", retry_after=5), {"reason": "later", "retry_after": 5}),
        (RejectedError("never"), {"reason": "never", "rejected": True}),
        (RecursionError(), {"reason": "RecursionError"}),
        (DeliveryError("x" * 3_000_000), {"reason": "x" * 2000 + " [cut]"}),
    ],
)
def test_a_handler_that_fails_is_reported_and_stops_no_other(failure: Any, expected: dict[str, Any]) -> None:
    first, second = Recorder(), Recorder()
    first.failures = [failure]
    report = manager_of(first=first, second=second).dispatch(Event("x"))
    assert not report.ok
    assert len(second.events) == 1
    (outcome,) = report.failed
    assert {key: getattr(outcome, key) for key in expected} == expected
    assert report.outcomes[1].delivered


def test_a_secret_in_an_exception_is_masked_in_report_and_log(caplog: pytest.LogCaptureFixture) -> None:
    cause = OSError("https://me:hunter2@example.net/")
    error = RuntimeError("password=hunter2")
    error.__cause__ = cause
    handler = Recorder()
    handler.failures = [error]
    report = manager_of(it=handler).dispatch(Event("x"))
    assert "hunter2" not in f"{report!r} {report} {caplog.text}"
    assert "password=[redacted]" in caplog.text


def test_a_hostile_name_cannot_forge_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    handler = Recorder()
    handler.failures = [ValueError("no\nERROR forged")]
    manager_of(it=handler).dispatch(Event("x\nERROR forged"))
    assert "\nERROR forged" not in caplog.messages[0]


def test_an_interrupt_is_no_failed_handler() -> None:
    class Interrupted(Recorder):
        def send_event(self, event: Event) -> bool:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager_of(it=Interrupted()).send_event(Event("x"))


def test_an_event_that_cannot_be_read_is_reported_for_every_handler() -> None:
    event = Event("x", key=1)
    event.set_formatter("key", lambda key, value: {key: value / 0})
    recorder = Recorder()
    report = manager_of(it=recorder).dispatch(event)
    assert report.snapshot_id is None
    assert report.failed[0].reason == "ZeroDivisionError: division by zero"
    assert recorder.events == []


def test_a_name_that_has_no_text_fails_nothing() -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    report = manager_of(it=Recorder()).dispatch(Event("x", uid=Mute()))  # type: ignore[arg-type]
    assert (report.ok, report.uid) == (True, "<Mute>")


def test_a_log_that_makes_events_of_its_records_is_not_fed_by_their_failures() -> None:
    class Sending(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())
            manager.send_event(Event("of-a-record"))

    told: list[str] = []
    recorder = Recorder()
    recorder.failures = [OSError("sink is down"), OSError("sink is down")]
    manager = manager_of(it=recorder)
    logging.getLogger("e3.event").addHandler(Sending())
    assert not manager.send_event(Event("x"))
    assert len(told) == 1
    recorder.failures = [False]
    assert not manager.send_event(Event("y"))
    assert len(told) == 2
    assert [event.name for event in recorder.events] == ["of-a-record"]


@pytest.mark.parametrize(
    "make",
    [copy.copy, copy.deepcopy, lambda manager: pickle.loads(pickle.dumps(manager))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_manager_that_was_used_can_be_copied(
    make: Callable[[EventManager], EventManager], tmp_path: Path
) -> None:
    manager = EventManager()
    manager.add_handler("file", tmp_path)
    manager.add_handler("logging", level=50)
    assert manager.send_event(Event("x"))
    assert make(manager).send_event(Event("x"))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_hostile_name_cannot_forge_a_line_of_a_report() -> None:
    report = manager_of(it=Recorder()).dispatch(Event("x\n  file: delivered\x1b[2K"))
    assert len(str(report).splitlines()) == 2
    assert "\x1b" not in str(report)


@pytest.mark.parametrize(("wished", "told"), [(3, 3), (1.5, 1.5), ("soon", None), ([], None)], ids=str)
def test_only_a_number_is_a_time_to_wait(wished: object, told: float | None) -> None:
    error = OSError("slow down")
    error.retry_after = wished  # type: ignore[attr-defined]  # as foreign exceptions have it
    recorder = Recorder()
    recorder.failures = [error]
    assert manager_of(it=recorder).dispatch(Event("x")).failed[0].retry_after == told


def test_without_a_handler_the_answer_is_true_and_a_warning_comes_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = EventManager()
    assert manager.send_event(Event("x"))
    assert manager.send_event(Event("y"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "there is no handler" in caplog.text


def test_a_handler_of_the_old_interface_works() -> None:
    class Old:  # written for e3-core: no close, no send_events
        seen: list[Any] = []  # noqa: RUF012

        def send_event(self, event: Any) -> bool:
            self.seen.append(event.as_dict())
            return True

    manager = EventManager()
    manager.handlers["old"] = Old()  # type: ignore[assignment]
    assert manager.send_event(Event("x"))
    manager.close()
    assert missing(Old) == {}  # type: ignore[arg-type]
    assert Old.seen[0]["name"] == "x"


def test_one_thread_at_a_time_calls_a_handler() -> None:
    class Counting(Recorder):
        inside = most = 0

        def send_event(self, event: Event) -> bool:
            self.inside += 1
            self.most = max(self.most, self.inside)
            threading.Event().wait(0.002)
            self.inside -= 1
            return True

    handler = Counting()
    manager = manager_of(it=handler)
    threads = [threading.Thread(target=manager.send_event, args=(Event("x"),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handler.most == 1


def test_a_handler_is_not_closed_while_it_sends() -> None:
    entered, leave = threading.Event(), threading.Event()
    order: list[str] = []

    class Slow(Recorder):
        def send_event(self, event: Event) -> bool:
            entered.set()
            leave.wait(30)
            order.append("sent")
            return True

        def close(self) -> None:
            order.append("closed")

    manager = manager_of(it=Slow())
    sending = threading.Thread(target=manager.send_event, args=(Event("x"),))
    sending.start()
    entered.wait(30)
    closing = threading.Thread(target=manager.close)
    closing.start()
    closing.join(0.05)  # one that does not wait has closed by then
    leave.set()
    sending.join()
    closing.join()
    assert order == ["sent", "closed"]


def test_a_child_of_a_fork_is_not_blocked_by_a_call_of_its_parent() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(Recorder):
        def send_event(self, event: Event) -> bool:
            if event.name == "slow":
                entered.set()
                leave.wait(30)
            return True

    manager = manager_of(it=Slow())
    thread = threading.Thread(target=manager.send_event, args=(Event("slow"),))
    thread.start()
    entered.wait(30)
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # a child that waits for the lock is killed
        os._exit(0 if manager.send_event(Event("child")) else 1)
    status = os.waitpid(pid, 0)[1]
    leave.set()
    thread.join()
    assert status == 0


def test_a_handler_may_send_an_event_itself() -> None:
    class Echo(Recorder):
        def send_event(self, event: Event) -> bool:
            super().send_event(event)
            return event.name == "echo" or manager.send_event(Event("echo"))

    echo = Echo()
    manager = manager_of(it=echo)
    assert manager.send_event(Event("x"))
    assert [event.name for event in echo.events] == ["x", "echo"]


def test_the_duration_of_a_call_is_reported() -> None:
    class Slow(Recorder):
        def send_event(self, event: Event) -> bool:
            threading.Event().wait(0.02)
            return False

    (outcome,) = manager_of(it=Slow()).dispatch(Event("x")).outcomes
    assert 0.02 <= outcome.duration < 10


def test_a_report_can_be_read() -> None:
    outcomes = (
        Outcome(handler="file", delivered=True, duration=0.0123),
        Outcome(handler="smtp", delivered=False, reason="no route", duration=1.5),
        Outcome(handler="s3", delivered=False, waiting=True, reason="it is down"),
        Outcome(handler="logging", delivered=False, waiting=True),
    )
    report = Report(name="build", uid="u", snapshot_id="s", outcomes=outcomes)
    assert str(report).splitlines() == [
        "event build (u)",
        "  file: delivered (0.012 s)",
        "  smtp: not delivered: no route (1.500 s)",
        "  s3: waits in the spool: it is down (0.000 s)",
        "  logging: waits in the spool (0.000 s)",
    ]


@pytest.mark.parametrize(
    ("outcomes", "ok", "kept"),
    [
        ([], True, True),
        (["delivered"], True, True),
        (["delivered", "failed"], False, False),
        (["spool"], True, True),
        (["no spool"], False, False),
        (["spool", "delivered"], True, True),
        (["spool", "waiting"], False, True),
        (["spool", "waiting", "failed"], False, False),
        (["no spool", "delivered"], False, True),
        (["no spool", "delivered", "failed"], False, False),
    ],
)
def test_a_report_says_whether_anything_is_lost(outcomes: list[str], ok: bool, kept: bool) -> None:
    kinds = {
        "delivered": Outcome(handler="it", delivered=True),
        "failed": Outcome(handler="it", delivered=False),
        "waiting": Outcome(handler="it", delivered=False, waiting=True),
        "spool": Outcome(handler="spool", delivered=True, in_front=True),
        "no spool": Outcome(handler="spool", delivered=False, in_front=True),
    }
    report = Report(name="x", uid="u", snapshot_id="s", outcomes=tuple(kinds[kind] for kind in outcomes))
    assert (report.ok, report.kept) == (ok, kept)


class TestAddHandler:
    def test_an_instance_has_a_type_and_a_label(self, tmp_path: Path) -> None:
        manager = EventManager()
        manager.add_handler("file", str(tmp_path / "a"))
        manager.add_handler("file:b", log_dir=str(tmp_path / "b"))
        assert manager.send_event(Event("x"))
        assert len(list(tmp_path.glob("*/x-*.json"))) == 2

    def test_one_of_the_same_name_replaces_with_a_warning_and_closes(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        old = Recorder()
        manager = manager_of(logging=old)
        manager.add_handler("logging")
        assert manager.handlers["logging"] is not old
        assert old.closed == 1
        assert "is replaced" in caplog.text

    def test_an_unknown_type_is_refused_with_those_installed(self) -> None:
        with pytest.raises(
            EventError, match=r"no handler 'smpt' is installed; installed: .*file.*logging.*s3.*smtp"
        ):
            EventManager().add_handler("smpt")

    def test_arguments_that_do_not_fit_are_named(self) -> None:
        with pytest.raises(EventError, match=r"handler 'file' does not take these arguments: .*log_dir"):
            EventManager().add_handler("file")

    @pytest.mark.parametrize("name", ["file:a|b", "file:a=b", "file:"])
    def test_a_name_that_the_variable_cannot_hold_or_without_its_label_is_refused(self, name: str) -> None:
        with pytest.raises(EventError, match="a handler is `type` or `type:label`"):
            EventManager().add_handler(name, "/x")

    def test_a_missing_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(find("file"), "requires", {"no_such_module_": "e3-event[nothing]"})
        manager = EventManager()
        with pytest.raises(
            EventError, match=r"FileHandler needs .*no_such_module_: pip install 'e3-event\[nothing\]'"
        ):
            manager.add_handler("file", "/x")
        assert manager.handlers == {}

    def test_the_built_in_ones_are_those_registered(self) -> None:
        from importlib.metadata import distribution

        registered = {
            p.name: p.value for p in distribution("e3-event").entry_points if p.group == "e3_event.handler"
        }
        assert registered == BUILT_IN
        assert set(BUILT_IN) <= set(installed())
        for name in BUILT_IN:
            assert issubclass(EventManager().get_handler(f"{name}:label"), EventHandler)


class TestEnvironment:
    def load(self, value: str, monkeypatch: pytest.MonkeyPatch) -> EventManager:
        monkeypatch.setenv("VAR", value)
        manager = EventManager()
        manager.load_handlers_from_env("VAR")
        return manager

    @pytest.mark.parametrize(
        ("value", "names"),
        [
            ("", []),
            ("|", []),
            ("file=/a", ["file"]),
            ("file=/a|", ["file"]),
            ("|file=/a", ["file"]),
            ("file=/a|logging=,10", ["file", "logging"]),
            ("file:a=/a|file:b=/b=c", ["file:a", "file:b"]),
            ("logging", ["logging"]),
        ],
    )
    def test_entries_become_handlers(
        self, value: str, names: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert list(self.load(value, monkeypatch).handlers) == names

    def test_an_unset_variable_is_no_handler(self) -> None:
        manager = EventManager()
        manager.load_handlers_from_env("SURELY_NOT_SET")
        assert manager.handlers == {}

    def test_the_last_of_two_equal_names_wins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.load("file=/a|file=/b", monkeypatch).handlers["file"].encode_config() == "/b"

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("file=/a|=x", "VAR, entry 2: a handler's name stands before the `=`"),
            ("file=/a|nope=1", r"VAR, entry 2 \(nope\): no handler 'nope' is installed"),
            ("file=/a|file", r"VAR, entry 2 \(file\): the folder is missing, as in file=/var/log/events"),
            ("file=/a|logging=x,LOUD", r"VAR, entry 2 \(logging\): the level is a number or one of"),
            ("file=/a|smtp", r"VAR, entry 2 \(smtp\): "),
            ("file=/a|s3", r"VAR, entry 2 \(s3\): "),
        ],
    )
    def test_a_wrong_entry_is_named_and_nothing_is_added(
        self, value: str, said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        manager = EventManager()
        monkeypatch.setenv("VAR", value)
        with pytest.raises(EventError, match=said):
            manager.load_handlers_from_env("VAR")
        assert manager.handlers == {}

    @pytest.mark.parametrize("kind", [ValueError, KeyError, OSError])
    def test_a_foreign_handlers_error_is_worded_without_its_text(
        self, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def decode(config: str) -> dict[str, Any]:
            raise kind(config)

        secret = "hunter2"
        monkeypatch.setattr(find("file"), "decode_config", decode)
        said = rf"entry 1 \(file\): the configuration does not fit \({kind.__name__}\)"
        with pytest.raises(EventError, match=said) as caught:
            self.load("file=" + secret, monkeypatch)
        assert secret not in "".join(traceback.format_exception(caught.value))

    def test_an_entry_without_a_name_is_shown_without_its_secrets(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(EventError, match="no handler 'https' is installed") as caught:
            self.load("https://user:hunter2@example.net", monkeypatch)
        assert "hunter2" not in str(caught.value)

    def test_what_is_exported_loads_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        manager = EventManager()
        manager.add_handler("file:odd", "/with|bar,and%7Cmore")
        manager.add_handler("logging", "a,b|c", 30)
        monkeypatch.setenv("OUT", "")
        manager.handler_config_as_env("OUT")
        again = EventManager()
        again.load_handlers_from_env("OUT")
        assert {n: h.encode_config() for n, h in again.handlers.items()} == {
            n: h.encode_config() for n, h in manager.handlers.items()
        }

    def test_a_configuration_that_cannot_be_shared_sets_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Bar(Recorder):
            def encode_config(self) -> str:
                return "a|b"

        monkeypatch.setenv("OUT", "before")
        with pytest.raises(EventError, match="handler 'bar' can't be put into OUT"):
            manager_of(bar=Bar()).handler_config_as_env("OUT")
        with pytest.raises(EventError, match=r"handler 'it:\\x00' can't be put into OUT"):
            manager_of(**{"it:\0": Recorder()}).handler_config_as_env("OUT")
        assert os.environ["OUT"] == "before"

    def test_configurations_are_never_logged(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(1)
        self.load("file=/hunter2", monkeypatch)
        assert "handler file added" in caplog.text
        assert "hunter2" not in caplog.text


def test_closing_a_manager_closes_its_handlers_and_survives_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Stuck(Recorder):
        def close(self) -> None:
            raise OSError("stuck")

    recorder = Recorder()
    manager_of(stuck=Stuck(), it=recorder).close()
    assert recorder.closed == 1
    assert "Stuck can't be closed: OSError: stuck" in caplog.text


def test_the_module_functions_use_the_default_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = EventManager()
    monkeypatch.setattr(e3_event, "default_manager", manager)
    e3_event.add_handler("file", str(tmp_path))
    monkeypatch.setenv("OUT", "")
    e3_event.handler_config_as_env("OUT")
    assert os.environ["OUT"] == f"file={tmp_path}"
    monkeypatch.setenv("E3_EVENT_HANDLERS", "logging:x=x,30")
    e3_event.load_handlers_from_env()
    assert list(manager.handlers) == ["file", "logging:x"]
    assert e3_event.send_event(Event("one"))
    assert e3_event.dispatch(Event("two")).ok
    assert e3_event.send_event_from_file(Event("three").dump(tmp_path / "dumps"))
    with e3_event.record("four"):
        pass
    assert sorted(path.name.split("-")[0] for path in tmp_path.glob("*.json")) == [
        "four",
        "one",
        "three",
        "two",
    ]


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = e3_event.nonsense
