"""Search for events of a spool: the newest first, by what they hold and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._database import NOBODY
from ._deliveries import State
from ._events import UNREADABLE
from ._filter import body_fits, condition, standing_fits
from ._hits import read_hits, unreadable
from ._pending import untold
from ._standings import Standings, is_called, members
from ._subscriptions import Range
from ._walk import first_since, open_seqs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import apsw

    from ._database import Database
    from ._filter import Filter
    from ._hits import Hit
    from ._standings import Member

#: Events that are looked at with one read: at first, and at most. A read that takes long keeps the WAL long.
_FIRST_SPAN, _SPAN = 256, 4096
#: Bytes of them that are looked at with one read, about.
_BYTES = 8 << 20
#: Events that are shown with one read.
_SHOWN = 100
#: Reads, in all, that find out what is readable around pages of the database that are damaged.
_TRIES = 20_000
#: A clock that was set back by a little may have put so many events too low.
_DISORDER = 1000
#: Something that was found: the seq of an event, or a range in which nothing can be read.
_Item = int | Range


class Search:
    """One search through the events of a spool, the newest first.

    It reads in pieces, so that no read of it lasts long; what is put meanwhile is not looked at.

    :param progress: is called now and then: how many events were looked at, of how many
    """

    def __init__(
        self, database: Database, wanted: Filter, progress: Callable[[int, int], None] | None = None
    ) -> None:
        self._database = database
        self._wanted = wanted
        self._progress = progress
        self._tries = _TRIES
        with database.reading() as connection:
            newest = min(database.newest(), wanted.until or database.newest())
            first = max(1, first_since(connection, wanted.since) - _DISORDER) if wanted.since else 1
            chosen = [
                one for one in members(connection) if not wanted.handler or is_called(one.key, wanted.handler)
            ]
            self._sql, self._values = condition(connection, wanted, chosen)
        self._parts = self._choose(Range(first, newest), chosen)

    def hits(self, limit: int | None) -> Iterator[Hit]:
        """Yield at most so many."""
        total = sum(last - first + 1 for first, last in self._parts)
        looked_at = 0
        for part in reversed(self._parts):
            high, span = part.last, _FIRST_SPAN
            while high >= part.first:
                low = max(part.first, high - span + 1)
                items, low = self._match(Range(low, high), limit)
                for hit in self._read(items):
                    yield hit
                    if limit is not None and (limit := limit - 1) <= 0:
                        return
                looked_at += high - low + 1
                high, span = low - 1, min(2 * span, _SPAN)
                if self._progress:
                    self._progress(looked_at, total)
                if self._tries <= 0 and high >= part.first:
                    yield unreadable(Range(part.first, high))
                    return

    def _choose(self, all_: Range, chosen: Sequence[Member]) -> list[Range]:
        """Where to look, oldest first."""
        state = self._wanted.state
        if state in ("waiting", "again", "dead") and not any(one.lane is None for one in chosen):
            states = {"waiting": State.LOAN, "again": State.AGAIN, "dead": State.DEAD}
            with self._database.reading():
                newest = self._database.newest()
                parts = [
                    part
                    for one in chosen
                    if state == "waiting" and one.lane
                    for part in untold(one.lane, newest)
                ]
            for one in chosen:
                parts += [Range(seq, seq) for seq in open_seqs(self._database, one.id, states[state])]
        else:
            parts = [all_]
        return _merged(Range(max(part.first, all_.first), min(part.last, all_.last)) for part in parts)

    def _match(self, part: Range, limit: int | None) -> tuple[list[_Item], int]:
        """The events of a range that fit, the newest first.

        :return: and down to which seq it was looked
        """
        try:
            with self._database.reading() as connection:
                return self._scan(connection, part, limit)
        except _Damaged:
            return self._scan_around(part), part.first

    def _scan(self, connection: apsw.Connection, part: Range, limit: int | None) -> tuple[list[_Item], int]:
        wanted = self._wanted
        body = "body" if wanted.needs_body else "NULL"
        most = -1 if limit is None or wanted.needs_body or wanted.needs_standings else limit
        rows: list[Any] = []
        size, low = 0, part.first
        try:
            for row in connection.execute(
                f"SELECT seq, audience, {body} FROM event WHERE seq BETWEEN ? AND ? AND audience <> {NOBODY}"
                f" {self._sql} ORDER BY seq DESC LIMIT {most}",
                (*part, *self._values),
            ):
                size += len(row[2] or b"")
                if not wanted.needs_body or body_fits(row[2], wanted):
                    rows.append(row[:2])
                if size > _BYTES or len(rows) == most:
                    low = row[0]
                    break
            if wanted.needs_standings:
                standings = Standings(connection).of(rows)
                rows = [row for row in rows if standing_fits(standings[row[0]], wanted)]
        except UNREADABLE as error:
            raise _Damaged from error
        return [seq for seq, _ in rows], low

    def _scan_around(self, part: Range) -> list[_Item]:
        """Likewise where something can't be read: that is found, too."""
        self._tries -= 1
        try:
            with self._database.reading() as connection:
                items, low = self._scan(connection, part, None)
            return items + (self._scan_around(Range(part.first, low - 1)) if low > part.first else [])
        except _Damaged:
            if part.first == part.last:
                return [part]
        middle = (part.first + part.last) // 2
        above = self._scan_around(Range(middle + 1, part.last))
        below = self._scan_around(Range(part.first, middle))
        if above and below and isinstance(top := above[-1], Range) and isinstance(below[0], Range):
            below[0] = Range(below[0].first, top.last)
            above.pop()
        return above + below

    def _read(self, items: Sequence[_Item]) -> Iterator[Hit]:
        for start in range(0, len(items), _SHOWN):
            some = items[start : start + _SHOWN]
            with self._database.reading() as connection:
                hits = {
                    hit.seq: hit
                    for hit in read_hits(connection, [one for one in some if isinstance(one, int)])
                }
            for one in some:
                if isinstance(one, Range):
                    yield unreadable(one)
                elif one in hits:  # it may have been removed meanwhile
                    yield hits[one]


class _Damaged(Exception):  # noqa: N818  never leaves this file
    """Something in a range can't be read."""


def _merged(parts: Iterator[Range]) -> list[Range]:
    """The same events, and what lies between near ones, each of them in one range only, oldest first."""
    merged: list[Range] = []
    for first, last in sorted(part for part in parts if part.first <= part.last):
        if merged and first <= merged[-1].last + _FIRST_SPAN:
            merged[-1] = Range(merged[-1].first, max(last, merged[-1].last))
        else:
            merged.append(Range(first, last))
    return merged
