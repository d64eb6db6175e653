"""The ledger of a spool that is damaged: what is damaged is shown as such, and the rest as ever."""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path

import pytest

from e3_event import Event
from e3_event._errors import SpoolError
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import State
from e3_event.spool._events import CONFIGURED, stand_in
from e3_event.spool._filter import Filter
from e3_event.spool._find import UnknownError
from spool.worker import flip, put, work

ARCHIVE, ONCALL = Key("archive"), Key("oncall")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.register([ARCHIVE, ONCALL])
    return spool


def execute(spool: Spool, sql: str, *values: object) -> None:
    """Damage a record behind the back of the code that checks it."""
    with spool._database.writing() as connection:
        connection.execute(sql, values)


def test_an_event_whose_bits_have_changed_is_shown_as_damaged(spool: Spool) -> None:
    put(spool, "fine")
    put(spool, "hit", word="unmistakable")
    flip(spool, b"unmistakable")
    fine = Spool(spool.path)
    hits = {hit.name: hit.problem for hit in fine.ledger.events()}
    assert hits == {"fine": "", "hit": "damaged: its checksum does not fit"}
    shown = fine.ledger.show(next(fine.ledger.events()).uid)
    assert shown.hit.problem
    assert shown.event is not None  # what can be read is shown


def test_an_event_whose_data_are_no_json_is_shown_as_damaged(spool: Spool) -> None:
    (uid,) = put(spool, "x")
    execute(spool, "UPDATE event SET body = x'ff00'")
    (hit,) = spool.ledger.events()
    assert hit.problem == "damaged: its data can't be read"
    assert (hit.uid, hit.name) == (uid, "")
    assert spool.ledger.show(uid).event is None
    assert list(spool.ledger.events(Filter(name="x"))) == []


@pytest.mark.parametrize("column", ["uid", "snapshot_id"])
def test_an_event_whose_id_is_no_text_does_not_hide_the_others(spool: Spool, column: str) -> None:
    put(spool, "a", "b", "c")
    execute(spool, f"UPDATE event SET {column} = CAST(x'ff41' AS TEXT) WHERE seq = 2")
    hits = list(spool.ledger.events())
    assert [hit.name for hit in hits] == ["c", "", "a"]
    assert hits[1].problem == "what is stored of event 2 can't be read"
    assert [hit.name for hit in spool.ledger.tail(0)] == ["a", "", "c"]


def test_a_search_for_an_id_that_meets_a_damaged_one_says_so(spool: Spool) -> None:
    put(spool, "a")
    execute(spool, "UPDATE event SET uid = CAST(x'308041' AS TEXT)")
    with pytest.raises(SpoolError, match=r"a record is damaged .*; run `e3-event fsck`"):
        spool.ledger.show("0")


def test_a_decision_on_a_record_that_can_not_be_read_says_so(spool: Spool) -> None:
    (uid,) = put(spool, "a")
    work(spool, ARCHIVE, State.DEAD)
    execute(spool, "UPDATE delivery SET reason = CAST(x'ff' AS TEXT)")
    with pytest.raises(SpoolError, match=r"a record is damaged .*; run `e3-event fsck`"):
        spool.ledger.retry(event=uid)


def test_an_event_that_was_moved_into_quarantine_is_shown_as_such(spool: Spool) -> None:
    (uid,) = put(spool, "a")
    with spool._database.writing() as connection:
        stand_in(connection, 1, uid, "x", CONFIGURED, 0.0)
    (hit,) = spool.ledger.events()
    assert hit.problem == "it was lost, or found damaged and moved into quarantine"
    assert spool.ledger.show(uid).event is None


def test_events_of_a_damaged_page_are_shown_as_unreadable_and_the_others_as_ever(spool: Spool) -> None:
    spool.put_many([Event(f"event-{n}") for n in range(2000)])
    spool._database.connection.wal_checkpoint(mode=3)
    path = Path(spool.path, "spool.db")
    content = path.read_bytes()
    page = content.index(b'"name":"event-1000"') // 4096 * 4096
    with path.open("r+b") as file:
        file.seek(page)
        file.write(b"\xff" * 100)  # the head of the page, which says where its rows lie
    damaged = Spool(spool.path)
    hits = list(damaged.ledger.events())
    unreadable = [hit for hit in hits if hit.problem]
    assert len(unreadable) == 1
    assert "can't be read" in unreadable[0].problem
    assert len(hits) > 1950
    names = [hit.name for hit in hits]
    assert names[0] == "event-1999"
    assert names[-1] == "event-0"
    assert "event-1000" not in names
    found = [hit.name for hit in damaged.ledger.events(Filter(name="event-19*")) if not hit.problem]
    assert len(found) == 111
    status = damaged.ledger.status()
    assert of(status.problems, "can't be read")


def test_a_search_gives_up_where_nothing_can_be_read_for_long(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("e3_event.spool._search._TRIES", 10)
    spool.put_many([Event(f"event-{n}", padding="x" * 500) for n in range(1000)])
    spool._database.connection.wal_checkpoint(mode=3)
    path = Path(spool.path, "spool.db")
    content = path.read_bytes()
    with path.open("r+b") as file:
        for n in range(900):
            file.seek(content.rindex(b'"name":"event-%d"' % n) // 4096 * 4096)
            file.write(b"\xff" * 100)
    hits = list(Spool(spool.path).ledger.events())
    assert hits[0].name == "event-999"
    assert hits[-1].problem.startswith("what is stored of events 1 to ")


def of(problems: list[str], text: str) -> list[str]:
    return [problem for problem in problems if text in problem]


def test_a_damaged_subscription_is_shown_as_such(spool: Spool) -> None:
    (uid,) = put(spool, "x")
    execute(spool, "UPDATE subscription SET checksum = checksum + 1 WHERE name = 'oncall'")
    states = {one.key.name: one.state for one in spool.ledger.show(uid).hit.standings}
    assert states == {"archive": "waiting", "oncall": "unknown"}
    status = spool.ledger.status()
    assert [one.problem != "" for one in status.subscriptions] == [False, True]
    assert of(status.problems, "oncall: its record is damaged; run `e3-event fsck --repair`")
    for state in ("waiting", "delivered", "dead", "none"):
        assert len(list(spool.ledger.events(Filter(state=state)))) == (state == "waiting")
    assert list(spool.ledger.dead()) == []
    with pytest.raises(SpoolError, match="fsck --repair"):
        spool.ledger.forget("oncall")
    with pytest.raises(SpoolError, match="fsck --repair"):
        spool.ledger.replay("oncall", 0.0)


def test_a_damaged_delivery_is_one_to_be_tried_again(spool: Spool) -> None:
    (uid,) = put(spool, "x")
    work(spool, ARCHIVE, State.DEAD)
    execute(spool, "UPDATE delivery SET attempts = 77")
    (archive, _) = spool.ledger.show(uid).hit.standings
    assert archive.state == "again"
    assert archive.delivery is not None
    assert archive.delivery.reason == "its record is damaged"


def test_a_delivery_that_can_not_be_read_is_unknown_and_hides_no_other(spool: Spool) -> None:
    put(spool, "a", "b")
    work(spool, ARCHIVE, State.DEAD)
    execute(spool, "UPDATE delivery SET reason = CAST(x'ff' AS TEXT) WHERE seq = 1")
    states = {
        hit.name: [one.state for one in hit.standings if one.key == ARCHIVE] for hit in spool.ledger.events()
    }
    assert states == {"a": ["unknown"], "b": ["dead"]}


def test_an_audience_that_is_gone_is_damage(spool: Spool) -> None:
    spool.put(Event("x"), owed_to=(Key("file", "12"),))
    execute(spool, "DELETE FROM audience WHERE id > 0")
    (hit,) = Spool(spool.path).ledger.events()
    assert hit.problem
    assert hit.standings == ()


def test_attachments_that_are_missing_or_damaged_are_shown_as_such(spool: Spool, tmp_path: Path) -> None:
    event = Event("x")
    for name, size in (("small", 10), ("gone", 50_000), ("short", 50_000), ("other", 50_000)):
        (tmp_path / name).write_bytes(b"x" * size)
        event.attach_file(str(tmp_path / name), name)
    folder = os.path.join(spool.path, "blobs", spool.put(event))
    os.unlink(os.path.join(folder, "gone"))
    os.truncate(os.path.join(folder, "short"), 7)
    Path(folder, "other").write_bytes(b"y" * 50_000)
    execute(spool, "UPDATE attachment SET content = x'00'")
    shown = spool.ledger.show(event.uid)
    assert {one.captured.name: one.problem for one in shown.attachments} == {
        "small": "",
        "gone": "missing",
        "short": "damaged: it has 7 bytes",
        "other": "",
    }
    assert shown.hit.problem == "damaged: its checksum does not fit"
    for name in ("small", "gone", "short", "other"):
        with pytest.raises(OSError, match=r"damaged|No such file"):
            spool.ledger.open(shown, name)


def test_any_single_bit_that_changes_raises_nothing_but_our_errors(tmp_path: Path) -> None:
    """Flip bits all over a small database: every query answers, or says that the spool can't be used."""
    spool = Spool(tmp_path / "spool")
    spool.register([ARCHIVE, ONCALL])
    put(spool, *(f"event-{n}" for n in range(30)))
    spool.put(Event("job"), owed_to=(Key("file", "12"),))
    work(spool, ARCHIVE, State.DEAD)
    spool._database.connection.wal_checkpoint(mode=3)
    spool.close()
    path = Path(spool.path, "spool.db")
    whole = path.read_bytes()
    chosen = random.Random(7)
    for _ in range(150):
        content = bytearray(whole)
        content[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        path.write_bytes(content)
        try:
            damaged = Spool(spool.path)
        except SpoolError:
            continue
        try:
            look_everywhere(damaged)
        except SpoolError:
            pass
        finally:
            damaged.close()
            for name in ("spool.db-wal", "spool.db-shm", "spool.mark"):
                Path(spool.path, name).unlink(missing_ok=True)


def look_everywhere(spool: Spool) -> None:
    ledger = spool.ledger
    hits = list(ledger.events())
    for state in ("waiting", "dead", "delivered", "none"):
        list(ledger.events(Filter(state=state)))
    list(ledger.events(Filter(name="event-1*", text="event")))
    list(ledger.dead())
    ledger.tail(0)
    ledger.status()
    for hit in hits[:3]:
        if hit.uid:
            with contextlib.suppress(UnknownError):  # where its uid is damaged, the index has the right one
                ledger.show(hit.uid)
