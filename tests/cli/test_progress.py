"""Long work shows how far it is, on a terminal and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.command import DEADLINE
from cli.terminal import on_terminal
from e3_event import Event
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import State
from spool.worker import work

#: The command, for which everything takes long.
COMMAND = (
    sys.executable,
    "-c",
    "from e3_event.cli import _table; _table._LONG = 0.0; from e3_event.__main__ import main; main()",
)
CONFIG = """
[handlers.archive]
type = "file"
log_dir = "archive"

[handlers.broken]
type = "file"
log_dir = "config.toml/nowhere"
"""
CLEARED = "\x1b[2K"


@pytest.fixture
def spool(private_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    """A spool with many events, and all dead letters of one handler."""
    monkeypatch.chdir(private_environment)
    (private_environment / "config.toml").write_text(CONFIG)
    monkeypatch.setenv("E3_EVENT_CONFIG", "config.toml")
    spool = Spool(private_environment / ".local" / "state" / "e3-event" / "spool")
    spool.register([Key("archive"), Key("broken"), Key("gone")])
    spool.put_many([Event("x") for _ in range(5500)])
    work(spool, Key("gone"), State.DEAD)
    return spool


@pytest.mark.parametrize(
    ("command", "label"),
    [
        ("retry --handler gone", "retrying"),
        ("dead --requeue", "requeueing"),
        ("dead --drop --all", "dropping"),
        ("replay --handler gone --since 1h", "replaying"),
        ("forget gone", "forgetting"),
        ("relay --once", "delivering"),
        ("relay --drain --timeout 2s", "delivering"),
        ("fsck", "events"),
        ("backup copy", "events"),
    ],
)
def test_what_may_take_long_shows_a_bar_and_clears_it_away(spool: Spool, command: str, label: str) -> None:
    _, text = on_terminal(*command.split(), command=COMMAND)
    _, bar, rest = text.rpartition(f"{label}  [")
    assert bar
    assert CLEARED in rest
    assert rest.rpartition(CLEARED)[2].strip(), "what it did is said where the bar was"
    if label == "delivering":
        assert f"\r{CLEARED}e3-event: broken is down" in text


def test_purge_shows_a_bar(spool: Spool) -> None:
    work(spool, Key("archive"))
    work(spool, Key("broken"))
    spool.ledger.drop(handler="gone")
    _, text = on_terminal("purge", "--before", datetime.now(UTC).isoformat(), command=COMMAND)
    assert "purging  [" in text
    assert text.rpartition(CLEARED)[2].startswith("removed 5,499 events")


@pytest.mark.parametrize("command", ["retry --handler gone", "purge", "relay --once", "fsck"])
@pytest.mark.usefixtures("spool")
def test_without_a_terminal_there_is_no_bar(command: str) -> None:
    done = subprocess.run(
        [*COMMAND, *command.split()], capture_output=True, timeout=DEADLINE, check=False, text=True
    )
    assert "[" not in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
