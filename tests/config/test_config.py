"""The configuration file: what it gives, what is refused and how, and where it is found."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.files import SMTP, Write, load, problems
from e3_event import EventError, EventManager, _config
from e3_event._config import configure, find_config, load_handlers, set_up
from e3_event._config._document import ConfigError
from e3_event._config._place import SpoolConfig
from e3_event._config._redaction import RedactConfig, make_redactor
from e3_event._config._subscribers import load_subscribers
from e3_event._config._values import duration, size
from e3_event._retry import RetryPolicy
from e3_event.handler.file import FileHandler
from e3_event.handler.smtp import SMTPHandler
from e3_event.handler_tools import Secret
from e3_event.spool import Key, key_of


def test_a_whole_file_becomes_typed_values(write: Write) -> None:
    found = load(
        write(
            '[spool]\npath = "/var/lib/e3-event"\nmax_size = "10GiB"\nretention = "30d"\n'
            '[redact]\nscope = "all"\nenv = ["DB_URL", "DEPLOY_*"]\n'
            '[handlers."file:archive"]\nlog_dir = "/archive"\n'
            + SMTP
            + 'password = { env = "SMTP_PASSWORD" }\norder = "strict"\n'
            + 'retry = { attempts = 12, first = "5s", longest = "1h", age = 7200 }\n'
        )
    )
    assert found.spool == SpoolConfig(path="/var/lib/e3-event", max_size=10 << 30, retention=30 * 86400)
    assert found.redact == RedactConfig(scope="all", env=("DB_URL", "DEPLOY_*"))
    archive, oncall = found.handlers.values()
    assert (archive.name, archive.kind, archive.order) == ("file:archive", "file", "live")
    assert archive.retry == RetryPolicy()
    assert (oncall.name, oncall.kind, oncall.order) == ("oncall", "smtp", "strict")
    assert oncall.retry == RetryPolicy(attempts=12, first=5.0, longest=3600.0, age=7200.0)
    assert oncall.arguments["password"] == Secret(env="SMTP_PASSWORD")
    assert oncall.arguments["smtp_servers"] == ["smtps://a.example.net", "smtps://b.example.net"]
    made = oncall.build()
    assert isinstance(made, SMTPHandler)
    assert made is not oncall.build()


def test_an_empty_file_gives_the_usual_values(write: Write) -> None:
    found = load(write(""))
    assert found.spool == SpoolConfig(path=None, max_size=1 << 30, retention=30 * 86400)
    assert found.redact == RedactConfig(scope="captured", env=())
    assert found.handlers == {}


def test_what_is_captured_is_redacted_as_the_file_says(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_URL", "hidden.example.net")
    monkeypatch.setenv("DB_PASSWORD", "hunter2x")
    text = "hidden.example.net hunter2x token=abc"
    usual = make_redactor(RedactConfig())
    assert usual
    assert usual.text(text) == "hidden.example.net [redacted] token=[redacted]"
    told = make_redactor(load(write('[redact]\nenv = ["DEPLOY_*"]\n')).redact)
    assert told
    assert told.text(text) == "[redacted] [redacted] token=[redacted]"
    assert make_redactor(load(write('redact.scope = "nothing"\n')).redact) is None


def test_the_spool_may_be_none(write: Write) -> None:
    assert load(write('spool = "none"\n')).spool is None


def test_a_path_may_begin_with_the_home_folder(write: Write, private_environment: Path) -> None:
    spool = load(write('spool.path = "~/spool"\n')).spool
    assert spool
    assert spool.path == str(private_environment / "spool")


UNITS = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]


@given(st.integers(1, 10**6), st.sampled_from(UNITS))
def test_a_time_is_its_number_times_its_unit(number: int, unit: tuple[str, float]) -> None:
    assert duration(f"{number}{unit[0]}") == duration(f"{number} {unit[0]}") == number * unit[1]
    assert duration(number) == number


@pytest.mark.parametrize(
    ("written", "bytes_"),
    [("10GiB", 10 << 30), ("500MB", 500_000_000), ("1.5kB", 1500), ("1.5KiB", 1536), ("7b", 7), (4096, 4096)],
)
def test_a_size_is_its_number_times_its_unit(written: Any, bytes_: int) -> None:
    assert size(written) == bytes_


@pytest.mark.parametrize("convert", [duration, size])
@pytest.mark.parametrize(
    "value",
    ["", "s", "5", "5 parsecs", "-5s", "-5MB", "0s", "0GB", "5sMB", "1e9s", "٣s", 0, -1, True, float("nan"),
     float("inf"), "9" * 50 + "d", 10**30, None, [], {}],
)  # fmt: skip
def test_what_is_no_quantity_is_refused(convert: Callable[[Any], float], value: Any) -> None:
    with pytest.raises(EventError, match="is needed, not "):
        convert(value)


@given(st.text())
def test_any_text_is_a_quantity_or_refused(value: str) -> None:
    for convert in (duration, size):
        try:
            assert convert(value) > 0
        except EventError:
            pass


def test_a_literal_secret_is_taken_and_never_shown(write: Write) -> None:
    handler = load(write(SMTP + 'password = "hunter2"\n')).handlers["oncall"]
    assert handler.arguments["password"].get() == "hunter2"
    assert handler.shown["password"] == "[redacted]"
    assert "hunter2" not in repr(handler)
    with pytest.raises(EventError, match="can't be shared"):
        handler.build().encode_config()


def test_a_wrong_secret_is_in_no_problem(write: Write) -> None:
    text = SMTP.replace("smtps://a.example.net", "smtps://ci:hunter2@a.example.net") + 'x = "hunter2"\n'
    assert "hunter2" not in str(problems(write(text + 'password = ["hunter2"]\n')))


@pytest.mark.parametrize(
    ("mode", "password", "warned"),
    [(0o644, '"hunter2"', True), (0o600, '"hunter2"', False), (0o640, '"hunter2"', False),
     (0o644, '{ env = "P" }', False)],
)  # fmt: skip
def test_a_literal_secret_that_everybody_can_read_is_warned_about(
    mode: int, password: str, warned: bool, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(f"{SMTP}password = {password}\n")
    path.chmod(mode)
    with caplog.at_level(logging.WARNING, "e3.event"):
        load(path)
    assert [record.getMessage().partition(": a secret")[0] for record in caplog.records] == (
        [f"{path}, line 9: handlers.oncall.password"] if warned else []
    )
    assert "hunter2" not in caplog.text


def test_a_secret_in_any_argument_is_seen_by_its_name_or_its_form(write: Write) -> None:
    path = write('[handlers.file]\nlog_dir = "https://me:hunter2@example.net/"\n')
    assert load(path).handlers["file"].shown == {"log_dir": "https://me:[redacted]@example.net/"}


def test_a_reference_becomes_text_where_a_handler_takes_only_text(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLDER", "/events")
    (tmp_path / "folder").write_text("/others\n")
    found = load(
        write(
            '[handlers.file]\nlog_dir = { env = "FOLDER" }\n'
            f'[handlers."file:b"]\nlog_dir = {{ file = "{tmp_path}/folder" }}\n'
        )
    ).handlers
    assert [handler.arguments["log_dir"] for handler in found.values()] == ["/events", "/others"]
    assert found["file"].shown == {"log_dir": {"env": "FOLDER"}}


@pytest.fixture
def own_file(private_environment: Path) -> Path:
    path = private_environment / ".config/e3-event/config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_the_first_file_that_is_found_counts_and_only_that(
    own_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "etc.toml"
    monkeypatch.setattr(_config, "SYSTEM_FILE", str(system))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("the current folder never counts\n")
    assert find_config() is None
    system.write_text('[handlers.file]\nlog_dir = "system"\n')
    assert find_config() == str(system)
    own_file.write_text("")
    assert find_config() == str(own_file)
    assert load(own_file).handlers == {}
    monkeypatch.setenv("E3_EVENT_CONFIG", "")
    assert find_config() == str(own_file)
    monkeypatch.setenv("E3_EVENT_CONFIG", "named.toml")
    assert find_config() == "named.toml"
    assert find_config("given.toml") == "given.toml"


def test_the_file_in_etc_is_looked_for() -> None:
    assert _config.usual_files()[-1] == "/etc/e3-event/config.toml"


def test_a_user_without_a_home_has_the_machines_file_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert _config.usual_files() == ["/etc/e3-event/config.toml"]


def test_a_variable_that_names_an_empty_file_turns_the_others_off(
    own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_file.write_text('[handlers.file]\nlog_dir = "own"\n')
    monkeypatch.setenv("E3_EVENT_CONFIG", os.devnull)
    manager = EventManager()
    assert load_handlers(manager) == ""
    assert manager.handlers == {}


def test_handlers_come_from_the_file_under_their_names(own_file: Path) -> None:
    own_file.write_text('[handlers.archive]\ntype = "file"\nlog_dir = "a"\n[handlers.logging]\n')
    manager = EventManager()
    assert load_handlers(manager) == str(own_file)
    assert list(manager.handlers) == ["archive", "logging"]
    assert isinstance(manager.handlers["archive"], FileHandler)


def test_the_variable_takes_the_place_of_the_files_handlers(
    own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_file.write_text("this is no TOML")
    monkeypatch.setenv("E3_EVENT_HANDLERS", "file:job=jobs")
    manager = EventManager()
    assert load_handlers(manager) == "E3_EVENT_HANDLERS"
    assert list(manager.handlers) == ["file:job"]


def test_handlers_of_a_file_are_shared_with_their_type(
    own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_file.write_text(
        '[handlers.archive]\ntype = "file"\nlog_dir = "a"\n[handlers."file:b"]\nlog_dir = "b"\n'
    )
    manager, child = EventManager(), EventManager()
    load_handlers(manager)
    monkeypatch.setenv("E3_EVENT_HANDLERS", "")
    manager.handler_config_as_env()
    assert os.environ["E3_EVENT_HANDLERS"] == "file:archive=a|file:b=b"
    child.load_handlers_from_env()
    assert list(child.handlers) == ["file:archive", "file:b"]


def test_a_wrong_file_adds_no_handler(own_file: Path) -> None:
    own_file.write_text('[handlers.file]\nlog_dir = "a"\n[handlers.fil]\n')
    manager = EventManager()
    with pytest.raises(ConfigError):
        load_handlers(manager)
    assert manager.handlers == {}


def test_a_wrong_file_is_logged_and_events_are_kept_in_the_usual_spool(
    own_file: Path, private_environment: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_file.write_text("[handlers.fil]\n")
    manager = EventManager()
    set_up(manager)
    (record,) = caplog.records
    folder = private_environment / ".local/state/e3-event/spool"
    assert record.getMessage().startswith(f"{own_file}, line 1: handlers.fil.type: is missing")
    assert record.getMessage().endswith(f"; events are kept in {folder}")
    assert manager.handlers == {}


def test_a_wrong_file_is_told_also_where_the_variable_has_the_handlers(
    own_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own_file.write_text("[spol]\n")
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={tmp_path}")
    manager = EventManager()
    with pytest.raises(ConfigError):
        configure(manager)
    set_up(manager)
    assert "spol: no such key" in caplog.text
    assert list(manager.handlers) == ["file"]


def test_what_a_file_says_of_a_handler_counts_for_its_subscriber(own_file: Path) -> None:
    own_file.write_text(
        '[handlers.archive]\ntype = "file"\nlog_dir = "a"\norder = "strict"\nrate = 2\ndeadline = "1m"\n'
        "retry = { attempts = 3 }\n"
    )
    (subscriber,), source = load_subscribers()
    assert source == str(own_file)
    assert subscriber.key == Key("archive")
    assert (subscriber.order, subscriber.rate, subscriber.deadline) == ("strict", 2.0, 60.0)
    assert subscriber.retry == RetryPolicy(attempts=3)
    made = subscriber.build()
    assert isinstance(made, FileHandler)
    assert made is not subscriber.build()


def test_a_handler_of_the_variable_is_known_by_its_name_and_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", "file:job=/jobs|spool=/spool")
    (subscriber,), source = load_subscribers()
    assert source == "E3_EVENT_HANDLERS"
    fingerprint = hashlib.sha256(b"file:job=/jobs").hexdigest()[:16]
    assert subscriber.key == Key("file:job", fingerprint)
    monkeypatch.setenv("E3_EVENT_HANDLERS", "file:job=/others")
    assert load_subscribers()[0][0].key != subscriber.key


def test_a_fingerprint_is_of_no_secret(write: Write) -> None:
    keys = set()
    for password in ("hunter2", "hunter3"):
        handler = load(write(SMTP + f'password = "{password}"\n')).handlers["oncall"].build()
        keys.add(key_of("oncall", handler))
    assert len(keys) == 1
    assert key_of("oncall", FileHandler("x")) not in keys


def test_a_file_with_handlers_goes_before_the_variable_for_a_relay(
    own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_file.write_text('[handlers.archive]\ntype = "file"\nlog_dir = "a"\n')
    monkeypatch.setenv("E3_EVENT_HANDLERS", "file=/x")
    assert [subscriber.name for subscriber in load_subscribers()[0]] == ["archive"]
    own_file.write_text("[spool]\n")
    assert [subscriber.name for subscriber in load_subscribers()[0]] == ["file"]


def test_what_the_file_says_of_redaction_counts_also_where_a_handler_exits(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", "file=/nowhere")
    monkeypatch.setattr("e3_event.handler.file.FileHandler.decode_config", lambda _config: sys.exit(9))
    manager = EventManager()
    with pytest.raises(SystemExit):
        configure(manager, str(write('redact.scope = "all"\n')), tell=lambda *_: None)
    assert manager._setup.redact
    assert manager._setup.redact.scope == "all"
    assert manager._setup.front
