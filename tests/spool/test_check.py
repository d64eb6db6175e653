"""What a check of a spool finds, and that it changes nothing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from faults.damage import digests, edit, flip, kinds, rows
from faults.stock import Stock

from e3_event import Event
from e3_event._errors import SpoolError
from e3_event.spool import Key, Spool
from e3_event.spool._check import check
from e3_event.spool._deliveries import State
from e3_event.spool._fsck._findings import Kind
from e3_event.spool._fsck._remains import OLD
from e3_event.spool._schema import MIGRATIONS


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    return Stock(tmp_path)


@pytest.fixture
def closed(stock: Stock) -> Path:
    stock.close()
    return stock.path


def test_a_spool_in_use_is_sound(stock: Stock) -> None:
    states = {state for (state,) in rows(stock.path, "SELECT DISTINCT state FROM delivery")}
    assert states >= {State.AGAIN, State.DEAD, State.DELIVERED, State.SKIPPED}
    assert check(stock.spool) == []


def test_a_check_changes_nothing(stock: Stock, tmp_path: Path) -> None:
    copy = stock.copy(tmp_path / "copy")
    edit(copy, "UPDATE event SET put = put + 1 WHERE seq = 5")
    (copy / "blobs" / "left").mkdir()
    before = digests(copy)
    assert kinds(check(copy)) == {Kind.EVENT}
    assert digests(copy) == before


DAMAGE: dict[str, tuple[Kind, str]] = {
    "the text of an event": (Kind.EVENT, "UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = 5"),
    "the time of an event": (Kind.EVENT, "UPDATE event SET put = put + 1 WHERE seq = 5"),
    "whom an event is owed to": (Kind.EVENT, "UPDATE event SET audience = 0 WHERE seq = 6"),
    "that nobody is owed an event": (Kind.EVENT, "UPDATE event SET audience = -1 WHERE seq = 6"),
    "an id": (Kind.EVENT, "UPDATE event SET snapshot_id = replace(snapshot_id, '-', '+') WHERE seq = 5"),
    "a small attachment": (Kind.EVENT, "UPDATE attachment SET content = x'00' WHERE seq = 10 AND place = 0"),
    "a small attachment that is gone": (Kind.EVENT, "DELETE FROM attachment WHERE seq = 10"),
    "a small attachment of no event": (Kind.ATTACHMENT, "INSERT INTO attachment VALUES (999, 0, x'00')"),
    "an event that is gone": (Kind.MISSING, "DELETE FROM event WHERE seq = 33"),
    "what became of a delivery": (Kind.DELIVERY, "UPDATE delivery SET state = 7 - state WHERE seq = 9"),
    "when a delivery is due": (Kind.DELIVERY, "UPDATE delivery SET due = 1e12 WHERE seq = 3"),
    "a delivery of no event": (Kind.DELIVERY, "DELETE FROM event WHERE seq = 3"),
    "a delivery that is gone": (Kind.UNKNOWN, "DELETE FROM delivery WHERE seq = 3"),
    "how far a handler has come": (
        Kind.HANDLER, "UPDATE subscription SET lane = CAST(replace(lane, 'cur', 'cir') AS BLOB) WHERE id = 1"
    ),
    "since when a handler is owed": (Kind.HANDLER, "UPDATE subscription SET since = 7 WHERE id = 1"),
    "the name of a handler": (Kind.HANDLER, "UPDATE subscription SET name = 'male' WHERE id = 2"),
    "an audience": (Kind.AUDIENCE, "UPDATE audience SET members = '[1]' WHERE id = 1"),
    "how much attachments take": (Kind.TOTALS, "UPDATE spool SET blob_bytes = 7"),
    "which spool it is": (Kind.TOTALS, "UPDATE spool SET id = 'x'"),
    "how many events are gone": (Kind.TOTALS, "UPDATE spool SET gone = 7"),
    "what was noted": (Kind.LOST, "INSERT INTO damage VALUES (NULL, 0, 'something')"),
    "the schema": (
        Kind.DATABASE,
        "UPDATE sqlite_schema SET sql = replace(sql, '<= 3', '<= 7') WHERE name = 'delivery_open'",
    ),
    "the version": (Kind.DATABASE, "PRAGMA user_version = 0"),
    "whose database it is": (Kind.DATABASE, "PRAGMA application_id = 7"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_to_a_row_is_found(closed: Path, what: str) -> None:
    kind, statement = DAMAGE[what]
    edit(closed, statement)
    assert kind in kinds(check(closed))


def test_a_damaged_page_is_found_and_the_rest_looked_at(closed: Path) -> None:
    (root,) = rows(closed, "SELECT rootpage FROM sqlite_schema WHERE name = 'delivery'")[0]
    flip(closed / "spool.db", (root - 1) * 4096)
    edit_of_event = rows(closed, "SELECT count(*) FROM event")
    assert edit_of_event == [(60,)]
    found = check(closed)
    assert Kind.DATABASE in kinds(found)
    assert not any(finding.kind is Kind.EVENT for finding in found)


@pytest.mark.parametrize(
    "content", [b"", b"no database" * 1000, b"\0" * 8192], ids=["empty", "text", "zeros"]
)
def test_what_is_no_database_is_a_finding(closed: Path, content: bytes) -> None:
    (closed / "spool.db").write_bytes(content)
    assert kinds(check(closed)) >= {Kind.DATABASE}


@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_damaged_attachment_is_found(closed: Path, how: str) -> None:
    blob = next((closed / "blobs").glob("*/large"))
    if how == "changed":
        flip(blob, 20_000, 3)
    elif how == "cut":
        os.truncate(blob, 39_999)
    else:
        blob.unlink()
    (found,) = check(closed)
    assert found.kind is Kind.EVENT
    assert "'large'" in found.what
    assert str(blob) in found.what


def age(path: Path) -> None:
    """Make a folder look as if it had been there for long."""
    then = time.time() - OLD - 60
    os.utime(path, (then, then))


@pytest.mark.parametrize("name", ["0198", "0198.ab12.tmp"])
def test_remains_are_found_once_nobody_can_be_about_to_use_them(
    closed: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (closed / "blobs" / name).mkdir()
    assert check(closed) == []  # a put may be under way
    now = time.time()
    monkeypatch.setattr("e3_event.spool._fsck._remains.time.time", lambda: now + OLD + 60)
    (found,) = check(closed)
    assert (found.kind, found.key) == (Kind.REMAINS, (name,))


def test_a_mark_above_the_newest_event_is_found(closed: Path) -> None:
    edit(closed, "DELETE FROM event WHERE seq > 50", "UPDATE spool SET gone = 0")
    found = check(closed)
    assert any("51 to 60" in finding.what for finding in found if finding.kind is Kind.LOST)


def test_a_damaged_mark_is_found_and_an_absent_one_is_none(closed: Path) -> None:
    flip(closed / "spool.mark", 3)
    assert kinds(check(closed)) == {Kind.MARK}
    (closed / "spool.mark").unlink()
    assert check(closed) == []


def test_a_spool_that_was_taken_out_of_use_is_a_finding(stock: Stock) -> None:
    stock.spool._database.break_off("fsync failed")
    (found,) = check(stock.path)
    assert found.kind is Kind.DISK
    assert "fsync failed" in found.what


def test_a_newer_spool_is_refused_and_not_touched(stock: Stock, tmp_path: Path) -> None:
    newer = len(MIGRATIONS) + 1
    stock.spool._database.connection.execute(
        f"ALTER TABLE event ADD more INTEGER; PRAGMA user_version = {newer}"
    )
    copy = stock.copy(tmp_path / "copy")
    before = digests(copy)
    for repair in (False, True):
        with pytest.raises(SpoolError, match=f"schema {newer} is newer"):
            check(copy, repair=repair)
    with pytest.raises(SpoolError, match=f"schema {newer} is newer"):
        Spool(copy)
    assert digests(copy) == before


def test_without_a_spool_there_is_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="there is no spool"):
        check(tmp_path)
    assert not list(tmp_path.iterdir())


def test_others_can_work_meanwhile_and_their_work_is_no_finding(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", max_size=1 << 20)  # so small that events go while it is checked
    (tmp_path / "log").write_bytes(b"l" * 40_000)
    spool.register([Key("h")])
    stop = threading.Event()
    failed: list[BaseException] = []

    def put() -> None:
        try:
            while not stop.is_set():
                event = Event("x", padding="y" * 500)
                event.attach_file(tmp_path / "log")
                spool.put_many([event, Event("y")], owed_to=[Key("once", "f0")])
                spool.ledger.forget("once")
        except BaseException as error:
            failed.append(error)

    writer = threading.Thread(target=put)
    writer.start()
    until = time.monotonic() + 60
    try:
        while rows(tmp_path / "spool", "SELECT gone < 50 FROM spool") == [(1,)]:
            assert check(spool) == []
            assert not failed
            assert time.monotonic() < until
    finally:
        stop.set()
        writer.join()
    assert not failed


def test_a_long_look_does_not_let_the_log_grow_over_its_cap(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("e3_event.spool._check._LOG_CAP", 0)
    monkeypatch.setattr("e3_event.spool._check._LOG_MORE", 4096)
    monkeypatch.setattr("e3_event.spool._check._OPS", 10)
    sizes = iter(range(8192, 1 << 30, 8192))
    monkeypatch.setattr("e3_event.spool._check.os.path.getsize", lambda path: next(sizes))
    with pytest.raises(SpoolError, match="try later"):
        check(stock.path)


def test_progress_is_told(closed: Path) -> None:
    told: list[tuple[str, int, int]] = []
    check(closed, progress=lambda *step: told.append(step))
    assert {what for what, _, _ in told} >= {"events", "deliveries", "accounts"}
    assert all(0 <= done <= total for _, done, total in told)


def test_a_database_that_was_cut_is_found(closed: Path) -> None:
    os.truncate(closed / "spool.db", (closed / "spool.db").stat().st_size - 4096)
    assert Kind.DATABASE in kinds(check(closed))


def test_a_cut_within_a_page_does_not_keep_the_check_from_its_end(closed: Path) -> None:
    """What is missing of the last page reads as zeros: rows that all have the number 0."""
    size = (closed / "spool.db").stat().st_size
    for missing in range(100, 4096, 300):
        os.truncate(closed / "spool.db", size - missing)
        assert check(closed)
