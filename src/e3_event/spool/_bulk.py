"""Many rows with one statement: SQLite inserts them without coming back to Python in between."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import apsw

#: Most rows of one statement. A longer one would not be kept to be used again.
AT_ONCE = 500


def placeholders(columns: Sequence[str], rows: int) -> str:
    """The part of an INSERT that names its columns and has a question mark for each of their values."""
    row = f"({','.join('?' * len(columns))})"
    return f"({', '.join(columns)}) VALUES {','.join([row] * rows)}"


def insert_rows(
    connection: apsw.Connection, insert: Callable[[int], str], rows: Sequence[Sequence[object]]
) -> None:
    """Insert rows, with as few statements as possible.

    :param insert: gives the statement for so many rows
    """
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        connection.execute(insert(len(part)), tuple(chain.from_iterable(part)))
