"""Which deliveries go out next: what is new, what is to be tried again, what waited behind the new."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from . import _deliveries
from ._database import NOBODY
from ._deliveries import Delivery, State
from ._events import CONFIGURED, UNREADABLE, recent, select, select_within, size_of, small_of
from ._pending import NOT_KNOWN, is_untold, open_deliveries, owed
from ._subscriptions import Range, audiences, owed_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from ._database import Database
    from ._events import Found
    from ._subscriptions import Subscription

#: Bytes that are out at once, about; a single event may have more.
MOST_BYTES = 8 << 20


class Choice:
    """One choice of what goes out, within a transaction; the lane is changed, and has to be saved.

    :param database: where damage is reported
    :param connection: of the transaction
    :param mine: the subscription
    :param now: seconds since the epoch
    :param strict: nothing overtakes what could not be delivered
    """

    def __init__(
        self, database: Database, connection: apsw.Connection, mine: Subscription, now: float, *, strict: bool
    ) -> None:
        self._database = database
        self._connection = connection
        self._mine = mine
        self._now = now
        self._strict = strict
        self._room = MOST_BYTES  # bytes that may be taken besides

    def first(self, snapshot_id: str) -> list[Found | int]:
        """Choose one snapshot, if nothing but its place in the queue keeps it from going out."""
        try:
            found = recent(self._connection, snapshot_id)
        except UNREADABLE:  # another one, perhaps
            return []
        if self._strict or found is None or not is_untold(self._mine.lane, found.seq):
            return []
        if not owed(self._connection, self._mine, Range(found.seq, found.seq), 1):
            return []
        loan = Delivery(found.seq, self._mine.id, State.LOAN, 0, 0, self._now, self._now)
        _deliveries.write(self._connection, [loan])
        return [found]

    def take(
        self, limit: int, *, alone: bool, new_first: bool
    ) -> tuple[list[Found | int], dict[int, Delivery]]:
        """Choose what goes out, and write that down.

        :param limit: how many at most
        :param alone: whether what was out when its worker died may be taken (one at a time)
        :param new_first: if only one goes out, a new one does
        :return: the events; and what is known of those that were tried before, by their seq
        """
        self._mine.lane.loan = []
        fresh: list[Found | int] = []
        again = self._due(limit, alone)
        self._room = MOST_BYTES // 2 if again else MOST_BYTES
        is_blocked = bool(again) and bool(again[0].crashes)
        if self._strict:
            is_blocked = bool(again or open_deliveries(self._connection, self._mine.id, State.AGAIN, limit=1))
            if not is_blocked:
                fresh = self._old(limit)
        if not (is_blocked or (self._strict and self._mine.lane.backlog)):
            share = (limit + (not new_first)) // 2
            fresh += self._new(limit - len(fresh) - min(len(again), share))
            again = again[: limit - len(fresh)]
        taken = [*fresh, *(self._again(again) if again else ())]
        if self._mine.lane.backlog and not (is_blocked or self._strict):
            known = set(map(seq_of, fresh))  # a replay may want what is new, too
            old = self._old(limit - len(taken))
            taken += [found for found in old if seq_of(found) not in known]
        return taken, {one.seq: one for one in again}

    def _own(self, whose: Sequence[str], again: Delivery) -> Found | int | None:
        """The event of a delivery, or its seq if it can't be read.

        :param whose: the audiences that this subscription is a member of
        :return: `None`: it was never owed to this one. So it may look where a damaged record names another
            event or subscription than it did; that is removed, and `fsck` finds out whose it was
        """
        found = _event(self._connection, again.seq)
        if isinstance(found, int) or str(found.audience) in whose:
            return found
        known = {CONFIGURED.id: CONFIGURED.members, NOBODY: ""}.get(found.audience)
        if known is None:
            known = audiences(self._connection).get(found.audience)
        if found.stands_in or not found.is_intact(known, small_of(self._connection, found)):
            return found
        self._connection.execute(
            "DELETE FROM delivery WHERE seq = ? AND subscription = ?", (again.seq, again.subscription)
        )
        self._database.report_damage(f"the record of a delivery of event {again.seq} named the wrong handler")
        return None

    def _due(self, limit: int, alone: bool) -> list[Delivery]:
        """What is to be tried again now. What was out when its worker died goes alone, and before others."""
        order = "seq" if self._strict else "due"
        found = open_deliveries(self._connection, self._mine.id, State.AGAIN, order=order, limit=limit)
        if self._strict:
            found = list(takewhile(lambda one: one.due <= self._now, found))
            if not (found and found[0].crashes):
                return list(takewhile(lambda one: not one.crashes, found))
            return found[:1] if alone else []
        due = [one for one in found if one.due <= self._now]
        suspects = [one for one in due if one.crashes]
        if suspects and alone:
            return suspects[:1]
        return [one for one in due if not one.crashes] if suspects else due

    def _again(self, again: Sequence[Delivery]) -> list[Found | int]:
        """Take what is to be tried again, as far as there is room for it."""
        self._room = MOST_BYTES - max(MOST_BYTES // 2 - self._room, 0)
        whose = owed_to(self._connection, self._mine).split(",")
        taken: list[Found | int] = []
        for one in again:
            found = self._own(whose, one)
            if found is None:
                continue
            _deliveries.write(self._connection, [one._replace(state=State.LOAN, updated=self._now)])
            taken.append(found)
            self._room -= 0 if isinstance(found, int) else size_of(self._connection, found)
            if self._room < 0:
                break
        return taken

    def _new(self, limit: int) -> list[Found | int]:
        lane, newest = self._mine.lane, self._database.newest()
        if limit <= 0 or lane.cursor >= newest:
            return []
        found, reached = self._scan(Range(lane.cursor + 1, newest), limit)
        lane.loan.append(Range(lane.cursor + 1, reached))
        lane.cursor = reached
        return found

    def _old(self, limit: int) -> list[Found | int]:
        lane = self._mine.lane
        found: list[Found | int] = []
        while lane.backlog and len(found) < limit and self._room >= 0:
            first, last = lane.backlog[0]
            part, reached = self._scan(Range(first, last), limit - len(found))
            found += part
            lane.loan.append(Range(first, reached))
            rest = [Range(reached + 1, last)] if reached < last else []
            lane.backlog = [*rest, *lane.backlog[1:]]
            if rest:
                break
        return found

    def _scan(self, part: Range, limit: int) -> tuple[list[Found | int], int]:
        """Read the events of a range that are owed, at most so many; of one that can't be read, its seq.

        :return: these, and up to where the range is read
        """
        audiences = owed_to(self._connection, self._mine)
        where = f"WHERE seq BETWEEN ? AND ? AND audience IN ({audiences}) {NOT_KNOWN} ORDER BY seq LIMIT ?"
        values = (*part, self._mine.id, limit)
        found: list[Found | int]
        try:
            events, self._room = select_within(self._connection, where, values, max(self._room, 0))
            found = [*events]
        except UNREADABLE:
            found = [_event(self._connection, seq) for seq in owed(self._connection, self._mine, part, limit)]
        is_all = len(found) < limit and self._room >= 0
        return found, part.last if is_all else seq_of(found[-1])


def seq_of(found: Found | int) -> int:
    """The number of an event, which may be all that is known of it."""
    return found if isinstance(found, int) else found.seq


def _event(connection: apsw.Connection, seq: int) -> Found | int:
    """An event, or its seq if it can't be read."""
    try:
        return next(iter(select(connection, "WHERE seq = ?", (seq,))), seq)
    except UNREADABLE:
        return seq
