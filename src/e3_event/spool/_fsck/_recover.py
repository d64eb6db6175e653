"""Takes events that are missing at the end of a database out of its damaged log, which was kept for that."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import apsw

from e3_event.spool import _totals
from e3_event.spool._database import QUARANTINE
from e3_event.spool._events import Found
from e3_event.spool._place import DATABASE

from ._findings import Finding, Kind
from ._inspect import known_members, read_event
from ._pages import Image
from ._salvage import classify

if TYPE_CHECKING:
    Row = tuple[Any, ...]

_name_of_log = re.compile(rf"{re.escape(DATABASE)}-wal\.(\d+)-(\d+)\.\d+").fullmatch
_SEEN = ".seen"


def kept_logs(path: str) -> list[tuple[str, int, int]]:
    """The logs in quarantine that nobody has looked at: their paths, and which events were lost with them."""
    folder = os.path.join(path, QUARANTINE)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = ((name, match) for name in names if (match := _name_of_log(name)))
    return [(os.path.join(folder, name), int(match[1]), int(match[2])) for name, match in found]


def recovered_events(connection: apsw.Connection, path: str) -> list[Finding]:
    """Put back what the logs in the quarantine still hold of the events that were lost with them.

    It is to be done in one transaction.

    :param path: of the spool
    :return: what was done
    """
    recovered: list[int] = []
    for log, first, last in kept_logs(path):
        image = Image(os.path.join(path, DATABASE), log)
        try:
            rows = _rows(image)
        finally:
            image.close()
        for name in ("subscription", "audience"):
            for row in rows.get(name, ()):
                _insert_if_new(connection, name, row)
        small: dict[int, dict[int, bytes]] = {}
        for seq, place, content in rows.get("attachment", ()):
            small.setdefault(seq, {})[place] = content
        known = known_members(connection)
        for found in sorted(Found(*row) for row in rows.get("event", ())):
            mine = small.get(found.seq, {}) if found.may_have_attachments else {}
            if first <= found.seq <= last and found.is_intact(known.get(found.audience), mine):
                recovered += _put_back(connection, found, mine)
    if not recovered:
        return []
    what = f"{len(recovered)} events, {recovered[0]} to {recovered[-1]}, that were lost"
    return [Finding(Kind.LOST, what, done="put back from the damaged log")]


def mark_as_seen(path: str) -> None:
    """Let nobody look at the logs in the quarantine again."""
    for log, _, _ in kept_logs(path):
        os.rename(log, f"{log}{_SEEN}")


def _rows(image: Image) -> dict[str, list[Row]]:
    """What lies in the pages of the log, by table."""
    rows: dict[str, list[Row]] = {}
    for page in image.logged:
        for cell in image.cells_of(page):
            name, row = classify(cell)
            rows.setdefault(name, []).append(row)
    return rows


def _insert_if_new(connection: apsw.Connection, name: str, row: Row) -> None:
    marks = ",".join("?" * len(row))
    connection.execute(f"INSERT OR IGNORE INTO {name} VALUES ({marks})", row)


def _put_back(connection: apsw.Connection, found: Found, small: dict[int, bytes]) -> list[int]:
    there = read_event(connection, found.seq)
    if isinstance(there, Found) and not there.stands_in:
        return []
    _totals.add(connection, blob_bytes=found.blob_bytes, gone=0 if isinstance(there, Found) else -1)
    connection.execute("DELETE FROM event WHERE seq = ?", (found.seq,))
    try:
        connection.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", found)
    except apsw.ConstraintError:  # it was put again, as another one
        return []
    for place, content in small.items():
        _insert_if_new(connection, "attachment", (found.seq, place, content))
    return [found.seq]
