"""The table `spool`, which has one row: what concerns the spool as a whole."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import apsw


class Totals(NamedTuple):
    """The row.

    :ivar id: a UUID: which spool this is
    :ivar created: when (seconds since the epoch)
    :ivar blob_bytes: what lies in `blobs/`
    :ivar dropped: dead letters that had to make room
    :ivar gone: events that were removed, or are known to be lost: all others up to the newest are there
    """

    id: str
    created: float
    blob_bytes: int
    dropped: int
    gone: int


_pack = struct.Struct("<dqqq").pack


def create(connection: apsw.Connection, totals: Totals) -> None:
    """Write the row, in place of any."""
    connection.execute("DELETE FROM spool")
    connection.execute("INSERT INTO spool VALUES (?, ?, ?, ?, ?, ?)", (*totals, _checksum(totals)))


def read(connection: apsw.Connection) -> tuple[Totals, bool] | None:
    """Return the row and whether it is intact; `None`: there is none."""
    row = connection.execute("SELECT * FROM spool").fetchone()
    if row is None:
        return None
    *columns, checksum = row
    totals = Totals(*columns)
    try:
        return totals, checksum == _checksum(totals)
    except (AttributeError, struct.error):  # a column of another type
        return totals, False


def add(connection: apsw.Connection, *, blob_bytes: int = 0, dropped: int = 0, gone: int = 0) -> None:
    """Add to the sums. A row that is damaged stays so, for `fsck` to see."""
    found = read(connection)
    if found is None:
        return
    totals, is_intact = found
    if not is_intact:
        return
    totals = totals._replace(
        blob_bytes=max(0, totals.blob_bytes + blob_bytes),
        dropped=totals.dropped + dropped,
        gone=totals.gone + gone,
    )
    sql = "UPDATE spool SET blob_bytes = ?, dropped = ?, gone = ?, checksum = ?"
    connection.execute(sql, (*totals[2:], _checksum(totals)))


def _checksum(totals: Totals) -> int:
    return zlib.crc32(totals.id.encode(), zlib.crc32(_pack(*totals[1:])))
