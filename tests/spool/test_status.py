"""The state of a spool: its figures are true, and it calls a person when one is needed, and only then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e3_event import Event
from e3_event.spool import Key, Spool
from e3_event.spool import _status as status_module
from e3_event.spool._deliveries import State
from e3_event.spool._status import LONG, Status, Subscribed
from spool.worker import Clock, by_name, put, work

ARCHIVE, ONCALL = Key("archive"), Key("oncall")
JOB = Key("file", "3f2a91bc77")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Spool:
    return Spool(tmp_path / "spool", clock=clock)


def of(status: Status, label: str) -> Subscribed:
    return next(one for one in status.subscriptions if one.label == label)


def test_an_empty_spool_needs_nobody(spool: Spool) -> None:
    status = spool.ledger.status()
    assert (status.path, status.newest, status.subscriptions, status.problems) == (spool.path, 0, [], [])
    assert 0 < status.size < 1 << 20
    assert status.max_size == spool.max_size


def test_it_says_what_waits_for_whom_and_since_when(spool: Spool, clock: Clock) -> None:
    spool.register([ARCHIVE, ONCALL])
    since = clock.now
    put(spool, "a")
    clock.now += 10
    put(spool, "b", "c")
    put(spool, "job", owed_to=(JOB,))
    work(spool, ARCHIVE, by_name(b=State.AGAIN, c=State.DEAD))
    put(spool, "d")
    status = spool.ledger.status()
    archive, oncall, job = (of(status, label) for label in ("archive", "oncall", "file@3f2a91bc"))
    assert (archive.waiting, archive.again, archive.dead, archive.delivered) == (2, 1, 1, 1)
    assert (archive.oldest, archive.next_try) == (clock.now, clock.now + 3600)
    assert (oncall.waiting, oncall.oldest, oncall.next_try) == (4, since, None)
    assert (job.waiting, job.oldest, job.seen) == (1, clock.now, clock.now)
    assert not any(one.served or one.more for one in status.subscriptions)
    assert status.newest == 5


def test_what_is_out_with_a_worker_waits(spool: Spool) -> None:
    (number,) = spool.register([ARCHIVE])
    put(spool, "a", "b", "c")
    queue = spool.queue(number)
    assert queue.acquire()
    queue.turn([], 2)
    archive = of(spool.ledger.status(), "archive")
    assert archive.served
    assert archive.waiting == 3


def test_more_than_can_be_counted_quickly_is_said_so(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_module, "COUNTED", 50)
    spool.register([ARCHIVE, ONCALL])
    spool.put_many([Event("x") for _ in range(50)])
    assert [(one.waiting, one.more) for one in spool.ledger.status().subscriptions] == [(50, False)] * 2
    put(spool, "y")
    work(spool, ONCALL, State.DEAD)
    archive, oncall = spool.ledger.status().subscriptions
    assert (archive.waiting, archive.more) == (50, True)
    assert (oncall.dead, oncall.more) == (50, True)


def test_dead_letters_need_a_person(spool: Spool) -> None:
    spool.register([ARCHIVE])
    put(spool, "x")
    work(spool, ARCHIVE, State.DEAD)
    assert spool.ledger.status().problems == ["archive: dead letters; see `e3-event dead`"]
    spool.ledger.drop()
    assert spool.ledger.status().problems == []


def test_a_sink_that_is_down_needs_a_person_when_that_lasts(spool: Spool, clock: Clock) -> None:
    (number,) = spool.register([ARCHIVE])
    put(spool, "x")
    queue = spool.queue(number)
    assert queue.acquire()

    def note(lane: object) -> None:
        vars_ = {"down": clock.now, "reason": "connection refused", "probe": clock.now + 60}
        for name, value in vars_.items():
            setattr(lane, name, value)

    queue.turn([], note=note)
    archive = of(spool.ledger.status(), "archive")
    assert (archive.down_since, archive.reason, archive.probe) == (
        clock.now,
        "connection refused",
        clock.now + 60,
    )
    assert spool.ledger.status().problems == []
    clock.now += LONG + 1
    queue.renew()
    (problem,) = spool.ledger.status().problems
    assert problem == "archive: its sink is down for long: connection refused"


def test_events_that_nobody_takes_need_a_person_when_they_wait_for_long(spool: Spool, clock: Clock) -> None:
    (number,) = spool.register([ARCHIVE])
    put(spool, "x")
    assert spool.ledger.status().problems == []
    clock.now += LONG + 1
    (problem,) = spool.ledger.status().problems
    assert problem.startswith("archive: events wait and nobody serves it")
    queue = spool.queue(number)
    assert queue.acquire()
    assert spool.ledger.status().problems == []
    queue.release()
    spool.ledger.forget("archive")
    assert spool.ledger.status().problems == []


def fill(spool: Spool) -> None:
    """Put events until the spool holds about 95 % of its cap."""
    while spool._room.used() < 0.95 * spool.max_size:
        put(spool, "x", padding="x" * 2000)


def test_a_spool_that_is_full_of_what_is_owed_needs_a_person(tmp_path: Path, clock: Clock) -> None:
    spool = Spool(tmp_path / "spool", clock=clock, max_size=1 << 20)
    spool.register([ARCHIVE])
    fill(spool)
    status = spool.ledger.status()
    assert status.owed == pytest.approx(1)
    assert "% of the room is taken by events that are still owed" in status.problems[0]


def test_a_spool_that_is_full_of_history_needs_nobody(tmp_path: Path, clock: Clock) -> None:
    spool = Spool(tmp_path / "spool", clock=clock, max_size=1 << 20)
    spool.register([ARCHIVE])
    fill(spool)
    work(spool, ARCHIVE)
    put(spool, "x")
    status = spool.ledger.status()
    assert status.owed is not None
    assert status.owed < 0.1
    assert status.problems == []


def test_damage_that_was_noticed_needs_a_person(spool: Spool) -> None:
    with spool._database.writing():
        spool._database.report_damage("3 committed events are missing")
    status = spool.ledger.status()
    assert [what for _, what in status.damage] == ["3 committed events are missing"]
    assert status.problems == ["damage: 3 committed events are missing; see `e3-event fsck`"]


def test_a_disk_that_failed_needs_a_person(spool: Spool) -> None:
    spool._database.break_off("fsync failed")
    try:
        assert any("the disk has failed" in problem for problem in spool.ledger.status().problems)
    finally:
        os.chmod(spool._database.path, 0o600)


def test_dead_letters_that_had_to_make_room_are_counted(tmp_path: Path, clock: Clock) -> None:
    spool = Spool(tmp_path / "spool", clock=clock, max_size=1 << 20)
    spool.register([ARCHIVE])
    fill(spool)
    work(spool, ARCHIVE, State.DEAD)
    for _ in range(100):
        put(spool, "y", padding="y" * 2000)
    assert spool.ledger.status().dropped > 0
