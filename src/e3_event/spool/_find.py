"""Which events are meant by a uid, a snapshot_id, or the beginning of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from e3_event._errors import EventError

from ._database import NOBODY
from ._events import recent

if TYPE_CHECKING:
    import apsw

#: Greater than whatever a text goes on with.
_LAST = "\U0010ffff"
#: So many are named where a beginning fits several.
_NAMED = 3
#: Digits of a UUIDv7 that say its time, with their hyphen.
_SHORTEST = 13


class UnknownError(EventError):
    """There is no such event, attachment or handler, or there are several that could be meant."""


class AmbiguousError(UnknownError):
    """Several could be meant."""


def find(connection: apsw.Connection, text: str) -> list[int]:
    """The snapshots that are meant by a uid, a snapshot_id, or the beginning of either.

    :return: their seqs, the newest first: all of a uid, or the one of a snapshot_id
    :raises UnknownError: there is none, or the beginning fits several
    """
    if not text:
        raise UnknownError("an empty text names no event")
    rows: Any = connection.execute(
        f"SELECT seq FROM event WHERE uid = ? AND audience <> {NOBODY} ORDER BY seq DESC", (text,)
    ).fetchall()
    if rows:
        return [seq for (seq,) in rows]
    uids = _beginning_with(connection, "DISTINCT uid, 0", "uid", text)
    if uids:
        return find(connection, uids[0][0])
    rows = rows_of_snapshot(connection, text, newest=True)
    if rows:
        return [seq for seq, _ in rows]
    snapshots = _beginning_with(connection, "snapshot_id, seq", "snapshot_id", text)
    if snapshots:
        return [snapshots[0][1]]
    raise UnknownError(f"there is no event whose uid or snapshot_id is {text!r} or begins with it")


def _beginning_with(
    connection: apsw.Connection, columns: str, column: str, text: str
) -> list[tuple[str, int]]:
    """The one row, or none, whose column begins with a text."""
    rows: Any = connection.execute(
        f"SELECT {columns} FROM event WHERE {column} >= ? AND {column} < ? AND audience <> {NOBODY} LIMIT ?",
        (text, text + _LAST, _NAMED + 1),
    ).fetchall()
    if len(rows) > 1:
        named = ", ".join(row[0] for row in rows[:_NAMED]) + (", …" if len(rows) > _NAMED else "")
        raise AmbiguousError(f"{text!r} is the beginning of several: {named}; give more of it")
    return list(rows)


def abbreviated(connection: apsw.Connection, uid: str) -> str:
    """The beginning of a uid that is the beginning of no other one here: its time, and more if need be."""
    most = _SHORTEST
    for compared, order in (("<", "DESC"), (">", "ASC")):
        near = connection.execute(
            f"SELECT uid FROM event WHERE uid {compared} ? ORDER BY uid {order} LIMIT 1", (uid,)
        ).get
        pairs = zip(uid, near or "", strict=False)
        same = next((n for n, (one, other) in enumerate(pairs) if one != other), len(near or ""))
        most = max(most, same + 1)
    return uid[:most]


def rows_of_snapshot(
    connection: apsw.Connection, snapshot_id: str, *, newest: bool = False
) -> list[tuple[int, int]]:
    """Seq and audience of a snapshot, if it is there. It is mostly new, so that is where to look first.

    :param newest: only look there: there is no index
    """
    found = recent(connection, snapshot_id)
    if found is not None:
        return [(found.seq, found.audience)]
    if newest:
        return []
    rows: Any = connection.execute("SELECT seq, audience FROM event WHERE snapshot_id = ?", (snapshot_id,))
    return list(rows)
