"""The tables `event` and `attachment`: snapshots and their small attachments, checked when they are read."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from ._database import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import apsw

    from ._database import Database

_INSERT = (
    "INSERT INTO event (uid, snapshot_id, audience, put, blob_bytes, body, checksum)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uid, snapshot_id) DO NOTHING"
)
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


class Row(NamedTuple):
    """A snapshot on its way into the table `event`.

    :ivar columns: what the columns hold, but for seq
    :ivar small: contents of the attachments that lie in the database, by their place
    """

    columns: tuple[str, str, int, float, int, bytes, int]
    small: dict[int, bytes]

    @property
    def snapshot_id(self) -> str:
        return self.columns[1]

    @property
    def blob_bytes(self) -> int:
        return self.columns[4]

    @property
    def size(self) -> int:
        """Bytes of the snapshot and of its attachments."""
        return len(self.columns[5]) + self.columns[4] + sum(map(len, self.small.values()))


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
    checksum = checksum_of(uid, snapshot_id, audience, put, blob_bytes, body, small)
    return Row((uid, snapshot_id, audience[0], put, blob_bytes, body, checksum), small)


class Found(NamedTuple):
    """A row of the table `event`.

    :ivar small: contents of the attachments that lie in the database, by their place
    """

    seq: int
    uid: str
    snapshot_id: str
    audience: int
    put: float
    blob_bytes: int
    body: bytes
    checksum: int
    small: dict[int, bytes]

    def is_intact(self, members: str | None) -> bool:
        """Is all of it as it was put?

        :param members: those of its audience; `None`: there is no such audience
        """
        if members is None:
            return False
        audience = Audience(self.audience, members)
        return self.checksum == checksum_of(
            self.uid, self.snapshot_id, audience, self.put, self.blob_bytes, self.body, self.small
        )


def checksum_of(
    uid: str,
    snapshot_id: str,
    audience: Audience,
    put: float,
    blob_bytes: int,
    body: bytes,
    small: dict[int, bytes],
) -> int:
    """CRC-32 of a row."""
    number, members = audience
    checksum = crc32(f"{uid} {snapshot_id} {members}".encode(), crc32(_pack(number, put, blob_bytes)))
    checksum = crc32(body, checksum)
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
        if any(row.small or row.columns[4] for row in rows):
            with database.writing() as connection:
                seq = _insert(connection, rows)
        elif len(rows) == 1:
            seq = database.write_one(_INSERT, rows[0].columns)
        else:
            with database.writing() as connection:
                before = connection.total_changes()
                connection.executemany(_INSERT, [row.columns for row in rows])
                seq = connection.last_insert_rowid() if connection.total_changes() > before else 0
        if seq:
            database.mark.note(seq)
        return seq

    def find(self, snapshot_id: str) -> Found | None:
        """Return a snapshot; `None` if it is not there."""
        with self._database.reading() as connection:
            return next(select(connection, "WHERE snapshot_id = ? LIMIT 1", (snapshot_id,)), None)

    def of_uid(self, uid: str) -> list[Found]:
        """Return the snapshots of an event, the newest first."""
        with self._database.reading() as connection:
            return list(select(connection, "WHERE uid = ? ORDER BY seq DESC", (uid,)))

    def before(self, seq: int, limit: int, where: str = "", values: tuple[object, ...] = ()) -> list[Found]:
        """Return at most *limit* snapshots below *seq*, the newest first.

        :param where: a further condition in SQL, with *values* for its question marks
        """
        condition = f"WHERE seq < ? AND audience <> {NOBODY} {where} ORDER BY seq DESC LIMIT ?"
        with self._database.reading() as connection:
            return list(select(connection, condition, (seq, *values, limit)))


def _insert(connection: apsw.Connection, rows: Iterable[Row]) -> int:
    """Insert *rows*; return the seq of the last one that was new, else 0."""
    execute = connection.execute
    seq = blob_bytes = 0
    for row in rows:
        execute(_INSERT, row.columns)
        if connection.changes():
            seq = connection.last_insert_rowid()
            blob_bytes += row.blob_bytes
            for place, content in row.small.items():
                execute("INSERT INTO attachment VALUES (?, ?, ?)", (seq, place, content))
    if blob_bytes:
        execute("UPDATE spool SET blob_bytes = blob_bytes + ?", (blob_bytes,))
    return seq


def select(connection: apsw.Connection, condition: str, values: Sequence[object]) -> Iterator[Found]:
    """Read rows of the table `event`, with their small attachments.

    :param condition: what stands behind `FROM event`, with *values* for its question marks
    """
    rows: list[Any] = connection.execute(f"{_SELECT} {condition}", tuple(values)).fetchall()
    for row in rows:
        small: dict[int, bytes] = {}
        if _MAY_HAVE_ATTACHMENTS in row[6]:
            small = dict(connection.execute("SELECT place, content FROM attachment WHERE seq = ?", row[:1]))
        yield Found._make((*row, small))
