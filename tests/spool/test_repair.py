"""What a repair makes of a damaged spool: the intact stays, and what is owed comes or is a dead letter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import apsw
import pytest
from faults.damage import digests, edit, flip, kinds, repaired, rows
from faults.stock import CHAT, MAIL, Stock

from e3_event import Event
from e3_event._errors import SpoolError
from e3_event.spool import Key, Spool
from e3_event.spool._check import check
from e3_event.spool._events import AWAY
from e3_event.spool._fsck._findings import Kind
from e3_event.spool._fsck._remains import OLD


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    return Stock(tmp_path)


@pytest.fixture
def closed(stock: Stock) -> Path:
    stock.close()
    return stock.path


def letters(path: Path, seq: int) -> dict[int, str]:
    """Why an event was given up, by the ids of its subscriptions."""
    sql = "SELECT subscription, reason FROM delivery WHERE seq = ? AND state = 3"
    return dict(rows(path, sql, seq))


def root(path: Path, name: str) -> int:
    """Where the root page of a table or index lies in the file."""
    ((page,),) = rows(path, "SELECT rootpage FROM sqlite_schema WHERE name = ?", name)
    return int(page - 1) * 4096


def written_back(stock: Stock) -> Path:
    """Write all of the log into the database; return where that lies."""
    stock.spool._database.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    return stock.path / "spool.db"


def all_arrive(stock: Stock, owed: set[tuple[int, int]], *, dead: int = 0) -> None:
    """All that is owed is delivered, but for a number of dead letters, and nothing comes that should not."""
    given_up = set(rows(stock.path, "SELECT seq, subscription FROM delivery WHERE state = 3")) & owed
    delivered = stock.deliver(stock.path)
    assert not delivered.wrong
    assert owed - delivered.came.keys() == given_up | delivered.dead
    assert len(given_up | delivered.dead) == dead


def test_a_sound_spool_stays_as_it_is(closed: Path) -> None:
    before = digests(closed)
    assert check(closed, repair=True) == []
    assert digests(closed) == before


def test_a_damaged_event_goes_into_quarantine_and_its_audience_gets_dead_letters(
    stock: Stock, closed: Path
) -> None:
    owed = stock.owed
    body = rows(closed, "SELECT body FROM event WHERE seq = 57")[0][0] + b" "
    edit(closed, "UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = 57")
    (found,) = repaired(closed)
    assert found.kind is Kind.EVENT
    place = closed / "quarantine" / "event-57"
    assert (place / "body").read_bytes() == body
    assert json.loads((place / "record.json").read_text())["seq"] == 57
    assert letters(closed, 57).keys() == {stock.ids[MAIL], stock.ids[CHAT]}
    assert all("quarantine/event-57" in reason for reason in letters(closed, 57).values())
    all_arrive(stock, owed, dead=2)


def test_an_event_with_a_damaged_attachment_goes_there_with_all_its_attachments(
    stock: Stock, closed: Path
) -> None:
    owed = stock.owed
    seq = 46  # it has a small one, too
    ((snapshot_id,),) = rows(closed, "SELECT snapshot_id FROM event WHERE seq = ?", seq)
    blob = closed / "blobs" / snapshot_id / "large"
    flip(blob, 1000)
    content = blob.read_bytes()
    repaired(closed)
    place = closed / "quarantine" / f"event-{seq}"
    assert (place / "blobs" / "large").read_bytes() == content
    assert (place / "attachment-0").read_bytes() == b"s" * 900
    assert not blob.parent.exists()
    all_arrive(stock, owed, dead=len(letters(closed, seq).keys() & {number for _, number in owed}))


def test_a_dead_letter_of_what_is_in_quarantine_can_be_requeued_and_tells_so_again(
    stock: Stock, closed: Path
) -> None:
    edit(closed, "UPDATE event SET put = put + 1 WHERE seq = 57")
    repaired(closed)
    spool = Spool(closed)
    assert spool.ledger.retry(handler="chat", dead_only=True) == {"chat@a1": 1}
    spool.close()
    assert stock.deliver(closed).dead == {(57, stock.ids[CHAT])}
    assert letters(closed, 57)[stock.ids[CHAT]] == AWAY


def test_whom_an_event_is_owed_to_is_told_by_its_checksum(stock: Stock, closed: Path) -> None:
    owed = stock.owed
    edit(closed, "UPDATE event SET audience = -1 WHERE seq = 57")
    (found,) = repaired(closed)
    assert "put right" in found.done
    all_arrive(stock, owed)


def test_a_damaged_state_of_a_handler_is_made_again_without_loss_or_repetition(
    stock: Stock, closed: Path
) -> None:
    owed = stock.owed
    edit(closed, "UPDATE subscription SET lane = CAST(lane || ' ' AS BLOB) WHERE id IN (1, 2)")
    assert kinds(repaired(closed)) == {Kind.HANDLER}
    delivered = stock.deliver(closed)
    assert delivered.came == dict.fromkeys(owed, 1)


def test_a_handler_that_came_late_is_not_owed_what_was_before(stock: Stock, closed: Path) -> None:
    spool = Spool(closed)
    (number,) = spool.register([Key("late")])
    new = spool.put(Event("x"))
    spool.close()
    edit(closed, f"UPDATE subscription SET lane = CAST(lane || ' ' AS BLOB) WHERE id = {number}")
    repaired(closed)
    queue = Spool(closed).queue(number)
    assert queue.acquire()
    assert [one.snapshot and one.snapshot.snapshot_id for one in queue.turn([], 100)] == [new]


def test_a_damaged_delivery_is_tried_again(stock: Stock, closed: Path) -> None:
    owed = stock.owed
    ((seq,),) = rows(closed, "SELECT min(seq) FROM delivery WHERE state = 4 AND subscription = 1")
    edit(closed, f"UPDATE delivery SET state = 5 WHERE seq = {seq}")
    repaired(closed)
    all_arrive(stock, owed | {(seq, 1)})


def test_a_delivery_of_which_nothing_is_known_is_tried_again(stock: Stock, closed: Path) -> None:
    owed = stock.owed
    ((seq,),) = rows(closed, "SELECT min(seq) FROM delivery WHERE state = 4 AND subscription = 1")
    edit(closed, f"DELETE FROM delivery WHERE seq = {seq}")
    assert kinds(repaired(closed)) == {Kind.UNKNOWN}
    all_arrive(stock, owed | {(seq, 1)})


def test_a_delivery_that_names_a_stranger_never_goes_there(stock: Stock, closed: Path) -> None:
    owed = stock.owed
    ((seq,),) = rows(closed, "SELECT min(seq) FROM delivery WHERE state = 2 AND subscription = 1")
    edit(closed, f"UPDATE delivery SET subscription = 3 WHERE seq = {seq} AND subscription = 1")
    delivered = stock.deliver(closed)  # a relay, before anybody has checked
    assert not delivered.wrong
    assert owed - delivered.came.keys() == {(seq, 1)}
    found = repaired(closed)
    assert any("wrong handler" in finding.what for finding in found)
    assert stock.deliver(closed, 5000).came == {(seq, 1): 1}


def test_a_handler_of_which_only_the_index_knows_the_name_is_called_by_it(stock: Stock, closed: Path) -> None:
    """Where the length of its name is damaged, nothing behind it can be read as it was."""
    owed = stock.owed
    lengths = (closed / "spool.db").read_bytes().index(b"\x00\x1b\x0d", root(closed, "subscription"))
    flip(closed / "spool.db", lengths + 1, 1)
    repaired(closed)
    assert rows(closed, "SELECT name FROM subscription WHERE id = 1") == [("archive",)]
    delivered = stock.deliver(closed)
    assert not delivered.wrong
    assert owed <= delivered.came.keys()


def test_a_log_that_has_all_there_is_is_not_overwritten_where_its_head_is_damaged(
    stock: Stock, tmp_path: Path
) -> None:
    owed, copy = stock.owed, stock.copy(tmp_path / "copy")
    flip(copy / "spool.db-wal", 18)
    before = digests(copy)
    with pytest.raises(SpoolError, match="fsck --repair"):
        Spool(copy)
    assert digests(copy) == before
    repaired(copy)
    delivered = stock.deliver(copy)
    assert not delivered.wrong
    assert delivered.came == dict.fromkeys(owed, 1)


def test_an_event_in_quarantine_can_not_be_read_and_that_is_said(stock: Stock, closed: Path) -> None:
    edit(closed, "UPDATE event SET put = put + 1 WHERE seq = 57")
    repaired(closed)
    with pytest.raises(SpoolError, match="moved into quarantine"):
        Spool(closed).read(stock.snapshots[56])


def test_what_can_not_be_used_as_it_is_damaged_names_the_remedy(closed: Path) -> None:
    flip(closed / "spool.db", root(closed, "event"), 2)
    with pytest.raises(SpoolError, match=r"malformed; run `e3-event fsck --repair`"):
        Spool(closed).put(Event("x"))


def test_an_audience_is_read_from_its_index(stock: Stock, closed: Path) -> None:
    owed = stock.owed
    page = root(closed, "audience")
    flip(closed / "spool.db", (closed / "spool.db").read_bytes().index(b"[2,3]", page) + 1, 1)
    delivered = stock.deliver(closed)  # nobody notices
    assert not delivered.wrong
    assert delivered.came == dict.fromkeys(owed, 1)
    assert Kind.AUDIENCE in kinds(check(closed))
    repaired(closed)
    assert rows(closed, "SELECT members FROM audience WHERE id = 2") == [("[2,3]",)]


def test_events_of_an_audience_that_nobody_knows_any_more_are_dead_letters_for_all(
    stock: Stock, closed: Path
) -> None:
    owed = stock.owed
    for bit, name in enumerate(("audience", "sqlite_autoindex_audience_1")):
        page = root(closed, name)
        flip(closed / "spool.db", (closed / "spool.db").read_bytes().index(b"[2,3]", page) + 1, bit)
    repaired(closed)
    delivered = stock.deliver(closed)
    assert not delivered.wrong
    lost = owed - delivered.came.keys()
    assert {seq for seq, _ in lost} == {seq for seq, number in owed if number == stock.ids[CHAT]}
    assert all(number in letters(closed, seq) for seq, number in lost)


@pytest.mark.parametrize(
    "name", ["event", "delivery", "subscription", "audience", "attachment", "sqlite_autoindex_event_1"]
)
@pytest.mark.parametrize("place", [0, 4, 9], ids=["kind", "count", "pointer"])
def test_a_database_with_a_damaged_tree_is_built_anew_of_its_pages(
    stock: Stock, closed: Path, name: str, place: int
) -> None:
    owed = stock.owed
    old = (closed / "spool.db").stat()
    page = root(closed, name)
    is_inner = (closed / "spool.db").read_bytes()[page] in (2, 5)
    flip(closed / "spool.db", page + place + 4 * (is_inner and place == 9), 2)
    damaged = (closed / "spool.db").read_bytes()
    found = repaired(closed)
    assert Kind.DATABASE in kinds(found)
    (kept,) = closed.glob("spool.db.damaged-*")
    assert kept.read_bytes() == damaged
    assert (closed / "spool.db").stat().st_ino != old.st_ino
    assert (closed / "spool.db").stat().st_mode & 0o777 == 0o600
    given_up = set(rows(closed, "SELECT seq, subscription FROM delivery WHERE state = 3")) & owed
    delivered = stock.deliver(closed)
    assert not delivered.wrong
    assert owed - delivered.came.keys() == given_up
    assert len({seq for seq, _ in given_up}) <= 1  # the one in whose cell the bit is


@pytest.mark.parametrize("content", [b"", b"no database", b"\0" * 8192], ids=["empty", "text", "zeros"])
def test_a_lost_database_says_how_many_events_are_lost_and_gives_no_number_again(
    closed: Path, content: bytes
) -> None:
    (closed / "spool.db").write_bytes(content)
    found = repaired(closed)
    assert any("1 to 60" in finding.what for finding in found)
    spool = Spool(closed)
    spool.put(Event("x"))
    assert spool.ledger.newest() == 61


def test_an_event_without_a_trace_is_a_dead_letter_for_whoever_was_owed_it(
    stock: Stock, closed: Path
) -> None:
    owed = stock.owed
    edit(closed, "DELETE FROM event WHERE seq IN (53, 54)")
    (found,) = repaired(closed)
    assert found.kind is Kind.MISSING
    assert "2 of the events" in found.what
    assert (53, 1) in owed
    assert letters(closed, 53) == dict.fromkeys(stock.ids.values(), AWAY)
    all_arrive(stock, owed, dead=2)


def test_remains_are_removed_but_kept_where_events_are_lost(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.time() + OLD + 60
    monkeypatch.setattr("e3_event.spool._fsck._remains.time.time", lambda: later)
    for name in ("0198", "0198.ab.tmp"):
        (closed / "blobs" / name).mkdir()
    repaired(closed)
    assert not (closed / "quarantine").exists()
    (closed / "blobs" / "0199").mkdir()
    (closed / "blobs" / "0199" / "log").write_bytes(b"x")
    edit(closed, "INSERT INTO damage VALUES (NULL, 0, 'events are missing')")
    repaired(closed)
    assert (closed / "quarantine" / "0199" / "log").read_bytes() == b"x"


def test_a_put_whose_attachments_were_taken_for_remains_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool")
    (tmp_path / "log").write_bytes(b"l" * 40_000)
    event = Event("x")
    event.attach_file(tmp_path / "log")
    snapshot = event.snapshot()
    write = spool._commits._write

    def sleep_for_hours(items: object) -> None:
        now = time.time()
        with monkeypatch.context() as patch:
            patch.setattr("e3_event.spool._fsck._remains.time.time", lambda: now + OLD + 60)
            assert kinds(repaired(tmp_path / "spool")) == {Kind.REMAINS}
        write(items)  # type: ignore[arg-type]

    monkeypatch.setattr(spool._commits, "_write", sleep_for_hours)
    with pytest.raises(SpoolError, match="put it again"):
        spool.put(snapshot)
    monkeypatch.undo()
    assert spool.put(snapshot) == snapshot.snapshot_id
    assert check(spool) == []


def test_what_was_noted_is_only_acknowledged_by_a_repair(closed: Path) -> None:
    edit(closed, "INSERT INTO damage VALUES (NULL, 0, 'something')")
    check(closed)
    assert Spool(closed).ledger.status().problems
    repaired(closed)
    assert not Spool(closed).ledger.status().damage


def test_a_failed_disk_is_written_anew_and_read_back_before_it_is_used_again(stock: Stock) -> None:
    owed = stock.owed
    stock.spool._database.break_off("fsync failed")
    with pytest.raises(SpoolError, match="fsck"):
        Spool(stock.path)
    old = (stock.path / "spool.db").stat().st_ino
    found = repaired(stock.path)
    assert kinds(found) == {Kind.DISK}
    assert (stock.path / "spool.db").stat().st_ino != old
    assert not (stock.path / "spool.db.failed").exists()
    all_arrive(stock, owed)


def test_what_can_not_be_read_back_replaces_nothing(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    stock.spool._database.break_off("fsync failed")
    before = digests(stock.path)

    def forget(*_: int) -> None:
        with (stock.path / "spool.db.new").open("r+b") as file:
            file.seek(8192)
            file.write(b"\xff" * 4096)

    monkeypatch.setattr(os, "posix_fadvise", forget)  # what the disk gives back is not what it was given
    with pytest.raises(SpoolError, match="not what is read"):
        check(stock.path, repair=True)
    after = digests(stock.path)
    assert {name: after[name] for name in ("spool.db", "spool.db-wal")} == {
        name: before[name] for name in ("spool.db", "spool.db-wal")
    }
    with pytest.raises(SpoolError, match="fsck"):
        stock.spool.put(Event("x"))


def test_two_repairs_at_once_are_refused(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    def tell(*_: object) -> None:
        if not refused:
            with pytest.raises(SpoolError, match="somebody else repairs it") as error:
                check(closed, repair=True)
            refused.append(str(error.value))

    check(closed, repair=True, progress=tell)
    assert refused


def test_a_process_that_had_it_open_is_told_and_does_no_harm(stock: Stock) -> None:
    """SQLite removes the log when the last connection goes: that must not be the one of the new database."""
    flip(written_back(stock), root(stock.path, "event"), 2)
    found = repaired(stock.path)
    assert Kind.DATABASE in kinds(found)
    with pytest.raises(SpoolError, match="replaced"):
        stock.spool.put(Event("lost?"))
    new = Spool(stock.path)
    put = new.put(Event("x"))
    with pytest.raises(SpoolError, match="replaced"):
        stock.spool.put(Event("lost?"))
    stock.spool.close()
    assert (stock.path / "spool.db-wal").stat().st_size
    assert check(stock.path) == []
    assert Spool(stock.path).read(put).name == "x"


def test_a_put_that_waits_for_a_repair_is_not_acknowledged_by_the_old_database(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.put(Event("x"))
    database = tmp_path / "spool" / "spool.db"
    other = apsw.Connection(str(database))
    other.execute("BEGIN IMMEDIATE")
    answers: list[object] = []

    def put() -> None:
        try:
            answers.append(spool.put(Event("y")))
        except SpoolError as error:
            answers.append(str(error))

    waiting = threading.Thread(target=put)
    waiting.start()
    until = time.monotonic() + 30
    while not spool._database._lock.locked() and time.monotonic() < until:
        pass
    (tmp_path / "new").write_bytes(database.read_bytes())
    os.rename(tmp_path / "new", database)
    other.execute("ROLLBACK")
    other.close()
    waiting.join()
    assert "replaced" in str(answers)


#: Ends the process at the N-th call of one of these, as a power cut would.
CRASH = """
import os, sys
import e3_event.spool._fsck._replace as replace
from e3_event.spool._check import check
left = int(sys.argv[2])
def mortal(function):
    def call(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os._exit(9)
        return function(*arguments, **options)
    return call
calls = ("rename", "link", "chmod", "unlink", "fsync")
for module, names in ((os, calls), (replace, ("salvage", "sync_folder"))):
    for name in names:
        setattr(module, name, mortal(getattr(module, name)))
check(sys.argv[1], repair=True)
"""


def test_a_repair_that_was_cut_off_anywhere_is_ended_by_the_next_one(stock: Stock, tmp_path: Path) -> None:
    """Also where the new database has its name already, and the old log still lies beside it."""
    owed, steps = stock.owed, 0
    flip(written_back(stock), root(stock.path, "event"), 2)
    while True:
        steps += 1
        copy = stock.copy(tmp_path / f"copy-{steps}")
        process = subprocess.run([sys.executable, "-c", CRASH, copy, str(steps)], check=False)
        if process.returncode == 0:
            break
        assert process.returncode == 9
        repaired(copy)
        delivered = stock.deliver(copy)
        assert not delivered.wrong
        lost = owed - delivered.came.keys()
        assert len({seq for seq, _ in lost}) <= 1, steps
    assert steps > 15


def test_space_that_is_lacking_leaves_all_as_it_was(
    stock: Stock, closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(closed / "spool.db", root(closed, "event"), 2)
    before = digests(closed)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("e3_event.spool._fsck._replace.salvage", full)
    with pytest.raises(OSError, match="No space"):
        check(closed, repair=True)
    assert digests(closed) == before
    assert (closed / "spool.db").stat().st_mode & 0o777 == 0o600
