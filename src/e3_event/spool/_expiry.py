"""Giving up what has waited too long behind a sink that does not come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _deliveries
from ._deliveries import OPEN, Delivery, State
from ._pending import owed
from ._subscriptions import Range

if TYPE_CHECKING:
    import apsw

    from ._subscriptions import Lane, Subscription

#: Events that are looked at with one commit.
_SPAN = 2000


def expire(
    connection: apsw.Connection, mine: Subscription, seq: int, due: float, reason: str, now: float
) -> tuple[int, bool]:
    """Make dead letters of some of what waits; the lane is changed, and has to be saved.

    :param seq: of events up to this one
    :param due: those that were tried before only if they might have been tried again since this time
    :return: how many; and whether there may be more
    """
    found = _again(connection, mine.id, seq, due)
    untried = [] if found else _untried(connection, mine, seq)
    if untried is None:
        return 0, False
    dead = [one._replace(state=State.DEAD, updated=now, reason=reason) for one in found]
    dead += [Delivery(one, mine.id, State.DEAD, 0, 0, now, now, reason=reason) for one in untried]
    _deliveries.write(connection, dead)
    return len(dead), True


def _again(connection: apsw.Connection, number: int, seq: int, due: float) -> list[Delivery]:
    """What waits for another try, and has for long."""
    condition = (
        f"WHERE subscription = ? AND state = {int(State.AGAIN)} AND {OPEN} AND due < ? AND seq <= ? LIMIT ?"
    )
    return _deliveries.read(connection, condition, (number, due, seq, _SPAN))


def _untried(connection: apsw.Connection, mine: Subscription, seq: int) -> list[int] | None:
    """Take some of what was never tried out of the lane; `None`: there is nothing of it."""
    part = _next(mine.lane, seq)
    return None if part is None else owed(connection, mine, part, -1)


def _next(lane: Lane, seq: int) -> Range | None:
    """Take some events up to *seq* out of the lane: of the backlog, else of those that are new."""
    for place, (first, last) in enumerate(lane.backlog):
        if first <= seq:
            part = Range(first, min(last, seq, first + _SPAN - 1))
            rest = [Range(part.last + 1, last)] if part.last < last else []
            lane.backlog = [*lane.backlog[:place], *rest, *lane.backlog[place + 1 :]]
            return part
    if lane.cursor >= seq:
        return None
    part = Range(lane.cursor + 1, min(seq, lane.cursor + _SPAN))
    lane.cursor = part.last
    return part
