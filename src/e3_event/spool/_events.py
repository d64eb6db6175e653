"""The tables `event` and `attachment`: snapshots and their small attachments, checked when they are read."""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import apsw

from e3_event._errors import SpoolError

from . import _totals
from ._bulk import AT_ONCE, insert_rows, placeholders
from ._database import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._database import Database

_COLUMNS = ("uid", "snapshot_id", "audience", "put", "blob_bytes", "body", "checksum")
#: So many of the newest events are looked at without an index.
_RECENT = 1000
#: The problem with an event that `fsck --repair` could not keep.
AWAY = "it was lost, or found damaged and moved into quarantine"
#: What SQLite says of a page, and apsw of a text, that is damaged.
UNREADABLE = (apsw.CorruptError, UnicodeDecodeError)
_pack = struct.Struct("<qdq").pack
_SELECT = "SELECT seq, uid, snapshot_id, audience, put, blob_bytes, body, checksum FROM event"
#: Stands in the body of each snapshot that has attachments (and may stand in others).
_MAY_HAVE_ATTACHMENTS = b'"attachments":['


class Audience(NamedTuple):
    """Who is owed an event.

    :ivar id: its row
    :ivar members: JSON: ids of subscriptions, or `"*"`: whoever is of the configuration file
    """

    id: int
    members: str


#: Those of the configuration file.
CONFIGURED = Audience(0, '"*"')
NOBODY_AT_ALL = Audience(NOBODY, "")


class Row(NamedTuple):
    """A snapshot on its way into the table `event`.

    :ivar columns: what the columns hold, but for seq
    :ivar small: contents of the attachments that lie in the database, by their place
    :ivar size: bytes of the snapshot and of its attachments
    """

    columns: tuple[str, str, int, float, int, bytes, int]
    small: dict[int, bytes]
    size: int

    @property
    def snapshot_id(self) -> str:
        return self.columns[1]

    @property
    def blob_bytes(self) -> int:
        return self.columns[4]


def make_row(
    uid: str,
    snapshot_id: str,
    audience: Audience,
    put: float,
    blob_bytes: int,
    body: bytes,
    small: dict[int, bytes],
) -> Row:
    """Make a row of what the columns are to hold."""
    number, members = audience
    checksum = checksum_of(uid, snapshot_id, number, put, blob_bytes, body, members, small)
    size = len(body) + blob_bytes
    if small:
        size += sum(map(len, small.values()))
    return Row((uid, snapshot_id, number, put, blob_bytes, body, checksum), small, size)


class Found(NamedTuple):
    """A row of the table `event`, as it lies there: whether it is intact is still to be seen."""

    seq: int
    uid: str
    snapshot_id: str
    audience: int
    put: float
    blob_bytes: int
    body: bytes
    checksum: int

    @property
    def may_have_attachments(self) -> bool:
        """Only then there may be rows of it in the table `attachment`."""
        return type(self.body) is bytes and _MAY_HAVE_ATTACHMENTS in self.body

    @property
    def stands_in(self) -> bool:
        """Does it stand in the place of an event that is lost, or in quarantine?"""
        return not self.body

    def is_intact(self, members: str | None, small: dict[int, bytes]) -> bool:
        """Is all of it as it was put?

        :param members: those of its audience; `None`: there is no such audience
        :param small: contents of its attachments that lie in the database, by their place
        """
        if members is None:
            return False
        _, uid, snapshot_id, audience, put, blob_bytes, body, checksum = self
        try:
            return checksum == checksum_of(uid, snapshot_id, audience, put, blob_bytes, body, members, small)
        except (TypeError, ValueError, struct.error):  # a column of another type
            return False


def checksum_of(
    uid: str,
    snapshot_id: str,
    audience: int,
    put: float,
    blob_bytes: int,
    body: bytes,
    members: str,
    small: dict[int, bytes],
) -> int:
    """CRC-32 of a row: of what its columns hold, but for seq and the checksum itself.

    :param members: those of its audience
    :param small: contents of its attachments that lie in the database, by their place
    """
    names = f"{uid} {snapshot_id} {members}".encode()
    checksum = crc32(body, crc32(_pack(audience, put, blob_bytes) + names))
    if small:
        for place, content in sorted(small.items()):
            checksum = crc32(content, crc32(b"%d " % place, checksum))
    return checksum


class Events:
    """The snapshots of a spool.

    :param database: where they lie
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, rows: Sequence[Row]) -> int:
        """Insert snapshots, all or none; those that are there change nothing. Durable when it returns.

        :return: the seq of the last one that was not there; 0: all were
        :raises SpoolFullError: there is no room on the disk
        :raises SpoolError: the spool can't be used any more; says why
        """
        database = self._database
        if any([row.small or row.columns[4] for row in rows]):  # noqa: C419  a generator's end loses interrupts
            with database.writing() as connection:
                seq = _insert_each(connection, rows)
        elif len(rows) <= AT_ONCE:
            columns = chain.from_iterable([row.columns for row in rows])
            seq = database.insert(_insert(len(rows)), tuple(columns))
        else:
            with database.writing() as connection:
                before = connection.total_changes()
                insert_rows(connection, _insert, [row.columns for row in rows])
                seq = connection.last_insert_rowid() if connection.total_changes() > before else 0
        if seq:
            database.mark.note(seq)
        return seq

    def has(self, uid: str, snapshot_id: str) -> bool:
        """Is this snapshot of this event there?"""
        sql = "SELECT EXISTS (SELECT 1 FROM event WHERE uid = ? AND snapshot_id = ?)"
        with self._database.reading() as connection:
            return bool(connection.execute(sql, (uid, snapshot_id)).get)

    def find(self, snapshot_id: str) -> Found | None:
        """Return a snapshot; `None` if it is not there. One that was put of late is found at once."""
        with self._database.reading() as connection:
            found = recent(connection, snapshot_id)
            return found or next(iter(select(connection, "WHERE snapshot_id = ?", (snapshot_id,))), None)

    def small(self, found: Found) -> dict[int, bytes]:
        """Return the attachments of a snapshot that lie in the database: their contents, by their place."""
        with self._database.reading() as connection:
            return small_of(connection, found)

    def of_uid(self, uid: str) -> list[Found]:
        """Return the snapshots of an event, the newest first."""
        with self._database.reading() as connection:
            return select(connection, "WHERE uid = ? ORDER BY seq DESC", (uid,))

    def before(self, seq: int, limit: int, where: str = "", values: tuple[object, ...] = ()) -> list[Found]:
        """Return at most *limit* snapshots below *seq*, the newest first.

        :param where: a further condition in SQL, with *values* for its question marks
        """
        condition = f"WHERE seq < ? AND audience <> {NOBODY} {where} ORDER BY seq DESC LIMIT ?"
        with self._database.reading() as connection:
            return select(connection, condition, (seq, *values, limit))


@lru_cache
def _insert(rows: int) -> str:
    """The statement that inserts so many rows which are not there yet."""
    return f"INSERT INTO event {placeholders(_COLUMNS, rows)} ON CONFLICT (uid, snapshot_id) DO NOTHING"


def _insert_each(connection: apsw.Connection, rows: Iterable[Row]) -> int:
    """Insert *rows*; return the seq of the last one that was new, else 0."""
    execute = connection.execute
    seq = blob_bytes = 0
    for row in rows:
        execute(_insert(1), row.columns)
        if connection.changes():
            seq = connection.last_insert_rowid()
            blob_bytes += row.blob_bytes
            if row.blob_bytes:
                _check_blobs(connection, row)
            for place, content in row.small.items():
                execute("INSERT INTO attachment VALUES (?, ?, ?)", (seq, place, content))
    if blob_bytes:
        _totals.add(connection, blob_bytes=blob_bytes)
    return seq


def _check_blobs(connection: apsw.Connection, row: Row) -> None:
    """A put that slept for hours may find that `fsck --repair` took its attachments for remains."""
    blobs = os.path.join(os.path.dirname(connection.filename), "blobs")
    if not os.path.isdir(os.path.join(blobs, row.snapshot_id)):
        raise SpoolError(
            f"the attachments of snapshot {row.snapshot_id} are gone from {blobs}; put it again",
            connection.filename,
        )


def stand_in(
    connection: apsw.Connection, seq: int, uid: str, snapshot_id: str, audience: Audience, put: float
) -> None:
    """Put a row without a body in the place of an event that is lost or damaged, so that its number stays."""
    row = make_row(uid, snapshot_id, audience, put, 0, b"", {})
    connection.execute("DELETE FROM event WHERE seq = ?", (seq,))
    connection.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (seq, *row.columns))


def select(connection: apsw.Connection, condition: str, values: Sequence[object]) -> list[Found]:
    """Read rows of the table `event`.

    :param condition: what stands behind `FROM event`, with *values* for its question marks
    """
    rows: list[Any] = connection.execute(f"{_SELECT} {condition}", tuple(values)).fetchall()
    return list(map(Found._make, rows))


def recent(connection: apsw.Connection, snapshot_id: str) -> Found | None:
    """Return a snapshot if it is among those that were put last."""
    newest = f"(SELECT max(seq) FROM event) - {_RECENT}"
    condition = f"NOT INDEXED WHERE seq > {newest} AND snapshot_id = ?"
    return next(iter(select(connection, condition, (snapshot_id,))), None)


def select_within(
    connection: apsw.Connection, condition: str, values: Sequence[object], room: int
) -> tuple[list[Found], int]:
    """Read rows as `select` does, but no more than have, with their small attachments, so many bytes.

    :param room: the first row that goes beyond it is the last one
    :return: the rows, and what is left; less than 0: there may be more rows
    """
    found: list[Found] = []
    rows: Iterable[Any] = connection.execute(f"{_SELECT} {condition}", tuple(values))
    for row in map(Found._make, rows):
        found.append(row)
        room -= size_of(connection, row)
        if room < 0:
            break
    return found, room


def size_of(connection: apsw.Connection, found: Found) -> int:
    """Bytes of an event with its small attachments, as they lie there."""
    body = found[6]
    if type(body) is not bytes:  # a damaged column may hold anything
        return 0
    if _MAY_HAVE_ATTACHMENTS not in body:
        return len(body)
    sizes = "SELECT total(length(content)) FROM attachment WHERE seq = ?"
    return len(body) + int(connection.execute(sizes, (found[0],)).get)


def small_of(connection: apsw.Connection, found: Found) -> dict[int, bytes]:
    """The attachments of an event that lie in the database: their contents, by their place."""
    if not found.may_have_attachments:
        return {}
    rows: Any = connection.execute("SELECT place, content FROM attachment WHERE seq = ?", (found.seq,))
    return dict(rows)
