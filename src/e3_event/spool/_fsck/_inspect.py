"""Looks at the rows of a spool's database: is each one as it was written, and does nothing contradict it?

All of this reads for a moment at a time, so that nobody who writes has to wait.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from e3_event.spool import _deliveries, _totals
from e3_event.spool._blobs import problem_of
from e3_event.spool._database import NOBODY
from e3_event.spool._deliveries import Delivery
from e3_event.spool._events import CONFIGURED, UNREADABLE, Found, select, small_of
from e3_event.spool._pending import is_untold, owed
from e3_event.spool._stored import captured_in
from e3_event.spool._subscriptions import Range, audience_checksum, audiences, checked, has_origin

from ._findings import Finding, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from ._findings import Progress

#: Events and deliveries that are read at once.
CHUNK = 500


class Seen(NamedTuple):
    """What has to be known of other rows to judge one.

    :ivar folder: path of `blobs/`
    :ivar members: of the audiences, by their id; `None`: damaged
    """

    folder: str
    members: dict[int, str | None]


@contextlib.contextmanager
def moment(connection: apsw.Connection) -> Iterator[None]:
    """Let all that is read inside be of one moment."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def known_members(connection: apsw.Connection) -> dict[int, str | None]:
    """The members of all audiences by their id; `None` for a damaged one."""
    try:
        known = audiences(connection)
    except UNREADABLE:
        known = {}
    return {**known, NOBODY: "", CONFIGURED.id: CONFIGURED.members}


def inspect_small_tables(connection: apsw.Connection) -> Iterator[Finding]:
    """The tables `spool`, `audience`, `subscription` and `damage`."""
    for part in (_totals_row, _audiences, _subscriptions, inspect_damage):
        try:
            with moment(connection):
                found = list(part(connection))
        except UNREADABLE as error:
            found = [Finding(Kind.DATABASE, f"a part of it can't be read: {error}")]
        yield from found


def _totals_row(connection: apsw.Connection) -> Iterator[Finding]:
    found = _totals.read(connection)
    if found is None or not found[1]:
        yield Finding(Kind.TOTALS, "the record of the whole spool is damaged")
        return
    blob_bytes = connection.execute("SELECT coalesce(sum(blob_bytes), 0) FROM event").get
    if blob_bytes != found[0].blob_bytes:
        noted = found[0].blob_bytes
        yield Finding(Kind.TOTALS, f"attachments take {blob_bytes} bytes, but {noted} are noted")
    missing = connection.execute("SELECT coalesce(max(seq), 0) - count(*) FROM event").get - found[0].gone
    if missing:
        holes = gaps(connection) or [Range(0, 0)]
        what = f"{missing} of the events, {holes[0].first} to {holes[-1].last}, are missing"
        yield Finding(Kind.MISSING, what, (missing,))


def gaps(connection: apsw.Connection) -> list[Range]:
    """The numbers up to the newest that no event has."""
    rows: Any = connection.execute(
        "SELECT before + 1, seq - 1 FROM (SELECT seq, lag(seq, 1, 0) OVER (ORDER BY seq) before FROM event)"
        " WHERE seq > before + 1"
    )
    return [Range(first, last) for first, last in rows]


def _audiences(connection: apsw.Connection) -> Iterator[Finding]:
    stored: Any = connection.execute("SELECT * FROM audience")
    known = audiences(connection)
    for number, members, checksum in stored.fetchall():
        intact = known[number]
        if intact is None or (members, checksum) != (intact, audience_checksum(number, intact)):
            copy = "" if intact is None else "; its copy in the index is not"
            yield Finding(Kind.AUDIENCE, f"the record of audience {number} is damaged{copy}", (number,))


def _subscriptions(connection: apsw.Connection) -> Iterator[Finding]:
    rows: Any = connection.execute("SELECT * FROM subscription")
    for row in rows.fetchall():
        subscription = checked(row)
        if subscription is None or not has_origin(row) or row[3] != subscription.lane.since:
            what = f"the record of how far the handler {row[1]!r} has come is damaged"
            yield Finding(Kind.HANDLER, what, (row[0],))


def inspect_damage(connection: apsw.Connection) -> Iterator[Finding]:
    """The table `damage`."""
    rows: Any = connection.execute("SELECT id, what FROM damage ORDER BY id")
    for number, what in rows.fetchall():
        yield Finding(Kind.LOST, f"noted before: {what}", (number,))


def inspect_events(
    connection: apsw.Connection, folder: str, progress: Progress, in_use: set[str]
) -> Iterator[Finding]:
    """The tables `event` and `attachment`, and the attachments in *folder*.

    :param in_use: gets the ids of the snapshots that have attachments there
    """
    after, newest = -math.inf, _newest(connection)
    while True:
        with moment(connection):
            seen = Seen(folder, known_members(connection))
            chunk = _chunk(connection, after)
            found = [problem for one in chunk if (problem := _problem(connection, seen, one))]
            in_use.update(one.snapshot_id for one in chunk if isinstance(one, Found) and one.blob_bytes)
            found += _stray_attachments(connection, after, _seq(chunk[-1]) if chunk else None)
        for finding in found:
            yield from _still(connection, folder, finding)
        if not chunk:
            return
        if _seq(chunk[-1]) <= after:
            yield Finding(Kind.DATABASE, "events do not lie in their order")
            return
        after = _seq(chunk[-1])
        progress("events", min(int(after), newest), newest)


def _newest(connection: apsw.Connection) -> int:
    try:
        return connection.execute("SELECT max(seq) FROM event").get or 0
    except UNREADABLE:
        return 0


def _chunk(connection: apsw.Connection, after: float) -> list[Found | int]:
    """Some events behind one, in their order; of one that can't be read, its seq."""
    try:
        return [*select(connection, "WHERE seq > ? ORDER BY seq LIMIT ?", (after, CHUNK))]
    except UNREADABLE:
        pass
    try:
        rows: Any = connection.execute(
            "SELECT seq FROM event INDEXED BY sqlite_autoindex_event_1 WHERE seq > ?", (after,)
        ).fetchall()
    except UNREADABLE:
        return []
    return [read_event(connection, seq) for seq in sorted(seq for (seq,) in rows)[:CHUNK]]


def read_event(connection: apsw.Connection, seq: int) -> Found | int:
    """An event; its seq if it can't be read."""
    try:
        return next(iter(select(connection, "WHERE seq = ?", (seq,))), seq)
    except UNREADABLE:
        return seq


def _seq(found: Found | int) -> int:
    return found if isinstance(found, int) else found.seq


def _problem(connection: apsw.Connection, seen: Seen, found: Found | int) -> Finding | None:
    what = problem_of_event(connection, seen, found)
    if not what:
        return None
    seq = _seq(found)
    named = "" if isinstance(found, int) else f" ({found.snapshot_id})"
    return Finding(Kind.EVENT, f"event {seq}{named}: {what}", (seq,))


def problem_of_event(connection: apsw.Connection, seen: Seen, found: Found | int) -> str:
    """What is wrong with an event; empty: nothing."""
    if isinstance(found, int):
        return "its record can't be read"
    try:
        small = small_of(connection, found)
    except (TypeError, *UNREADABLE):
        return "its small attachments can't be read"
    if not found.is_intact(seen.members.get(found.audience), small):
        return "its record is damaged: its checksum does not fit"
    if not found.blob_bytes:
        return ""
    try:
        kept = captured_in(found.body)
    except msgspec.MsgspecError as error:
        return f"its record can't be understood: {error}"
    for captured in kept:
        if captured.file and (problem := problem_of(seen.folder, found.snapshot_id, captured)):
            return f"its attachment {captured.name!r} is {problem}"
    return ""


def _stray_attachments(connection: apsw.Connection, after: float, last: int | None) -> list[Finding]:
    sql = (
        "SELECT DISTINCT seq FROM attachment WHERE seq > ? AND seq <= ?"
        " AND NOT EXISTS (SELECT 1 FROM event WHERE event.seq = attachment.seq)"
    )
    try:
        rows: Any = connection.execute(sql, (after, math.inf if last is None else last)).fetchall()
    except UNREADABLE:
        return []
    return [
        Finding(Kind.ATTACHMENT, f"attachments of event {seq}, which is not there", (seq,)) for (seq,) in rows
    ]


def _still(connection: apsw.Connection, folder: str, finding: Finding) -> Iterator[Finding]:
    """Look again: meanwhile the event may have been purged, with the folder of its attachments."""
    if finding.kind is not Kind.EVENT:
        yield finding
        return
    (seq,) = finding.key
    with moment(connection):
        seen = Seen(folder, known_members(connection))
        found = read_event(connection, int(seq))
        is_gone = isinstance(found, int) and _is_absent(connection, found)
        again = None if is_gone else _problem(connection, seen, found)
    if again is not None:
        yield again


def _is_absent(connection: apsw.Connection, seq: int) -> bool:
    try:
        return connection.execute("SELECT 1 FROM event WHERE seq = ?", (seq,)).fetchone() is None
    except UNREADABLE:
        return False


def inspect_deliveries(connection: apsw.Connection, progress: Progress) -> Iterator[Finding]:
    """The table `delivery`."""
    after: tuple[float, float] = (-math.inf, -math.inf)
    newest = _newest(connection)
    sql = (
        "SELECT *, EXISTS (SELECT 1 FROM event e WHERE e.seq = d.seq),"
        " EXISTS (SELECT 1 FROM subscription s WHERE s.id = d.subscription) FROM delivery d"
        " WHERE (seq, subscription) > (?, ?) ORDER BY seq, subscription LIMIT ?"
    )
    while True:
        try:
            rows: Any = connection.execute(sql, (*after, CHUNK)).fetchall()
        except UNREADABLE as error:
            yield Finding(Kind.DATABASE, f"the records of deliveries can't be read: {error}")
            return
        if not rows:
            return
        for row in rows:
            yield from _delivery(row)
        if rows[-1][:2] <= after:
            yield Finding(Kind.DATABASE, "the records of deliveries do not lie in their order")
            return
        after = rows[-1][:2]
        progress("deliveries", min(int(after[0]), newest), newest)


def _delivery(row: tuple[Any, ...]) -> Iterator[Finding]:
    seq, number = row[:2]
    which = f"the delivery of event {seq} to handler {number}"
    if not _deliveries.is_intact(row[: len(Delivery._fields) + 1]):
        yield Finding(Kind.DELIVERY, f"the record of {which} is damaged", (seq, number))
    elif not row[-2]:
        yield Finding(Kind.DELIVERY, f"{which}, which is not there", (seq, number))
    elif not row[-1]:
        yield Finding(Kind.DELIVERY, f"{which}, whose record is not there", (seq, number))


def inspect_accounts(connection: apsw.Connection, progress: Progress) -> Iterator[Finding]:
    """Is it known of each event what became of it with each handler that it was owed to?"""
    first, newest = 1, _newest(connection)
    try:
        first = connection.execute("SELECT min(seq) FROM event").get or 1
        while first <= newest:
            part = Range(first, first + 10 * CHUNK - 1)
            with moment(connection):
                found = list(_unaccounted(connection, part))
            yield from found
            first = part.last + 1
            progress("accounts", min(first, newest), newest)
    except UNREADABLE as error:
        yield Finding(Kind.DATABASE, f"what became of events can't be read: {error}")


def _unaccounted(connection: apsw.Connection, part: Range) -> Iterator[Finding]:
    rows: Any = connection.execute("SELECT * FROM subscription").fetchall()
    for row in rows:
        subscription = checked(row)
        if subscription is None or subscription.lane.forgotten:
            continue
        number, key, lane = subscription
        open_ones = owed(connection, subscription, part, -1)
        lost = [seq for seq in open_ones if seq > lane.since and not is_untold(lane, seq)]
        if lost:
            which = f"event {lost[0]}" if len(lost) == 1 else f"{len(lost)} events, {lost[0]} to {lost[-1]},"
            what = f"nothing says what became of {which} with the handler {key.name!r}"
            yield Finding(Kind.UNKNOWN, what, (number, *lost))
