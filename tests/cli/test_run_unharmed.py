"""`e3-event run` where spool, disk or handlers fail: the command ran, its exit code came through, in time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from cli.command import DEADLINE, Events, e3_event, kept, spool_of
from e3_event.handler.file import FileHandler
from e3_event.handler_tools import attachments
from e3_event.spool import Spool, key_of

#: A handler that never answers.
HANGS = "from e3_event.handler.file import FileHandler; FileHandler.send_events = lambda *_: time.sleep(1000)"
#: So long an exit takes where it takes long. Those that wait for a handler that hangs would take longer.
SOON = 30.0


def run(
    *arguments: str | Path, prepare: str = "", fallback: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run `e3-event run` around a command that prints and fails, in a process prepared by this code."""
    code = f"import sys, time, e3_event.cli, e3_event._config._place as place\n{prepare}\n"
    if fallback is not None:
        code += f"place.FALLBACK = {str(fallback)!r}\n"
    command = [*map(str, arguments), "run", "--name", "job", "--", "sh", "-c", "echo ran; exit 5"]
    code += f"e3_event.cli.main({command})\n"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=DEADLINE, check=False)


def ran(done: subprocess.CompletedProcess[bytes], lines: int = 0) -> str:
    """Check that the command was not harmed, and that so many lines were told; return these."""
    assert (done.returncode, done.stdout) == (5, b"ran\n")
    told = done.stderr.decode()
    assert told.count("\n") == lines, told
    return told


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "c.toml"


def test_where_the_home_can_not_be_written_events_are_kept_in_var_tmp(
    events: Events, private_environment: Path, tmp_path: Path
) -> None:
    (private_environment / ".local").touch()
    ran(run(fallback=tmp_path))
    assert events.only()["exit_code"] == 5
    assert [event.name for event in kept(tmp_path / f"e3-event-{os.geteuid()}")] == ["job"]


def test_where_nothing_can_be_written_events_go_directly(events: Events, private_environment: Path) -> None:
    (private_environment / ".local").touch()
    told = ran(run(fallback=private_environment / ".local"), lines=1)
    assert told.startswith("e3-event: no folder can take events: ")
    assert told.endswith("; they go directly to their handlers\n")
    assert events.only()["exit_code"] == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_the_spool_of_another_user_is_left_alone_which_is_told(
    events: Events, private_environment: Path, tmp_path: Path
) -> None:
    folder = spool_of(private_environment)
    folder.mkdir(parents=True)
    os.chown(folder, 12345, -1)
    told = ran(run(fallback=tmp_path), lines=1)
    assert "belongs to user 12345, not to 0; a spool has one owner; events are kept in" in told
    assert events.only()["exit_code"] == 5
    assert list(folder.iterdir()) == []


def test_a_spool_that_is_named_and_can_not_be_used_is_not_replaced(
    events: Events, config: Path, private_environment: Path
) -> None:
    config.write_text(f'spool.path = "{config}/spool"\n')
    told = ran(run("--config", config), lines=1)
    assert told == f"e3-event: the event job was not kept by spool: Not a directory: {config}/spool\n"
    assert events.only()["exit_code"] == 5
    assert not (private_environment / ".local").exists()


def test_a_full_spool_is_told_and_the_event_goes_directly(events: Events, config: Path) -> None:
    config.write_text('spool.max_size = "10kB"\n')
    told = ran(run("--config", config), lines=1)
    assert "the event job was not kept by spool: " in told
    assert "the spool is full (10000 bytes)" in told
    assert events.only()["exit_code"] == 5


def test_a_spool_that_is_kept_locked_gets_the_event_from_the_next_one(private_environment: Path) -> None:
    folder = spool_of(private_environment)
    Spool(folder).close()
    other = apsw.Connection(str(folder / "spool.db"))
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    told = ran(run(), lines=1)
    assert time.monotonic() - started < SOON
    assert told.startswith("e3-event: the event job was not kept by spool: ")
    assert told.endswith("database is locked\n")
    other.close()
    assert e3_event("run", "true").returncode == 0
    (event,) = [event for event in kept(folder) if event.name == "job"]
    assert (event.status, event.exit_code) == ("failed", 5)
    assert [attachment.name for attachment in attachments(event)] == ["log"]


def test_a_spool_that_can_not_grow_while_it_is_delivered_from_is_told(events: Events) -> None:
    """It is put, but that it was delivered can't be written down any more: it comes again."""
    limit = 120_000
    script = f"head -c {limit - 20_000} /dev/zero"
    done = subprocess.run(
        [sys.executable, "-m", "e3_event", "run", "--name", "job", "--", "sh", "-c", script],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0
    assert len(done.stdout) == limit - 20_000
    told = done.stderr.decode()
    assert told.count("\n") == 1
    assert told.startswith("e3-event: the event job waits for file: ")
    assert told.endswith("/spool.db: disk I/O error\n")


def test_without_spool_and_handlers_that_events_go_nowhere_is_told(config: Path) -> None:
    config.write_text('spool = "none"\n')
    assert "events go nowhere" in ran(run("--config", config), lines=1)


def test_a_handler_that_hangs_delays_the_exit_no_longer_than_the_flush_timeout(events: Events) -> None:
    started = time.monotonic()
    told = ran(run(prepare=HANGS), lines=1)
    assert time.monotonic() - started < SOON
    assert told == "e3-event: the event job waits for file: no answer within 2 s\n"


@pytest.fixture
def lane(events: Events, private_environment: Path) -> tuple[Spool, int]:
    """The spool, and the subscription of the `file` handler."""
    spool = Spool(spool_of(private_environment))
    (number,) = spool.register([key_of("file", FileHandler(str(events.folder)))])
    return spool, number


def waits_for_it(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run with a handler that hangs, and all the time to wait for it."""
    code = f"import sys, time, e3_event.cli\n{HANGS}\n"
    command = [
        "run",
        "--flush-timeout",
        "1h",
        *arguments,
        "--name",
        "job",
        "--",
        "sh",
        "-c",
        "echo ran; exit 5",
    ]
    code += f"e3_event.cli.main({command})\n"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=SOON, check=False)


def test_a_sink_that_is_known_to_be_down_is_not_waited_for(lane: tuple[Spool, int]) -> None:
    spool, number = lane
    queue = spool.queue(number)
    assert queue.acquire()
    down = time.time()

    def note(lane: object) -> None:
        lane.down, lane.reason, lane.probe = down, "no route", down + 3600  # type: ignore[attr-defined]

    queue.turn([], note=note)
    queue.release()
    told = ran(waits_for_it(), lines=1)
    assert told == "e3-event: the event job waits for file: it is down: no route\n"


def test_what_a_relay_serves_is_left_to_it(lane: tuple[Spool, int]) -> None:
    spool, number = lane
    assert spool.queue(number).acquire()
    ran(waits_for_it())
    assert [event.name for event in kept(Path(spool.path))] == ["job"]


def test_it_is_left_to_others_if_so_wished(lane: tuple[Spool, int]) -> None:
    spool, _ = lane
    ran(waits_for_it("--flush-timeout", "0"))
    assert [event.name for event in kept(Path(spool.path))] == ["job"]


def test_what_runs_in_parallel_delivers_for_each_other(events: Events) -> None:
    command = [sys.executable, "-m", "e3_event", "run", "--flush-timeout", "1m", "--name", "job", "true"]
    processes = [subprocess.Popen(command) for _ in range(8)]
    assert [process.wait(DEADLINE) for process in processes] == [0] * 8
    assert [event["name"] for event in events.all()] == ["job"] * 8
