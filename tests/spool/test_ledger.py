"""The ledger: what people find in a spool, and what it says of each event."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from e3_event import Event
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import State
from e3_event.spool._filter import Filter
from e3_event.spool._find import UnknownError
from e3_event.testing import HOSTILE
from spool.worker import Clock, by_name, put, work

ARCHIVE, ONCALL = Key("archive"), Key("oncall")
JOB = Key("file", "3f2a91bc77")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Spool:
    return Spool(tmp_path / "spool", clock=clock)


def names(spool: Spool, limit: int | None = None, **wanted: object) -> list[str]:
    return [hit.name for hit in spool.ledger.events(Filter(**wanted), limit)]  # type: ignore[arg-type]


def data_of(spool: Spool, uid: str) -> dict[str, Any]:
    event = spool.ledger.show(uid).event
    assert event is not None
    return event.as_dict()


def test_events_come_newest_first_and_no_more_than_wanted(spool: Spool) -> None:
    put(spool, *"abcdef")
    assert names(spool) == list("fedcba")
    assert names(spool, 2) == ["f", "e"]


def test_an_empty_spool_has_no_events(spool: Spool) -> None:
    assert names(spool) == []
    assert spool.ledger.newest() == 0
    assert spool.ledger.tail(0) == []
    assert list(spool.ledger.dead()) == []


def test_a_hit_says_what_the_event_is(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 100_000)
    event = Event("build", status="ok")
    event.attach_file(str(tmp_path / "log"))
    snapshot_id = spool.put(event)
    (hit,) = spool.ledger.events()
    assert (hit.uid, hit.snapshot_id, hit.name, hit.status) == (event.uid, snapshot_id, "build", "ok")
    assert hit.put == clock.now
    assert 100_000 < hit.size < 101_000
    assert hit.problem == ""


@pytest.mark.parametrize("wanted", ["nightly-?", "n*", "nightly-[12]", "*ly-2", "[mn]ightly-2", "*2*"])
def test_events_are_found_by_a_glob_on_their_names(spool: Spool, wanted: str) -> None:
    put(spool, "nightly-2", "other", "Nightly-3")
    assert names(spool, name=wanted) == ["nightly-2"]


@pytest.mark.parametrize("name", HOSTILE)
def test_events_of_any_name_are_found_by_it(spool: Spool, name: str) -> None:
    put(spool, "other", name)
    wanted = name.replace("[", "[[]")
    hits = list(spool.ledger.events(Filter(name=wanted)))
    assert len(hits) == (1 if name else 2)  # an empty filter is none
    assert spool.ledger.show(hits[0].uid).event is not None


def test_events_are_found_by_their_status(spool: Spool) -> None:
    put(spool, "a", status="ok")
    put(spool, "b", status="failed")
    put(spool, "c", status="aborted")
    put(spool, "d", log="it failed")
    assert names(spool, status=("failed",)) == ["b"]
    assert names(spool, status=("failed", "aborted")) == ["c", "b"]


@pytest.mark.parametrize("text", ["OUT of", "branch", 'a "quoted"', "C:\\temp", "größe", "\u202e"])
def test_events_are_found_by_text_in_their_data(spool: Spool, text: str) -> None:
    told = {"out": "ran out of disk", "branch": "x", "quote": 'a "quoted" word'}
    odd = {"path": "in C:\\temp", "size": "Die größe", "bidi": "a\u202eb"}
    put(spool, "found", told=told, odd=odd)
    put(spool, "other", error="all is well")
    assert names(spool, text=text) == ["found"]


def test_what_stands_beside_the_data_is_not_their_text(spool: Spool) -> None:
    put(spool, "a")
    assert names(spool, text="closed") == []


def test_events_are_found_by_when_they_were_put(spool: Spool, clock: Clock) -> None:
    for name in "abcd":
        clock.now += 100
        put(spool, name)
    assert names(spool, since=clock.now - 100) == ["d", "c"]
    assert names(spool, since=clock.now + 1) == []


def test_what_was_put_while_the_clock_was_behind_is_found_by_its_time(spool: Spool, clock: Clock) -> None:
    put(spool, "before")
    clock.now -= 50
    put(spool, "behind")
    clock.now += 100
    put(spool, "after")
    assert names(spool, since=clock.now - 60) == ["after", "before"]


def test_events_are_found_by_what_became_of_them(spool: Spool) -> None:
    spool.register([ARCHIVE, ONCALL])
    put(spool, "fine", "retried", "lost", "skipped")
    work(spool, ARCHIVE)
    work(spool, ONCALL, by_name(retried=State.AGAIN, lost=State.DEAD, skipped=State.SKIPPED))
    put(spool, "new")
    assert names(spool, state="waiting") == ["new"]
    assert names(spool, state="again") == ["retried"]
    assert names(spool, state="dead") == ["lost"]
    assert names(spool, state="skipped") == ["skipped"]
    assert names(spool, state="delivered") == ["skipped", "lost", "retried", "fine"]
    assert names(spool, state="delivered", handler="oncall") == ["fine"]
    assert names(spool, state="dead", handler="archive") == []
    assert names(spool, state="none") == []


def test_what_is_owed_to_nobody_is_found(spool: Spool) -> None:
    put(spool, "early")
    spool.register([ARCHIVE])
    put(spool, "job", owed_to=(JOB,))
    put(spool, "configured")
    assert names(spool, state="none") == ["early"]
    assert names(spool, state="none", handler="archive") == ["job", "early"]
    assert names(spool, handler="file") == ["job"]
    assert names(spool, handler="file@3f2") == ["job"]
    assert names(spool, handler="archive") == ["configured"]


def test_a_handler_that_was_never_owed_anything_is_an_error_that_names_those_there_are(spool: Spool) -> None:
    spool.register([ARCHIVE, JOB])
    with pytest.raises(UnknownError, match=r"'archiv'.*archive, file@3f2a91bc"):
        spool.ledger.events(Filter(handler="archiv"))
    with pytest.raises(UnknownError):
        spool.ledger.retry(handler="file@4")


def test_a_search_says_how_far_it_is(spool: Spool) -> None:
    spool.put_many([Event("x") for _ in range(3000)])
    told: list[tuple[int, int]] = []
    assert not list(spool.ledger.events(Filter(name="y"), progress=lambda *far: told.append(far)))
    assert told[-1] == (3000, 3000)
    assert len(told) > 2
    assert told == sorted(told)


def test_sparse_hits_of_every_kind_are_found_among_many(spool: Spool) -> None:
    spool.register([ARCHIVE])
    rare = {7, 4000, 9999}
    spool.put_many([Event("rare" if n in rare else "usual", n=n) for n in range(10_000)])
    work(spool, ARCHIVE, by_name(rare=State.DEAD))
    for wanted in (Filter(name="r*"), Filter(text="RARE"), Filter(state="dead")):
        hits = list(spool.ledger.events(wanted))
        assert [data_of(spool, hit.uid)["n"] for hit in hits] == [9999, 4000, 7]


def test_a_search_that_is_not_ended_keeps_nobody_from_writing(spool: Spool) -> None:
    spool.put_many([Event("x") for _ in range(5000)])
    hits = spool.ledger.events()
    next(hits)
    other = Spool(spool.path, clock=spool.clock)
    other.put_many([Event("y") for _ in range(2000)])
    connection = other._database.connection
    assert connection.wal_checkpoint(mode=1)[0] == connection.wal_checkpoint(mode=1)[1]  # all written back
    assert sum(1 for _ in hits) == 4999


def test_show_tells_all_about_an_event(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    spool.register([ARCHIVE, ONCALL])
    (tmp_path / "small").write_bytes(b"hello")
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    event = Event("build", branch="main")
    for name in ("small", "large"):
        event.attach_file(str(tmp_path / name), name)
    (tmp_path / "small").write_bytes(b"hello!")
    event.close()
    spool.put(event)
    work(spool, ARCHIVE)
    work(spool, ONCALL, State.AGAIN, reason="connection refused")
    shown = spool.ledger.show(event.uid)
    assert shown.event is not None
    assert shown.event.branch == "main"
    assert shown.event.end_time
    assert [
        (one.captured.name, one.captured.size, one.changed, one.problem) for one in shown.attachments
    ] == [
        ("small", 6, True, ""),
        ("large", 100_000, False, ""),
    ]
    archive, oncall = shown.hit.standings
    assert (archive.key, archive.state) == (ARCHIVE, "delivered")
    assert oncall.state == "again"
    assert oncall.delivery is not None
    assert oncall.delivery.reason == "connection refused"
    assert (oncall.delivery.attempts, oncall.delivery.due) == (1, clock.now + 3600)
    for name, content in (("small", b"hello!"), ("large", b"x" * 100_000)):
        with spool.ledger.open(shown, name) as file:
            assert file.read() == content
    with pytest.raises(UnknownError, match="'smal'; it has: small, large"):
        spool.ledger.open(shown, "smal")


def test_show_takes_the_newest_snapshot_of_an_event_and_names_the_others(spool: Spool) -> None:
    event = Event("build", status="running")
    first = spool.put(event)
    event.status = "ok"
    second = spool.put(event)
    shown = spool.ledger.show(event.uid)
    assert [(snapshot_id, status) for snapshot_id, _, status in shown.snapshots] == [
        (second, "ok"),
        (first, "running"),
    ]
    assert shown.hit.status == "ok"
    assert spool.ledger.show(first).hit.status == "running"


def test_an_event_is_found_by_the_beginning_of_an_id(spool: Spool) -> None:
    one, two = (Event("x") for _ in range(2))
    one._data["uid"], two._data["uid"] = "0192-abc", "0192-abd"
    first, second = spool.put(one), spool.put(two)
    ledger = spool.ledger
    assert ledger.show("0192-abc").hit.uid == "0192-abc"
    assert ledger.show("0192-abd").hit.snapshot_id == second
    assert ledger.show(first[:-1]).hit.snapshot_id == first
    with pytest.raises(
        UnknownError, match="'0192' is the beginning of several: 0192-abc, 0192-abd; give more"
    ):
        ledger.show("0192")


def test_a_whole_id_is_never_taken_for_the_beginning_of_another(spool: Spool) -> None:
    for uid in ("build", "build-2"):
        event = Event("x")
        event._data["uid"] = uid
        spool.put(event)
    assert spool.ledger.show("build").hit.uid == "build"


@pytest.mark.parametrize("text", ["", "no-such", "%", "\udcff", "0" * 5000])
def test_an_id_that_is_not_there_is_an_error_that_says_so(spool: Spool, text: str) -> None:
    put(spool, "x")
    with pytest.raises(UnknownError, match=r"no event"):
        spool.ledger.show(text)


@pytest.mark.parametrize("uid", [text for text in HOSTILE if text])
def test_events_of_any_uid_are_shown(spool: Spool, uid: str) -> None:
    event = Event("x")
    event._data["uid"] = uid
    spool.put(event)
    (hit,) = spool.ledger.events()
    assert spool.ledger.show(uid).hit == hit


def test_an_old_snapshot_is_found_by_its_id(spool: Spool) -> None:
    first = spool.put(Event("first"))
    spool.put_many([Event("x") for _ in range(1000)])
    assert spool.ledger.show(first).hit.name == "first"
    assert spool.ledger.show(first[:-1]).hit.name == "first"
    assert spool.ledger.deliveries_of(first) == []


def test_the_deliveries_of_a_snapshot_are_those_of_its_audience(spool: Spool) -> None:
    spool.register([ARCHIVE, ONCALL])
    configured = spool.put(Event("x"))
    own = spool.put(Event("y"), owed_to=(JOB,))
    work(spool, ARCHIVE)
    assert [(one.key, one.state) for one in spool.ledger.deliveries_of(configured)] == [
        (ARCHIVE, "delivered"),
        (ONCALL, "waiting"),
    ]
    (job,) = spool.ledger.deliveries_of(own)
    assert (job.key, job.state, job.delivery) == (JOB, "waiting", None)
    with pytest.raises(UnknownError):
        spool.ledger.deliveries_of("no-such")


def test_a_delivery_that_is_out_is_told_from_one_that_only_waits(spool: Spool) -> None:
    (number,) = spool.register([ARCHIVE])
    first, second = spool.put(Event("x")), spool.put(Event("y"))
    queue = spool.queue(number)
    assert queue.acquire()
    queue.turn([], 1)
    assert [spool.ledger.deliveries_of(put)[0].is_out for put in (first, second)] == [True, False]
    queue.release()
    assert [spool.ledger.deliveries_of(put)[0].is_out for put in (first, second)] == [False, False]


def test_tail_gives_what_came_after(spool: Spool) -> None:
    put(spool, "a")
    after = spool.ledger.newest()
    put(Spool(spool.path, clock=spool.clock), "b", "c")
    hits = spool.ledger.tail(after)
    assert [hit.name for hit in hits] == ["b", "c"]
    assert [hit.name for hit in spool.ledger.tail(after, 1)] == ["b"]
    assert spool.ledger.tail(hits[-1].seq) == []


def test_dead_letters_are_listed_with_their_reasons(spool: Spool) -> None:
    spool.register([ARCHIVE, ONCALL])
    uids = put(spool, "a", "b")
    work(spool, ARCHIVE, State.DEAD, reason="no such bucket")
    work(spool, ONCALL, by_name(b=State.DEAD), reason="no such address")
    letters = [(one.hit.name, one.standing.key.name) for one in spool.ledger.dead()]
    assert letters == [("b", "archive"), ("b", "oncall"), ("a", "archive")]
    (letter,) = spool.ledger.dead(handler="oncall")
    assert letter.standing.delivery is not None
    assert letter.standing.delivery.reason == "no such address"
    assert [one.hit.name for one in spool.ledger.dead(event=uids[0])] == ["a"]
    assert [one.hit.name for one in spool.ledger.dead(since=spool.clock() + 1)] == []


def test_threads_may_share_a_ledger(spool: Spool) -> None:
    spool.put_many([Event("x") for _ in range(2000)])
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(sum(1 for _ in spool.ledger.events())))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counts == [2000] * 4


def test_the_newest_of_a_hundred_thousand_are_found_without_looking_at_the_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "many")
    spool.register([ARCHIVE])
    for _ in range(20):
        spool.put_many([Event("x", status="ok") for _ in range(5000)])
    told: list[tuple[int, int]] = []
    for wanted in (
        Filter(),
        Filter(name="x"),
        Filter(state="waiting"),
        Filter(since=1.0),
        Filter(status=("ok",)),
    ):
        told.clear()
        hits = list(spool.ledger.events(wanted, 20, progress=lambda *far: told.append(far)))
        assert len(hits) == 20
        assert not told or told[-1][0] < 1000
