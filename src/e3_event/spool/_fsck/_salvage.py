"""Makes a new database of all that can be read of a damaged one."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from e3_event.spool import _deliveries
from e3_event.spool._database import APPLICATION, NOBODY
from e3_event.spool._events import Found, small_of
from e3_event.spool._schema import MIGRATIONS
from e3_event.spool._subscriptions import LOST_MEMBERS, audience_checksum, checked, has_origin, members_of

from ._inspect import known_members, read_event
from ._pages import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._findings import Progress
    from ._pages import Cell

    Row = tuple[Any, ...]

_SOME = 1000
_NUMBER = (int, float)
#: Tables, with the types of their columns but for the rowid.
_TABLES: tuple[tuple[str, Row], ...] = (
    ("event", (str, str, int, _NUMBER, int, bytes, int)),
    ("subscription", (str, str, int, int, bytes, int)),
    ("audience", (str, int)),
    ("damage", (_NUMBER, str)),
)
#: Those without a rowid, and entries of indexes.
_OTHERS: tuple[tuple[str, Row], ...] = (
    ("attachment", (int, int, bytes)),
    ("delivery", (int,) * 5 + (_NUMBER,) * 3 + (str, int)),
    ("names", (str, str, int)),
    ("texts", (str, int)),
)
_SPOOL: tuple[tuple[str, Row], ...] = (("spool", (str, _NUMBER, int, int, int, int)),)
_is_snapshot_id = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


class Salvaged(NamedTuple):
    """What a salvage has to say besides the new database.

    :ivar spoiled: how many rows the new database can't hold
    :ivar newest: the highest seq that stands anywhere
    """

    spoiled: int
    newest: int


def salvage(path: str, log: str, target: str, progress: Progress) -> Salvaged:
    """Copy what can be read of the database at *path* and of its log into a new one.

    Rows are taken from the pages themselves, so that those of a damaged tree count. They are copied as they
    are; which of them are intact is for others to see. Of two with one key the intact one counts. What the
    indexes hold a second time is used where it fits a checksum.

    :param target: path of the new database; it must not be there
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    image = Image(path, log)
    connection = apsw.Connection(target)
    try:
        connection.pragma("journal_mode", "off")
        connection.pragma("synchronous", "off")  # it is synced as a whole
        connection.execute("BEGIN")
        for number, script in enumerate(MIGRATIONS, 1):
            connection.execute(script)
            connection.pragma("user_version", number)
        connection.pragma("application_id", APPLICATION)
        writer = _Writer(connection)
        for number, page in enumerate(image.used(), 1):
            writer.take_all(image.cells_of(page))
            if number % _SOME == 0:
                progress("pages", number, image.count)
        salvaged = writer.end()
        connection.execute("COMMIT")
        return salvaged
    finally:
        connection.close()
        image.close()


class _Writer:
    """Writes what was read of pages into a new database."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._spoiled = 0
        self._spare: dict[str, list[Row]] = {}
        connection.execute("CREATE TEMP TABLE names (uid, snapshot_id, seq)")
        connection.execute("CREATE TEMP TABLE texts (members, id)")

    def take_all(self, cells: Iterable[Cell]) -> None:
        for cell in cells:
            name, row = classify(cell)
            if name:
                self._insert(name, row)
            elif cell.rowid is not None and len(row) > len(_SPOOL[0][1]):  # of an event or a handler
                self._spoiled += 1

    def end(self) -> Salvaged:
        """Choose among what was read twice, and let the copies in indexes fill what is damaged."""
        self._connection.execute("CREATE INDEX temp.names_seq ON names (seq)")
        self._better("audience", ("id",), _is_audience)
        self._better("subscription", ("id",), lambda row: checked(row) is not None)
        self._better("delivery", ("seq", "subscription"), _deliveries.is_intact)
        self._audiences()
        self._subscriptions()
        self._events()
        self._lost_events()
        self._spoiled += len(self._spare.get("attachment", ()))
        return Salvaged(self._spoiled, self._newest())

    def _insert(self, name: str, row: Row) -> bool:
        marks = ",".join("?" * len(row))
        try:
            self._connection.execute(f"INSERT INTO {name} VALUES ({marks})", row)
        except apsw.ConstraintError:  # something of this key is there
            self._spare.setdefault(name, []).append(row)
        except (apsw.Error, OverflowError, UnicodeError):
            self._spoiled += 1
        else:
            return True
        return False

    def _rows(self, sql: str, values: Row = ()) -> list[Row]:
        rows: Any = self._connection.execute(sql, values)
        return list(rows)

    def _better(self, name: str, key: tuple[str, ...], is_intact: Any) -> None:
        """Let a row that is intact take the place of one that is not."""
        condition = " AND ".join(f"{column} = ?" for column in key)
        for row in self._spare.pop(name, []):
            there = self._rows(f"SELECT * FROM {name} WHERE {condition}", row[: len(key)])
            if there == [row]:
                continue
            if is_intact(row) and there and not is_intact(there[0]):
                self._connection.execute(f"DELETE FROM {name} WHERE {condition}", row[: len(key)])
                self._spoiled += 1
                self._insert(name, row)
            else:
                self._spoiled += 1

    def _audiences(self) -> None:
        for copy, number in self._rows("SELECT members, id FROM texts WHERE members LIKE '[%'"):
            sql = "INSERT OR IGNORE INTO audience VALUES (?, ?, ?)"  # what is wrong fits no event
            self._connection.execute(sql, (number, copy, audience_checksum(number, copy)))
        for number, members, checksum in self._rows("SELECT * FROM audience"):
            if audience_checksum(number, members) == checksum:
                continue
            copies = [copy for (copy,) in self._rows("SELECT members FROM texts WHERE id = ?", (number,))]
            fitting = [copy for copy in copies if audience_checksum(number, copy) == checksum]
            right = members if members in copies else (*fitting, f"{LOST_MEMBERS}{number}]")[0]
            sql = "UPDATE OR REPLACE audience SET members = ?, checksum = ? WHERE id = ?"
            self._connection.execute(sql, (right, audience_checksum(number, right), number))

    def _subscriptions(self) -> None:
        """Put names right, and make a row for each that is spoken of: its id must not be given again."""
        spoken_of = {number for (number,) in self._rows("SELECT DISTINCT subscription FROM delivery")}
        for number, members, checksum in self._rows("SELECT * FROM audience"):
            if audience_checksum(number, members) == checksum:
                spoken_of.update(members_of(members))
        there = {row[0]: row for row in self._rows("SELECT * FROM subscription")}
        for number in spoken_of | there.keys():
            row = there.get(number, (number, "", "", 0, 0, b"", 0))
            if checked(row) is not None or has_origin(row):
                continue
            copies = self._rows("SELECT uid, snapshot_id FROM names WHERE seq = ?", (number,))
            copies = [copy for copy in copies if not _is_snapshot_id(copy[1])]
            made = [(number, *copy, *row[3:]) for copy in copies]
            fitting = [one for one in made if checked(one) is not None or has_origin(one)]
            fitting += made  # where more of the row is damaged than its name, its index is to be believed
            if number not in there:
                fitting.append((number, f"lost-{number}", "lost", 0, 0, b"", 0))
            if fitting:
                sql = "INSERT OR REPLACE INTO subscription VALUES (?, ?, ?, ?, ?, ?, ?)"
                self._connection.execute(sql, fitting[0])

    def _events(self) -> None:
        """Put events right of which a number or a name is damaged."""
        moved = self._rows(
            "SELECT event.seq, names.seq FROM names JOIN event USING (uid, snapshot_id)"
            " WHERE names.seq <> event.seq AND NOT EXISTS (SELECT 1 FROM event e WHERE e.seq = names.seq)"
        )
        for wrong, right in moved:
            told = "SELECT EXISTS (SELECT 1 FROM delivery WHERE seq = ?)"
            if self._rows(told, (right,)) >= self._rows(told, (wrong,)):
                self._connection.execute("UPDATE event SET seq = ? WHERE seq = ?", (right, wrong))
        known = known_members(self._connection)
        after = -(1 << 62)
        while rows := self._rows("SELECT * FROM event WHERE seq > ? ORDER BY seq LIMIT 500", (after,)):
            after = rows[-1][0]
            for row in rows:
                self._mend(Found(*row), known)
        for row in self._spare.pop("event", []):
            self._place(Found(*row), known)

    def _mend(self, found: Found, known: dict[int, str | None]) -> None:
        small = small_of(self._connection, found)
        if found.is_intact(known.get(found.audience), small):
            return
        for uid, snapshot_id in self._rows("SELECT uid, snapshot_id FROM names WHERE seq = ?", (found.seq,)):
            if found._replace(uid=uid, snapshot_id=snapshot_id).is_intact(known.get(found.audience), small):
                sql = "UPDATE OR IGNORE event SET uid = ?, snapshot_id = ? WHERE seq = ?"
                self._connection.execute(sql, (uid, snapshot_id, found.seq))

    def _place(self, found: Found, known: dict[int, str | None]) -> None:
        """Find a place for an event whose number or name is also that of another one."""
        there = read_event(self._connection, found.seq)
        if there == found:
            return
        small = small_of(self._connection, found)
        if not found.is_intact(known.get(found.audience), small):
            self._spoiled += 1
        elif isinstance(there, Found) and not there.is_intact(known.get(there.audience), small):
            self._connection.execute("DELETE FROM event WHERE seq = ?", (found.seq,))
            self._spoiled += 1
            self._insert("event", found)
        else:
            names = "SELECT seq FROM names WHERE uid = ? AND snapshot_id = ?"
            numbers = [number for (number,) in self._rows(names, (found.uid, found.snapshot_id))]
            for number in (*numbers, self._newest() + 1):
                if self._insert("event", found._replace(seq=number)):
                    return

    def _lost_events(self) -> None:
        """Put a row in the place of each event that only its index knows; it is seen to be damaged."""
        for uid, snapshot_id, seq in self._rows("SELECT * FROM names ORDER BY seq"):
            if _is_snapshot_id(snapshot_id):
                sql = "INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, 0.0, 0, x'', 0)"
                self._connection.execute(sql, (seq, uid, snapshot_id, NOBODY))

    def _newest(self) -> int:
        numbers = self._rows(
            "SELECT max(seq) FROM event UNION SELECT max(seq) FROM names WHERE length(snapshot_id) = 36"
        )
        return max((number for (number,) in numbers if number), default=0)


def classify(cell: Cell) -> tuple[str, Row]:
    """Of which table a cell is, and what its columns are; empty: of none that counts."""
    if cell.rowid is None:
        return _name(cell.values, _OTHERS), cell.values
    if cell.values[:1] != (None,):
        return _name(cell.values, _SPOOL), cell.values
    own = cell.values[1:]
    return _name(own, _TABLES), (cell.rowid, *own)


def _name(values: Row, tables: tuple[tuple[str, Row], ...]) -> str:
    for name, kinds in tables:
        if len(kinds) == len(values) and all(map(isinstance, values, kinds)):
            return name
    return ""


def _is_audience(row: Row) -> bool:
    number, members, checksum = row
    return bool(audience_checksum(number, members) == checksum)
