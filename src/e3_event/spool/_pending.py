"""What a subscription is still owed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import apsw

from . import _deliveries
from ._deliveries import OPEN, State
from ._subscriptions import Range, owed_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._deliveries import Delivery
    from ._subscriptions import Lane, Subscription

#: Condition on `event`: nothing is known of its delivery to a subscription.
NOT_KNOWN = "AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.seq = event.seq AND d.subscription = ?)"


def untold(lane: Lane, newest: int) -> list[Range]:
    """The ranges of events that are owed unless a row in `delivery` says what became of them."""
    new = [] if lane.forgotten or lane.cursor >= newest else [Range(lane.cursor + 1, newest)]
    return [*lane.loan, *new, *lane.backlog]


def is_untold(lane: Lane, seq: int) -> bool:
    """Is an event owed, unless a row in `delivery` says what became of it?"""
    return any(first <= seq <= last for first, last in untold(lane, seq))


def owed(connection: apsw.Connection, mine: Subscription, part: Range, limit: int) -> list[int]:
    """The events of a range that are owed and of which nothing is known yet, oldest first."""
    audiences = owed_to(connection, mine)
    sql = (
        f"SELECT seq FROM event WHERE seq BETWEEN ? AND ? AND audience IN ({audiences}) {NOT_KNOWN}"
        " ORDER BY seq LIMIT ?"
    )
    try:
        return [seq for (seq,) in connection.execute(sql, (*part, mine.id, limit))]
    except apsw.CorruptError:
        numbers = frozenset(map(int, audiences.split(","))) if audiences else frozenset()
        found = _owed_one_by_one(connection, mine.id, numbers, part)
        return list(found if limit < 0 else itertools.islice(found, limit))


def _owed_one_by_one(
    connection: apsw.Connection, number: int, audiences: frozenset[int], part: Range
) -> Iterator[int]:
    """Likewise, where some of them can't be read: these may be owed to anybody."""
    for seq in _existing(connection, part):
        known = "SELECT 1 FROM delivery WHERE seq = ? AND subscription = ?"
        if connection.execute(known, (seq, number)).fetchone():
            continue
        try:
            row = connection.execute("SELECT audience FROM event WHERE seq = ?", (seq,)).fetchone()
        except apsw.CorruptError:
            yield seq
        else:
            if row and row[0] in audiences:
                yield seq


def _existing(connection: apsw.Connection, part: Range) -> Sequence[int]:
    """The events of a range, read from the index; if that can't be read either, all that may be there."""
    sql = "SELECT seq FROM event INDEXED BY sqlite_autoindex_event_1 WHERE seq BETWEEN ? AND ?"
    try:
        return sorted(seq for (seq,) in connection.execute(sql, tuple(part)))
    except apsw.CorruptError:
        return range(part.first, part.last + 1)


def pending(connection: apsw.Connection, mine: Subscription, newest: int, limit: int) -> list[int]:
    """At most so many of the events that are owed, those that were tried before among them."""
    found = [
        delivery.seq
        for state in (State.LOAN, State.AGAIN)
        for delivery in open_deliveries(connection, mine.id, state, limit=limit)
    ]
    for part in untold(mine.lane, newest):
        if len(found) >= limit:
            break
        found += owed(connection, mine, part, limit - len(found))
    return found[:limit]


def open_deliveries(
    connection: apsw.Connection, number: int, state: State, *, order: str = "seq", limit: int = -1
) -> list[Delivery]:
    """The deliveries of a subscription that are in one of the first three states."""
    condition = f"WHERE subscription = ? AND state = {int(state)} AND {OPEN} ORDER BY {order} LIMIT ?"
    return _deliveries.read(connection, condition, (number, limit))
