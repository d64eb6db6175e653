"""`status` and `purge`: the state of the spool for people and for monitoring."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cli.command import e3_event, start
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import Delivery, State
from spool.worker import Clock, put, work

ARCHIVE, ONCALL = Key("archive"), Key("oncall")


@pytest.fixture
def folder(private_environment: Path) -> Path:
    return private_environment / ".local" / "state" / "e3-event" / "spool"


def status(code: int) -> tuple[str, dict[str, Any]]:
    """What `status` prints for people and for programs; both end with this exit code."""
    shown, found = e3_event("status"), e3_event("status", "--json")
    assert (shown.returncode, found.returncode) == (code, code), shown.stderr
    assert (shown.stderr, found.stderr) == (b"", b"")
    return shown.stdout.decode(), json.loads(found.stdout)


def test_a_spool_that_is_well_needs_nobody(folder: Path) -> None:
    spool = Spool(folder)
    spool.register([ARCHIVE])
    put(spool, "x", "y")
    work(spool, ARCHIVE)
    put(spool, "z")
    text, found = status(0)
    first, _, head, line = text.splitlines()
    assert first.startswith(f"{folder}: 3 events so far; ")
    assert head.split() == ["HANDLER", "WAITING", "OLDEST", "DEAD", "DELIVERED", "SEEN", "SINK"]
    words = line.split()
    assert (words[0], words[1], words[4], words[5], words[-1]) == ("archive", "1", "-", "2", "up")
    (archive,) = found["subscriptions"]
    assert (archive["waiting"], archive["delivered"], archive["rate"]) == (1, 2, None)
    assert (found["newest"], found["problems"]) == (3, [])
    assert 0 < found["size"] < found["max_size"]


def test_what_needs_a_person_is_told_with_exit_code_1(folder: Path) -> None:
    spool = Spool(folder, clock=Clock(time.time() - 7200))
    spool.register([ARCHIVE, ONCALL])
    put(spool, "x")
    work(spool, ONCALL, State.DEAD)
    text, found = status(1)
    assert text.splitlines()[-3:] == [
        "Needs a person",
        "  archive: events wait and nobody serves it: start a relay that does, or `e3-event forget` it",
        "  oncall: dead letters; see `e3-event dead`",
    ]
    assert [f"  {problem}" for problem in found["problems"]] == text.splitlines()[-2:]
    assert e3_event("forget", "archive").returncode == 0
    assert e3_event("dead", "--drop", "--all").returncode == 0
    text, found = status(0)
    assert "archive" not in text  # it is forgotten
    assert [one["forgotten"] for one in found["subscriptions"]] == [True, False]


def test_a_sink_that_is_down_is_shown_with_the_reason(folder: Path) -> None:
    spool = Spool(folder)
    (number,) = spool.register([ARCHIVE])
    put(spool, "x")
    queue = spool.queue(number)
    assert queue.acquire()

    def note(lane: Any) -> None:
        lane.down, lane.reason, lane.probe = time.time() - 300, "no route\x1b[2J to host", time.time() + 500

    queue.turn([], note=note)
    text, found = status(0)
    assert "down for 5 min; no route\\x1b[2J to host; next try in 8 min" in text
    assert found["subscriptions"][0]["reason"] == "no route\x1b[2J to host"


def test_the_rate_of_a_handler_that_is_being_served_is_shown(folder: Path) -> None:
    spool = Spool(folder)
    (number,) = spool.register([ARCHIVE])
    put(spool, *("x" for _ in range(2000)))
    stop = threading.Event()
    worker = threading.Thread(target=serve, args=(folder, number, stop))
    worker.start()
    try:
        for _ in range(100):
            (found,) = json.loads(e3_event("status", "--json").stdout)["subscriptions"]
            if found["rate"]:
                break
        assert found["served"]
        assert 0 < found["rate"] < 10_000
    finally:
        stop.set()
        worker.join()


def serve(folder: Path, number: int, stop: threading.Event) -> None:
    """Deliver one event after the other, some in a second."""
    spool = Spool(folder)
    queue = spool.queue(number)
    assert queue.acquire()
    taken = queue.turn([], 1)
    while taken and not stop.wait(0.02):
        taken = queue.turn([Delivery(taken[0].seq, number, State.DELIVERED, 1, 0, 0.0, time.time())], 1)
    queue.release()
    spool.close()


def test_a_spool_that_can_not_be_used_needs_a_person(folder: Path) -> None:
    spool = Spool(folder)
    spool._database.break_off("fsync failed")
    try:
        text, found = status(1)
        assert text.startswith("needs a person: ")
        assert "the disk has failed" in text
        assert "the disk has failed" in found["problems"][0]
    finally:
        os.chmod(folder / "spool.db", 0o600)


def test_a_spool_without_handlers_is_well(folder: Path) -> None:
    text, found = status(0)
    assert len(text.splitlines()) == 1
    assert found["subscriptions"] == []


def test_purge_removes_what_is_settled_and_old(folder: Path) -> None:
    clock = Clock(time.time() - 40 * 86400)
    spool = Spool(folder, clock=clock)
    spool.register([ARCHIVE])
    put(spool, "old", padding="x" * 100_000)
    clock.now = time.time() - 10 * 86400
    put(spool, "mid")
    work(spool, ARCHIVE)
    clock.now = time.time()
    put(spool, "owed", "newest")
    done = e3_event("purge")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"removed 1 event; ")
    assert e3_event("purge").stdout.startswith(b"removed 0 events; 0 B")
    assert e3_event("purge", "--before", "5d").stdout.startswith(b"removed 1 event; ")
    assert e3_event("purge", "--before", "1ms").stdout.startswith(b"removed 0 events; ")
    names = [event["name"] for event in json.loads(e3_event("ls", "--json").stdout)]
    assert names == ["newest", "owed"]
    done = e3_event("purge", "--before", "2999-01-01")
    assert done.returncode == 2
    assert b"--before lies in the future" in done.stderr


def test_what_runs_now_is_shown_until_it_ends_or_is_killed(private_environment: Path) -> None:
    processes = [start("run", "--name", name, "--", "sh", "-c", "echo up; cat") for name in ("one", "two")]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
    text, found = status(0)
    assert {line.partition(" ")[0] for line in text.splitlines()} >= {"RUNNING", "one", "two"}
    assert {run["name"] for run in found["running"]} == {"one", "two"}
    assert all(time.time() - 60 < run["begun"] <= run["seen"] <= time.time() for run in found["running"])
    assert all(run["uid"] in text for run in found["running"])
    processes[0].kill()
    processes[1].communicate()
    processes[0].communicate()
    text, found = status(0)
    assert "RUNNING" not in text
    assert found["running"] == []
