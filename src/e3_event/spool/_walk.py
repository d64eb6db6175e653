"""Ways through long tables in short reads: a long one keeps the write-ahead log from being written back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._database import NOBODY
from ._deliveries import OPEN

if TYPE_CHECKING:
    import apsw

    from ._database import Database
    from ._deliveries import State

_PAGE = 10_000


def first_since(connection: apsw.Connection, since: float) -> int:
    """The lowest seq of what was put since a time, if clocks never went back; one above all if none was."""
    low, high = 1, (connection.execute("SELECT max(seq) FROM event").get or 0) + 1
    while low < high:
        middle = (low + high) // 2
        row: Any = connection.execute(
            f"SELECT seq, put FROM event WHERE seq >= ? AND audience <> {NOBODY} ORDER BY seq LIMIT 1",
            (middle,),
        ).fetchone()
        if row is None or row[1] >= since:
            high = middle
        else:
            low = row[0] + 1
    return low


def open_seqs(database: Database, number: int, state: State) -> list[int]:
    """The events whose delivery to a subscription is in one of the first three states; read in pieces."""
    found: list[int] = []
    due, seq = float("-inf"), 0
    while True:
        with database.reading() as connection:
            rows: list[Any] = connection.execute(
                f"SELECT due, seq FROM delivery WHERE subscription = ? AND state = {int(state)} AND {OPEN}"
                " AND (due, seq) > (?, ?) ORDER BY due, seq LIMIT ?",
                (number, due, seq, _PAGE),
            ).fetchall()
        found += [row[1] for row in rows]
        if len(rows) < _PAGE:
            return sorted(found)
        due, seq = rows[-1]
