"""`e3-event check` and `e3-event handlers`: what there is, what is used, and whether it works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.command import COMMAND, DEADLINE, Events, e3_event, kept, spool_of

TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def on_a_terminal(*arguments: str) -> bytes:
    command = [sys.executable, "-c", TERMINAL, *COMMAND, *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False
    )
    return done.stdout


@pytest.fixture
def one_broken(events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Events:
    """Two handlers, of which the second can't deliver and has hostile text in its configuration."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={events.folder}|file:bad={tmp_path}/file/\x1b[2J\u202e")
    return events


def test_each_handler_gets_a_test_event_with_an_attachment(events: Events) -> None:
    done = e3_event("check")
    assert done.returncode == 0
    spool, file = done.stdout.splitlines()
    assert spool.startswith(b"spool  delivered in ")
    assert file.startswith(b"file   delivered in ")
    assert events.only()["name"] == "e3-event-check"
    assert b"a test" in events.attachment()


def test_the_spool_keeps_the_test_event_for_nobody(events: Events, private_environment: Path) -> None:
    e3_event("check")
    assert [event.name for event in kept(spool_of(private_environment))] == ["e3-event-check"]
    assert e3_event("relay", "--once").returncode == 0
    assert events.only()["name"] == "e3-event-check"  # and not twice


def test_a_spool_that_can_not_be_used_fails_the_check(events: Events, private_environment: Path) -> None:
    folder = spool_of(private_environment)
    folder.mkdir(parents=True)
    (folder / "spool.db").write_bytes(b"this is no database" * 100)
    done = e3_event("check")
    assert done.returncode == 1
    spool, file = done.stdout.decode().splitlines()
    assert spool.startswith(f"spool  not delivered: {folder}/spool.db")
    assert file.startswith("file   delivered in ")


def test_one_that_fails_is_named_with_the_reason(one_broken: Events) -> None:
    done = e3_event("check")
    assert done.returncode == 1
    _, good, bad = done.stdout.decode().splitlines()
    assert good.startswith("file      delivered in ")
    assert bad.startswith("file:bad  not delivered: Not a directory")
    assert one_broken.only()


def test_the_check_as_json(one_broken: Events) -> None:
    report = json.loads(e3_event("check", "--json").stdout)
    assert report["ok"] is False
    assert [outcome["delivered"] for outcome in report["outcomes"]] == [True, True, False]
    assert [outcome["in_front"] for outcome in report["outcomes"]] == [True, False, False]


@pytest.mark.parametrize("command", ["check", "handlers"])
def test_hostile_text_is_harmless_and_colours_are_for_terminals(
    command: str, one_broken: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def controls(output: bytes) -> str:
        return "".join(c for c in output.decode() if not c.isprintable() and c not in "\r\n")

    assert controls(e3_event(command).stdout) == ""
    shown = on_a_terminal(command)
    assert b"\x1b[32m" in shown
    assert b"[2J" in shown
    assert b"\x1b[2J" not in shown
    assert "\u202e" not in shown.decode()
    monkeypatch.setenv("NO_COLOR", "1")
    assert controls(on_a_terminal(command)) == ""


def installed() -> dict[str, dict[str, Any]]:
    found = json.loads(e3_event("handlers", "--json").stdout)
    return {handler["name"]: handler for handler in found["installed"]}


def test_installed_handlers_are_shown_with_what_configures_them(events: Events) -> None:
    shown = installed()
    assert list(shown) == ["file", "logging", "s3", "smtp", "spool"]
    for handler in shown.values():
        assert handler["distribution"] == "e3-event"
        assert handler["configuration"]
    assert shown["file"]["ready"] is True


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'boto3' else find(name, *rest)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert installed()["s3"]["ready"] is False
    assert installed()["s3"]["needs"] == {"boto3": "e3-event[s3]"}
    shown = e3_event("handlers").stdout.decode()
    assert "s3       needs boto3 (e3-event): pip install 'e3-event[s3]'" in shown


def test_a_broken_plugin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "broken_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[e3_event.handler]\nbroken = broken_plugin:Handler\n")
    (tmp_path / "broken_plugin.py").write_text("1 / 0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = e3_event("handlers")
    assert done.returncode == 0
    assert "broken   broken (broken-plugin): handler 'broken'" in done.stdout.decode()
    assert "division by zero" in installed()["broken"]["error"]
    ran = e3_event("run", "sh", "-c", "exit 3", E3_EVENT_HANDLERS="broken")
    assert ran.returncode == 3
    assert ran.stderr.count(b"\n") == 1


def test_configured_handlers_are_shown_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", "file=/logs/token=abcdef|logging:x=build,20")
    shown = json.loads(e3_event("handlers", "--json").stdout)
    assert shown["configured_by"] == "E3_EVENT_HANDLERS"
    assert shown["configured"] == [
        {"name": "file", "configuration": "/logs/token=[redacted]"},
        {"name": "logging:x", "configuration": "build,20"},
    ]
    assert "abcdef" not in e3_event("handlers").stdout.decode()


def test_without_configuration_no_handler_and_the_usual_spool_are_shown(private_environment: Path) -> None:
    shown = json.loads(e3_event("handlers", "--json").stdout)
    assert (shown["configured_by"], shown["configured"]) == ("default", [])
    assert shown["spool"] == str(spool_of(private_environment))
    lines = e3_event("handlers").stdout.decode().splitlines()
    assert lines[-5:-3] == [
        "Configured (neither E3_EVENT_HANDLERS nor a configuration file names any)",
        "  none",
    ]
    assert lines[-2:] == ["Spool", f"  {spool_of(private_environment)}"]


def test_a_spool_among_the_handlers_is_the_one_that_is_shown(tmp_path: Path) -> None:
    shown = json.loads(e3_event("handlers", "--json", E3_EVENT_HANDLERS=f"spool={tmp_path}|logging").stdout)
    assert shown["spool"] == str(tmp_path)
    assert [handler["name"] for handler in shown["configured"]] == ["spool", "logging"]


def test_a_wrong_configuration_shows_what_is_installed_all_the_same() -> None:
    done = e3_event("handlers", "--json", E3_EVENT_HANDLERS="fil=/x")
    assert done.returncode == 2
    shown = json.loads(done.stdout)
    assert len(shown["installed"]) == 5
    assert shown["configured"] == []
    assert "no handler 'fil'" in shown["error"]


def test_a_foreign_handler_that_can_not_tell_its_configuration_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "mute_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mute-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[e3_event.handler]\nmute = mute_plugin:Handler\n")
    (tmp_path / "mute_plugin.py").write_text(
        "from e3_event.testing import Recorder\n"
        "class Handler(Recorder):\n"
        "    def encode_config(self):\n"
        "        return {}['host']\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    shown = json.loads(e3_event("handlers", "--json", E3_EVENT_HANDLERS="mute").stdout)
    assert shown["configured"] == [{"name": "mute", "configuration": "not shown: KeyError: 'host'"}]


@pytest.mark.parametrize("command", [["send", "x"], ["check"], ["handlers"]])
def test_without_a_home_events_are_kept_elsewhere(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HOME")
    code = (
        "import pwd; pwd.getpwuid = {}.__getitem__; import e3_event._config._place as place, e3_event.cli;"
        f"place.FALLBACK = {str(tmp_path)!r}; e3_event.cli.main({command})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [path.name for path in tmp_path.iterdir()] == [f"e3-event-{os.geteuid()}"]
