"""What one subscription is owed, as its worker takes it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from e3_event._codec import as_text
from e3_event._errors import SpoolError
from e3_event._ids import unique_id

from . import _deliveries
from ._blobs import Blobs
from ._choice import Choice
from ._deliveries import OPEN, Delivery, State
from ._expiry import expire
from ._pending import open_deliveries, owed, pending
from ._subscriptions import LEASE, Range, load, save
from ._taken import Unpacker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import apsw

    from ._database import Database
    from ._events import Found
    from ._subscriptions import Lane, Subscription, Subscriptions
    from ._taken import Taken

#: A delivery that was out at so many deaths of its worker is given up.
MOST_CRASHES = 3
#: A time that lies so far (seconds) ahead was written by a clock that has been set back since.
_CLOCK_SLACK = 60.0


class LeaseLostError(SpoolError):
    """Somebody else serves this subscription now: what this worker had out is not its own any more."""


class Standing(NamedTuple):
    """How a snapshot stands with a subscription.

    :ivar delivery: what became of it; `None`: nothing yet
    :ivar lane: how far the subscription has come
    """

    delivery: Delivery | None
    lane: Lane


class Queue:
    """What one subscription is owed, as its worker takes it: under a lease, in batches, with one commit each.

    What is out with a worker is written down. If the worker dies, another one gets it, one by one, so that
    an event that kills its worker is found out and given up after `MOST_CRASHES`. A worker that slept past
    its lease can't change anything any more.

    :param number: id of the subscription
    :param clock: seconds since the epoch
    :param strict: nothing overtakes what could not be delivered
    :ivar unpacker: makes snapshots of what was taken
    :ivar newest: the newest event (its seq) when it was last looked for what to take
    :ivar has_suspects: whether something waits, or did when the lease was taken, that was out when its worker
        died
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        subscriptions: Subscriptions,
        number: int,
        clock: Callable[[], float],
        *,
        strict: bool = False,
    ) -> None:
        self._database = database
        self._clock = clock
        #: Files that it writes for handlers are its own.
        self.unpacker = Unpacker(database, Blobs(blobs.folder), subscriptions, clock)
        self._token = ""
        self._until = 0.0
        self._is_turn_of_new = False
        self.number = number
        self.strict = strict
        self.newest = 0
        self.has_suspects = False

    def acquire(self) -> bool:
        """Take the lease, if nobody else holds it. What a worker that died had out comes back.

        :return: whether this worker has it now
        :raises SpoolError: the spool can't be used
        """
        token = unique_id()
        with self._database.writing() as connection:
            now = self._clock()
            mine = load(connection, self.number)
            if mine.lane.is_served(now) or mine.lane.forgotten:
                return False
            self.has_suspects = self._return_lost(connection, mine, now)
            mine.lane.backlog = self._behind_new(mine, 0)
            self._renew(connection, mine, token, now)
        self._token = token
        return True

    def turn(
        self,
        done: Sequence[Delivery],
        limit: int = 0,
        *,
        note: Callable[[Lane], None] | None = None,
        first: str | None = None,
        alone: bool = True,
    ) -> list[Taken]:
        """Write down what became of deliveries and take further ones, both or neither.

        :param done: with those of earlier calls since the last taking, all that was taken if *limit* is not 0
        :param limit: how many to take at most
        :param note: changes what is known of the sink
        :param first: take this snapshot before any other, if it is owed
        :param alone: whether what was out when its worker died may be taken (one at a time)
        :return: new events in the order they were accepted, then those that are to be tried again, then what
            waited behind the new ones; in strict order, all as they were accepted
        :raises LeaseLostError: nothing is written
        :raises SpoolError: the spool can't be used
        """
        with self._database.writing() as connection:
            now = self._clock()
            mine = self._mine(connection)
            _write_down(connection, mine.lane, done, note)
            chosen: list[Found | int] = []
            again: dict[int, Delivery] = {}
            if limit:
                self.newest = self._database.newest()
                choice = Choice(self._database, connection, mine, now, strict=self.strict)
                chosen = choice.first(first) if first else []
                if not chosen:
                    self._is_turn_of_new = not self._is_turn_of_new
                    chosen, again = choice.take(limit, alone=alone, new_first=self._is_turn_of_new)
            self._renew(connection, mine, self._token, now)
        return self.unpacker.unpack(chosen, again) if chosen else []

    def catch_up(self) -> None:
        """Let new events go ahead of what waits now, as after an outage; not if the order is strict.

        The last ones count as new: they may have been put since the sink came back, which is only noticed
        when it is tried.
        """
        with self._database.writing() as connection:
            mine = self._mine(connection)
            mine.lane.backlog = self._behind_new(mine, _LIVE)
            save(connection, mine)

    def expire(self, seq: int, due: float, reason: str) -> tuple[int, bool]:
        """Make dead letters of some of what waits, with one commit; to be called until there is no more.

        What is out stays with its worker.

        :param seq: of events up to this one
        :param due: those that were tried before only if they might have been tried again since this time
        :return: how many; and whether there may be more
        :raises LeaseLostError: nothing is written
        """
        with self._database.writing() as connection:
            now = self._clock()
            mine = self._mine(connection)
            newest = self._database.newest()
            found = expire(connection, mine, min(seq, newest), due, reason, now)
            self._renew(connection, mine, self._token, now)
        return found

    def renew(self) -> None:
        """Keep the lease.

        :raises LeaseLostError: it is lost
        """
        with self._database.writing() as connection:
            self._renew(connection, self._mine(connection), self._token, self._clock())

    def release(self, done: Sequence[Delivery] = (), *, note: Callable[[Lane], None] | None = None) -> None:
        """Write down what became of deliveries; give back what else is out, untried, and the lease.

        :param note: changes what is known of the sink
        :raises LeaseLostError: there is nothing to give back any more
        """
        with self._database.writing() as connection:
            now = self._clock()
            mine = self._mine(connection)
            lane = mine.lane
            _write_down(connection, lane, done, note)
            known = open_deliveries(connection, self.number, State.LOAN)
            back = [d._replace(state=State.AGAIN, due=now, updated=now) for d in known]
            _deliveries.write(connection, back)
            for part in reversed(lane.loan):  # what was never tried gets its place in the order back
                untried = owed(connection, mine, part, 1)  # nobody else knows, if a commit raised but stands
                if untried and part.last == lane.cursor:
                    lane.cursor = untried[0] - 1
                elif untried:
                    lane.backlog = [Range(untried[0], part.last), *lane.backlog]
            lane.loan, lane.lease, lane.seen = [], "", now
            save(connection, mine)
        self._token = ""

    @property
    def has_lease(self) -> bool:
        """Is the lease ours, as far as is known?"""
        return bool(self._token)

    def may_be_lost(self, now: float) -> bool:
        """Is it so long since the lease was renewed that somebody else may have it?"""
        return not now < self._until <= now + 2 * LEASE

    def ready(self) -> tuple[bool, float]:
        """Look whether there is anything to take, without a commit.

        :return: whether there is; and when the next delivery is to be tried again (seconds since the epoch,
            infinite if there is none)
        """
        order = "seq" if self.strict else "due"
        with self._database.reading() as connection:
            again = open_deliveries(connection, self.number, State.AGAIN, order=order, limit=1)
            due = again[0].due if again else math.inf
            if due <= self._clock():
                return True, due
            if again and self.strict:
                return False, due
            mine = load(connection, self.number)
            newest = self._database.newest()
            new = Range(mine.lane.cursor + 1, newest)
            is_ready = (
                bool(mine.lane.backlog)
                or newest - mine.lane.cursor > _FAR
                or (new.first <= new.last and bool(owed(connection, mine, new, 1)))
            )
        return is_ready, due

    def is_empty(self) -> bool:
        """Is nothing owed, not even later?"""
        with self._database.reading() as connection:
            mine = load(connection, self.number)
            return not pending(connection, mine, self._database.newest(), 1)

    def left(self) -> int:
        """How many events are still owed, at most: those that are owed to others only count as well."""
        with self._database.reading() as connection:
            lane = load(connection, self.number).lane
            waits = f"WHERE subscription = ? AND state = {int(State.AGAIN)} AND {OPEN}"
            again = connection.execute(f"SELECT count(*) FROM delivery {waits}", (self.number,)).get
            new = 0 if lane.forgotten else max(self._database.newest() - lane.cursor, 0)
        return int(again) + new + sum(last - first + 1 for first, last in lane.backlog)

    def standing(self, uid: str, snapshot_id: str) -> Standing:
        """What has become of a snapshot."""
        with self._database.reading() as connection:
            mine = load(connection, self.number)
            found = _deliveries.read(
                connection,
                "WHERE subscription = ? AND seq = (SELECT seq FROM event WHERE uid = ? AND snapshot_id = ?)",
                (self.number, as_text(uid), snapshot_id),
            )
        return Standing(found[0] if found else None, mine.lane)

    def lane(self) -> Lane:
        """How far it has come, as of now.

        :raises SpoolError: its record is damaged
        """
        with self._database.reading() as connection:
            return load(connection, self.number).lane

    def _mine(self, connection: apsw.Connection) -> Subscription:
        mine = load(connection, self.number)
        if not self._token or mine.lane.lease != self._token:
            self._token = ""
            raise LeaseLostError(f"another worker serves {mine.key.name} now", self._database.path)
        return mine

    def _renew(self, connection: apsw.Connection, mine: Subscription, token: str, now: float) -> None:
        mine.lane.lease, mine.lane.until, mine.lane.seen = token, now + LEASE, now
        save(connection, mine)
        self._until = mine.lane.until

    def _return_lost(self, connection: apsw.Connection, mine: Subscription, now: float) -> bool:
        """Bring back what was out with a worker that died, and what waits for a time that never comes.

        :return: whether something waits that was out when its worker died
        """
        lost = list(open_deliveries(connection, self.number, State.LOAN))
        for loan in mine.lane.loan:
            new = owed(connection, mine, loan, -1)
            lost += [Delivery(seq, self.number, State.LOAN, 0, 0, now, now) for seq in new]
        mine.lane.loan = []
        _deliveries.write(connection, [_after_crash(delivery, now) for delivery in lost])
        waits = f"WHERE subscription = ? AND state = {int(State.AGAIN)} AND {OPEN}"
        late = _deliveries.read(connection, f"{waits} AND due > ?", (self.number, now))
        _deliveries.write(
            connection,
            [d._replace(due=now, updated=now) for d in late if d.updated > now + _CLOCK_SLACK],
        )
        return bool(_deliveries.read(connection, f"{waits} AND crashes > 0 LIMIT 1", (self.number,)))

    def _behind_new(self, mine: Subscription, live: int) -> list[Range]:
        """The backlog, once what waits now has joined it, but for so many of the newest events.

        Only where more than a batch waits.
        """
        lane, newest = mine.lane, self._database.newest()
        if self.strict or newest - lane.cursor <= _LIVE:
            return lane.backlog
        waiting = Range(lane.cursor + 1, newest - live)
        lane.cursor = newest - live
        return [*lane.backlog, waiting]


#: So many new events are taken in their order, with what waits before them, also after an outage.
_LIVE = 200
#: So many events of others are passed over before that is written down.
_FAR = 1000


def _write_down(
    connection: apsw.Connection, lane: Lane, done: Sequence[Delivery], note: Callable[[Lane], None] | None
) -> None:
    """Write down what became of deliveries, and what is known of the sink."""
    _deliveries.write(connection, done)
    lane.delivered += [delivery.state for delivery in done].count(State.DELIVERED)
    if note is not None:
        note(lane)


def _after_crash(delivery: Delivery, now: float) -> Delivery:
    crashes = delivery.crashes + 1
    if crashes < MOST_CRASHES:
        return delivery._replace(state=State.AGAIN, crashes=crashes, due=now, updated=now)
    return delivery._replace(
        state=State.DEAD,
        crashes=crashes,
        updated=now,
        reason=f"its worker died {crashes} times while it was out",
    )
