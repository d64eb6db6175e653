"""A copy of a spool as it is at one moment, which is a spool itself, while others use it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from e3_event._errors import SpoolError

from . import _deliveries, _totals
from ._check import bring_up_to_date, inspect, open_to_read, while_log_is_short
from ._database import MARK
from ._deliveries import State
from ._disk import sync_folder
from ._mark import Mark
from ._place import DATABASE, open_folder
from ._subscriptions import checked, save

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._fsck._findings import Finding, Progress


class Backup(NamedTuple):
    """What was copied.

    :ivar events: their number
    :ivar size: bytes of the copy, with attachments that are linked
    :ivar purged: events that were removed from the spool while it was copied, and are not in the copy
    :ivar findings: what is damaged in the copy, as it is in the spool
    """

    events: int
    size: int
    purged: int
    findings: list[Finding]


def backup(path: str, target: str | os.PathLike[str], *, progress: Progress | None = None) -> Backup:
    """Copy a spool, which others may use meanwhile. The copy is synced and read back.

    Attachments on the same file system are linked, as they never change. What is out with a worker waits in
    the copy. What lies in quarantine is not copied.

    :param path: of the spool
    :param target: a folder that is not there or empty; it gets all or nothing
    :raises SpoolError: there is no spool, it is of a newer version, its database is too damaged, the target
        is not empty, or so much is written that it can't be copied now; says which
    :raises OSError: the copy can't be written
    """
    target = os.path.abspath(target)
    if os.path.lexists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise SpoolError("a backup needs a folder that is not there, or is empty", target)
    if not os.path.exists(os.path.join(path, DATABASE)):
        raise SpoolError(f"there is no spool here: {DATABASE} is missing", path)
    open_folder(path)
    bring_up_to_date(path)
    stage = f"{target}.{os.urandom(4).hex()}.tmp"
    os.mkdir(stage, 0o700)
    try:
        made = _fill(path, stage, progress or (lambda what, done, total: None))
        os.rename(stage, target)
        sync_folder(os.path.dirname(target))
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    return made


def _fill(path: str, stage: str, progress: Progress) -> Backup:
    """Copy all into a folder, and sync it."""
    os.mkdir(os.path.join(stage, "blobs"), 0o700)
    try:
        _copy_database(path, stage)
        with _changing(stage) as copy:
            purged = _copy_attachments(path, stage, copy, progress)
            _give_back(copy)
            newest, events, blob_bytes = _sums(copy)
    except apsw.Error as error:
        raise SpoolError(f"its database can't be copied: {error}; run `e3-event fsck`", path) from error
    mark = Mark(os.path.join(stage, MARK))
    mark.note(newest)
    mark.close()
    for folder in (os.path.join(stage, "blobs"), stage):
        sync_folder(folder)
    size = os.path.getsize(os.path.join(stage, DATABASE)) + blob_bytes
    return Backup(events, size, purged, list(inspect(stage, progress)))


def _copy_database(path: str, stage: str) -> None:
    """Copy the database as it is at one moment."""
    place = os.path.join(stage, DATABASE)
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    source = open_to_read(os.path.join(path, DATABASE))
    try:
        with while_log_is_short(source, path):
            source.execute("VACUUM INTO ?", (place,))
    finally:
        source.close()


@contextlib.contextmanager
def _changing(stage: str) -> Iterator[apsw.Connection]:
    """Change the copy of the database, and sync it."""
    place = os.path.join(stage, DATABASE)
    connection = apsw.Connection(place, flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.pragma("journal_mode", "memory")
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()
    _sync_file(place)


def _copy_attachments(path: str, stage: str, copy: apsw.Connection, progress: Progress) -> int:
    """Copy the attachments that the copied events name.

    :return: how many events have been purged meanwhile; they are taken out of the copy
    """
    rows: Any = copy.execute("SELECT seq, snapshot_id, blob_bytes FROM event WHERE blob_bytes > 0").fetchall()
    source = open_to_read(os.path.join(path, DATABASE))
    purged = 0
    try:
        for number, (seq, snapshot_id, blob_bytes) in enumerate(rows, 1):
            is_name = os.path.basename(snapshot_id) == snapshot_id  # a damaged one may be anything
            if is_name and not _copy_folder(path, stage, snapshot_id) and _is_gone(source, seq):
                _take_out(copy, seq, blob_bytes)
                purged += 1
            progress("attachments", number, len(rows))
    finally:
        source.close()
    return purged


def _is_gone(source: apsw.Connection, seq: int) -> bool:
    return source.execute("SELECT 1 FROM event WHERE seq = ?", (seq,)).fetchone() is None


def _copy_folder(path: str, stage: str, snapshot_id: str) -> bool:
    """Copy the attachments of one event; return whether they are all there."""
    source, target = (os.path.join(place, "blobs", snapshot_id) for place in (path, stage))
    os.mkdir(target, 0o700)
    try:
        for name in os.listdir(source):
            _copy_file(os.path.join(source, name), os.path.join(target, name))
        if os.path.isdir(source):  # otherwise it was being removed
            sync_folder(target)
            return True
    except FileNotFoundError:
        pass
    shutil.rmtree(target)
    return False


def _copy_file(source: str, target: str) -> None:
    """Link a file, or where that can't be, copy and sync it."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
        _sync_file(target)


def _take_out(copy: apsw.Connection, seq: int, blob_bytes: int) -> None:
    """Remove an event from the copy."""
    for table in ("event", "attachment", "delivery"):
        copy.execute(f"DELETE FROM {table} WHERE seq = ?", (seq,))
    _totals.add(copy, blob_bytes=-blob_bytes, gone=1)


def _give_back(copy: apsw.Connection) -> None:
    """Let what is out with workers wait in the copy, as if they had given it back."""
    now = time.time()
    rows: Any = copy.execute("SELECT * FROM subscription").fetchall()
    for row in rows:
        mine = checked(row)
        if mine is None:
            continue
        lane = mine.lane
        lane.backlog = [*lane.loan, *lane.backlog]
        lane.loan, lane.lease, lane.until = [], "", 0.0
        save(copy, mine)
        out = _deliveries.read(
            copy, f"WHERE subscription = ? AND state = {int(State.LOAN)} AND {_deliveries.OPEN}", (mine.id,)
        )
        _deliveries.write(copy, [one._replace(state=State.AGAIN, due=now, updated=now) for one in out])


def _sums(copy: apsw.Connection) -> tuple[int, int, int]:
    """The newest event, how many there are, and the bytes of their attachments."""
    row: Any = copy.execute(
        "SELECT coalesce(max(seq), 0), count(*), coalesce(sum(blob_bytes), 0) FROM event"
    ).fetchone()
    return row[0], row[1], row[2]


def _sync_file(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
