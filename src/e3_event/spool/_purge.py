"""What is removed from a spool to make room, and what is given up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _deliveries, _totals
from ._database import NOBODY
from ._deliveries import State
from ._events import CONFIGURED, select, small_of
from ._expiry import expire
from ._key import REFRESH
from ._pending import open_deliveries, untold
from ._room import CHUNK
from ._subscriptions import Lane, audiences, checked, load, members_of, save
from ._walk import first_since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import apsw

    from ._blobs import Blobs
    from ._database import Database
    from ._events import Found
    from ._subscriptions import Subscription, Subscriptions

    Progress = Callable[[int, int], None]


class Purged(NamedTuple):
    """What was removed."""

    events: int = 0
    dead: int = 0  #: dead letters that had to go with them


class Purge:
    """Removes events that nobody is owed any more, and gives up what is owed to handlers that are gone.

    :param clock: seconds since the epoch
    """

    def __init__(
        self, database: Database, blobs: Blobs, subscriptions: Subscriptions, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._subscriptions = subscriptions
        self._clock = clock

    def settled(
        self, before: float, *, unseen: float, most: int | None = None, progress: Progress | None = None
    ) -> Purged:
        """Remove settled events that were put before a time, and give up what is owed to the unseen.

        :param before: seconds since the epoch
        :param unseen: as for `abandon`
        :param most: look at so many at most
        :param progress: is called now and then: how many were looked at, of about how many
        """
        self.abandon(unseen)
        total = self._older(before) if progress else 0
        events = looked_at = 0
        for removed in self.pieces(before, State.DEAD):
            events += removed.events
            looked_at += CHUNK
            if progress:
                progress(min(looked_at, total), total)
            if most is not None and looked_at >= most:
                break
        return Purged(events)

    def abandon(self, unseen: float) -> int:
        """Make dead letters of what is owed to handlers that nobody has served, or put for, since *unseen*.

        Those are only given up if nobody comes for a while after they were missed first: a clock that jumps
        ahead, or a machine that was off for long, must not cost a handler what it is owed.

        :return: their number
        """
        count = 0
        for subscription in self._subscriptions.all():
            if subscription.lane.seen >= unseen or not self._is_missed(subscription):
                continue
            reason = f"abandoned: nobody serves {subscription.key.name} any more"
            is_more = True
            while is_more:
                given, is_more = self._give_up(subscription.id, unseen, reason)
                count += given
        return count

    def _is_missed(self, subscription: Subscription) -> bool:
        """Was it missed a while ago, and not seen since? Else that is noted now."""
        lane, now = subscription.lane, self._clock()
        if lane.seen < lane.missed <= now:
            return now - lane.missed >= REFRESH
        with self._database.writing() as connection:
            mine = load(connection, subscription.id)
            mine.lane.missed = now
            save(connection, mine)
        return False

    def _give_up(self, number: int, unseen: float, reason: str) -> tuple[int, bool]:
        """Make dead letters of some of what a subscription is owed, also of what was out with a dead worker.

        :return: how many; and whether there may be more: not if somebody serves it again
        """
        with self._database.writing() as connection:
            mine, newest, now = load(connection, number), self._database.newest(), self._clock()
            if mine.lane.forgotten or mine.lane.seen >= unseen:
                return 0, False
            lost = open_deliveries(connection, number, State.LOAN)
            _deliveries.write(connection, [one._replace(state=State.AGAIN) for one in lost])
            mine.lane.backlog, mine.lane.loan = [*mine.lane.loan, *mine.lane.backlog], []
            found = expire(connection, mine, newest, math.inf, reason, now)
            save(connection, mine)
        return found

    def pieces(self, before: float, pinned_by: State) -> Iterator[Purged]:
        """Remove events, oldest first; yields after each commit what it removed."""
        after = 0
        while self._is_any_older(before, after):
            with self._database.writing() as connection:
                newest = self._database.newest()
                rows: Any = connection.execute(
                    "SELECT seq, audience, put FROM event WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?",
                    (after, newest, CHUNK),
                ).fetchall()
                if not rows or rows[-1][0] <= after:  # where a page is damaged they may have any number
                    return
                after = rows[-1][0]
                old = [(seq, audience) for seq, audience, put in rows if type(put) is float and put < before]
                doomed = _unowed(connection, old, pinned_by) if old else []
                dead = _remove(connection, doomed) if doomed else 0
            for row in doomed:
                if row.blob_bytes:
                    self._blobs.discard(row.snapshot_id)
            yield Purged(len(doomed), dead)

    def _older(self, before: float) -> int:
        """How many events are that old, about."""
        with self._database.reading() as connection:
            oldest = connection.execute("SELECT min(seq) FROM event").get or 1
            return max(first_since(connection, before) - oldest, 0)

    def _is_any_older(self, before: float, after: int) -> bool:
        """Is any of the next events that old? The others are not asked: they are younger, about."""
        with self._database.reading() as connection:
            oldest = connection.execute(
                "SELECT min(put) FROM (SELECT put FROM event WHERE seq > ? ORDER BY seq LIMIT ?)",
                (after, CHUNK),
            ).get
        return oldest is not None and oldest < before


def _unowed(connection: apsw.Connection, events: Sequence[tuple[int, int]], pinned_by: State) -> list[Found]:
    """Those of *events* (seq and audience, in their order) that nobody is owed any more.

    What is damaged is for `fsck` to judge, and stays.
    """
    known = {NOBODY: "", **audiences(connection), CONFIGURED.id: CONFIGURED.members}
    last = events[-1][0]
    owed = {
        audience: {part for lane in lanes for part in untold(lane, last)}
        for audience, lanes in _owed(connection, known).items()
    }
    wanted = {
        seq
        for seq, audience in events
        if not any(first <= seq <= end for first, end in owed.get(audience, ()))
    }
    if not wanted:
        return []
    span = (min(wanted), max(wanted))
    settled = _deliveries.read(connection, "WHERE seq BETWEEN ? AND ?", span)
    wanted -= {delivery.seq for delivery in settled if delivery.state <= pinned_by}
    rows = select(connection, "WHERE seq BETWEEN ? AND ?", span) if wanted else []
    return [
        row
        for row in rows
        if row.seq in wanted and row.is_intact(known.get(row.audience), small_of(connection, row))
    ]


def _owed(connection: apsw.Connection, known: dict[int, str | None]) -> dict[int, list[Lane]]:
    """Of each audience, how far its members have come; of a damaged one, that it is owed everything."""
    rows: Any = connection.execute("SELECT * FROM subscription")
    everything = Lane(since=0, cursor=0, seen=0.0)
    lanes, configured = {}, []
    for row in rows:
        subscription = checked(row)
        lanes[row[0]] = everything if subscription is None else subscription.lane
        if subscription is None or not subscription.key.fingerprint:
            configured.append(lanes[row[0]])
    owed: dict[int, list[Lane]] = {NOBODY: [], CONFIGURED.id: configured}
    for number, members in known.items():
        if number not in owed:
            ids = lanes.keys() if members is None else members_of(members)
            owed[number] = [lanes[member] for member in ids if member in lanes]
    return owed


def _remove(connection: apsw.Connection, rows: Sequence[Found]) -> int:
    """Remove events and all that is known of them; return how many dead letters were among them."""
    dead = 0
    for seq in [row.seq for row in rows]:
        connection.execute("DELETE FROM event WHERE seq = ?", (seq,))
        connection.execute("DELETE FROM attachment WHERE seq = ?", (seq,))
        dead += connection.execute(
            f"SELECT count(*) FROM delivery WHERE seq = ? AND state = {int(State.DEAD)}", (seq,)
        ).get
        connection.execute("DELETE FROM delivery WHERE seq = ?", (seq,))
    _totals.add(connection, blob_bytes=-sum(row.blob_bytes for row in rows), dropped=dead, gone=len(rows))
    return dead
