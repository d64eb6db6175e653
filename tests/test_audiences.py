"""Two jobs on one spool with handlers of their own: each event reaches its own audience and no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.command import Events, e3_event

#: What a job without a variable of its own sends with: the handlers of the file.
NO_VARIABLE = ""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The handlers of the user's file: `archive`, which tries again at once."""
    path = tmp_path / "c.toml"
    path.write_text(
        f'[handlers.archive]\ntype = "file"\nlog_dir = "{tmp_path}/archive"\n'
        'retry = { first = "1ms", longest = "1ms" }\n'
    )
    monkeypatch.setenv("E3_EVENT_CONFIG", str(path))
    return path


def names(folder: Path) -> list[str]:
    return sorted(event["name"] for event in Events(folder).all())


def drain(handlers: str, config: Path | str) -> int:
    """Let a relay deliver until nothing waits any more."""
    arguments = ["--config", config, "relay", "--drain", "--timeout", "50s"]
    return e3_event(*arguments, E3_EVENT_HANDLERS=handlers).returncode


def test_each_event_reaches_its_own_audience_and_no_other(
    config: Path, tmp_path: Path, private_environment: Path
) -> None:
    common, red, blue = (tmp_path / name for name in ("common", "red", "blue"))
    # Both jobs have a handler `file:job`, to places of their own, and one that is the same. Blue's is down.
    of_red = f"file:job={red}|file:common={common}"
    of_blue = f"file:job={blue}/events|file:common={common}"
    blue.touch()
    down = tmp_path / "archive"
    down.touch()

    for job, handlers in (("red", of_red), ("blue", of_blue), ("plain", NO_VARIABLE)):
        for number in (1, 2):
            done = e3_event("send", f"{job}-{number}", E3_EVENT_HANDLERS=handlers)
            assert done.returncode == 0, done.stderr
    assert names(red) == ["red-1", "red-2"]
    assert names(common) == ["blue-1", "blue-2", "red-1", "red-2"]

    # Relays of both kinds, none of which serves what is blue's alone.
    for handlers in (of_red, NO_VARIABLE):
        e3_event("relay", "--once", E3_EVENT_HANDLERS=handlers)
    e3_event("relay", "--once", E3_EVENT_HANDLERS=of_red, E3_EVENT_CONFIG=os.devnull)
    assert names(red) == ["red-1", "red-2"]
    assert names(common) == ["blue-1", "blue-2", "red-1", "red-2"]

    # The sinks are back.
    blue.unlink()
    down.unlink()
    assert drain(NO_VARIABLE, config) == 0
    assert names(down) == ["plain-1", "plain-2"]
    assert not blue.exists()
    assert drain(of_blue, os.devnull) == 0
    assert names(blue / "events") == ["blue-1", "blue-2"]
    assert names(red) == ["red-1", "red-2"]
    assert names(common) == ["blue-1", "blue-2", "red-1", "red-2"]
    assert names(down) == ["plain-1", "plain-2"]


def test_what_waits_for_one_job_is_not_delivered_by_the_flush_of_another(
    config: Path, tmp_path: Path
) -> None:
    red, blue = f"file:job={tmp_path}/red", f"file:job={tmp_path}/blue"
    assert e3_event("send", "red", "--flush-timeout", "0", E3_EVENT_HANDLERS=red).returncode == 0
    assert e3_event("send", "blue", E3_EVENT_HANDLERS=blue).returncode == 0
    assert e3_event("send", "plain", E3_EVENT_HANDLERS=NO_VARIABLE).returncode == 0
    assert (names(tmp_path / "blue"), names(tmp_path / "archive")) == (["blue"], ["plain"])
    assert not (tmp_path / "red").exists()
    assert e3_event("send", "red again", E3_EVENT_HANDLERS=red).returncode == 0
    assert names(tmp_path / "red") == ["red", "red again"]


def test_a_program_with_a_handler_of_its_own_beside_those_of_the_file_reaches_both(
    config: Path, tmp_path: Path, private_environment: Path
) -> None:
    from e3_event import EventManager

    manager = EventManager()
    with manager.record("both"):
        pass
    manager.add_handler("file:own", tmp_path / "own")
    manager.flush_timeout = 0
    with manager.record("mixed"):
        pass
    manager.close()
    assert e3_event("relay", "--once", E3_EVENT_HANDLERS=NO_VARIABLE).returncode == 0
    assert names(tmp_path / "archive") == ["both", "mixed"]
    assert not (tmp_path / "own").exists()
    own = f"file:own={tmp_path}/own"
    assert e3_event("relay", "--once", E3_EVENT_HANDLERS=own, E3_EVENT_CONFIG=os.devnull).returncode == 0
    assert names(tmp_path / "own") == ["mixed"]


def test_a_handler_that_replaces_one_of_the_file_is_another_subscription(
    config: Path, tmp_path: Path, private_environment: Path
) -> None:
    config.write_text(f'[handlers.file]\nlog_dir = "{tmp_path}/archive"\n')
    from e3_event import EventManager

    manager = EventManager()
    with manager.record("first"):
        pass
    manager.add_handler("file", tmp_path / "own")
    with manager.record("second"):
        pass
    manager.close()
    assert (names(tmp_path / "archive"), names(tmp_path / "own")) == (["first"], ["second"])
    assert e3_event("relay", "--once", E3_EVENT_HANDLERS=NO_VARIABLE).returncode == 0
    assert names(tmp_path / "archive") == ["first"]
