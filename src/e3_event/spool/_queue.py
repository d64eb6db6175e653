"""What one subscription is owed, as its worker takes it."""

from __future__ import annotations

import contextlib
import math
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from e3_event._codec import as_text
from e3_event._errors import SpoolError
from e3_event._ids import unique_id

from . import _deliveries
from ._blobs import Blobs
from ._database import NOBODY
from ._deliveries import OPEN, Delivery, State
from ._events import (
    AWAY,
    CONFIGURED,
    UNREADABLE,
    Events,
    recent,
    select,
    select_within,
    size_of,
    small_of,
)
from ._expiry import expire
from ._pending import NOT_KNOWN, is_untold, open_deliveries, owed, pending
from ._stored import decode_snapshot
from ._subscriptions import LEASE, Range, audiences, load, owed_to, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import apsw

    from e3_event._event import Snapshot

    from ._database import Database
    from ._events import Found
    from ._subscriptions import Lane, Subscription, Subscriptions

    #: What goes out: an event, its attempts, its crashes, since when it might be tried again (0: it is new).
    _Chosen = tuple[Found | int, int, int, float]

#: Bytes that are out at once, about; a single event may have more.
MOST_BYTES = 8 << 20
#: A delivery that was out at so many deaths of its worker is given up.
MOST_CRASHES = 3
#: A time that lies so far (seconds) ahead was written by a clock that has been set back since.
_CLOCK_SLACK = 60.0


class LeaseLostError(SpoolError):
    """Somebody else serves this subscription now: what this worker had out is not its own any more."""


class Taken(NamedTuple):
    """A delivery that is out with a worker.

    :ivar seq: of the event
    :ivar snapshot: the event; `None`: it is damaged
    :ivar problem: how it is damaged
    :ivar attempts: how often it was tried before
    :ivar crashes: how often its worker died while it was out
    :ivar put: when the event was put
    :ivar due: since when it might be tried again; 0: it is new
    """

    seq: int
    snapshot: Snapshot | None
    problem: str
    attempts: int
    crashes: int
    put: float
    due: float


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
        self._blobs = Blobs(blobs.folder)  # files that it writes for handlers are its own
        self._events = Events(database)
        self._subscriptions = subscriptions
        self._clock = clock
        self._token = ""
        self._until = 0.0
        self._out: set[int] = set()
        self._turns = 1
        self._room = MOST_BYTES  # bytes that may be taken besides
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
        self._token, self._out = token, set()
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
            lane = mine.lane
            _deliveries.write(connection, done)
            lane.delivered += [delivery.state for delivery in done].count(State.DELIVERED)
            if note is not None:
                note(lane)
            taken: list[_Chosen] = []
            if limit:
                self.newest = self._database.newest()
                taken = self._take_first(connection, mine, first, now) if first else []
                taken = taken or self._take(connection, mine, limit, now, alone)
            self._renew(connection, mine, self._token, now)
        self._out.difference_update(delivery.seq for delivery in done)
        self._out.update(found if isinstance(found, int) else found.seq for found, *_ in taken)
        return self._decode(taken) if taken else []

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
            _deliveries.write(connection, done)
            lane.delivered += [delivery.state for delivery in done].count(State.DELIVERED)
            if note is not None:
                note(lane)
            known = open_deliveries(connection, self.number, State.LOAN)
            back = [d._replace(state=State.AGAIN, due=now, updated=now) for d in known]
            _deliveries.write(connection, back)
            untried = self._out.difference(delivery.seq for delivery in (*done, *known))
            for first, last in reversed(lane.loan):  # what was never tried gets its place in the order back
                oldest = min((seq for seq in untried if first <= seq <= last), default=0)
                if oldest and last == lane.cursor:
                    lane.cursor = oldest - 1
                elif oldest:
                    lane.backlog = [Range(oldest, last), *lane.backlog]
            lane.loan, lane.lease, lane.seen = [], "", now
            save(connection, mine)
        self._token, self._out = "", set()

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

    def tidy(self, taken: Iterable[Taken]) -> None:
        """Remove what was written so that a handler could open the small attachments of these."""
        for one in taken:
            if one.snapshot is not None and one.snapshot._attachments:
                self._blobs.release(one.snapshot._snapshot_id)

    def lane(self) -> Lane:
        """How far it has come, as of now.

        :raises SpoolError: its record is damaged
        """
        with self._database.reading() as connection:
            return load(connection, self.number).lane

    def _mine(self, connection: apsw.Connection) -> Subscription:
        mine = load(connection, self.number)
        if not self._token or mine.lane.lease != self._token:
            self._token, self._out = "", set()
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

    def _take_first(
        self, connection: apsw.Connection, mine: Subscription, snapshot_id: str, now: float
    ) -> list[_Chosen]:
        """Choose one snapshot, if nothing but its place in the queue keeps it from going out."""
        try:
            found = recent(connection, snapshot_id)
        except UNREADABLE:  # another one, perhaps
            return []
        if self.strict or found is None or not is_untold(mine.lane, found.seq):
            return []
        if not owed(connection, mine, Range(found.seq, found.seq), 1):
            return []
        loan = Delivery(found.seq, self.number, State.LOAN, 0, 0, now, now)
        _deliveries.write(connection, [loan])
        return [(found, 0, 0, 0.0)]

    def _take(
        self, connection: apsw.Connection, mine: Subscription, limit: int, now: float, alone: bool
    ) -> list[_Chosen]:
        """Choose what goes out, and write that down."""
        mine.lane.loan = []
        self._turns += 1
        fresh: list[Found | int] = []
        again = self._due(connection, limit, now, alone)
        self._room = MOST_BYTES // 2 if again else MOST_BYTES
        is_blocked = bool(again) and bool(again[0].crashes)
        if self.strict:
            is_blocked = bool(again or open_deliveries(connection, self.number, State.AGAIN, limit=1))
            if not is_blocked:
                fresh = self._old(connection, mine, limit)
        if not (is_blocked or (self.strict and mine.lane.backlog)):
            share = (limit + self._turns % 2) // 2  # if only one goes out: in turns, a new one first
            fresh += self._new(connection, mine, limit - len(fresh) - min(len(again), share))
            again = again[: limit - len(fresh)]
        taken = [(found, 0, 0, 0.0) for found in fresh]
        taken += self._again(connection, mine, again, now) if again else []
        if mine.lane.backlog and not (is_blocked or self.strict):
            known = {_seq(found) for found in fresh}  # a replay may want what is new, too
            old = self._old(connection, mine, limit - len(taken))
            taken += [(found, 0, 0, 0.0) for found in old if _seq(found) not in known]
        return taken

    def _own(self, connection: apsw.Connection, whose: Sequence[str], again: Delivery) -> Found | int | None:
        """The event of a delivery, or its seq if it can't be read.

        :param whose: the audiences that this subscription is a member of
        :return: `None`: it was never owed to this one. So it may look where a damaged record names another
            event or subscription than it did; that is removed, and `fsck` finds out whose it was
        """
        found = _event(connection, again.seq)
        if isinstance(found, int) or str(found.audience) in whose:
            return found
        known = {CONFIGURED.id: CONFIGURED.members, NOBODY: ""}.get(found.audience)
        if known is None:
            known = audiences(connection).get(found.audience)
        if found.stands_in or not found.is_intact(known, small_of(connection, found)):
            return found
        connection.execute(
            "DELETE FROM delivery WHERE seq = ? AND subscription = ?", (again.seq, again.subscription)
        )
        self._database.report_damage(f"the record of a delivery of event {again.seq} named the wrong handler")
        return None

    def _due(self, connection: apsw.Connection, limit: int, now: float, alone: bool) -> list[Delivery]:
        """What is to be tried again now. What was out when its worker died goes alone, and before others."""
        order = "seq" if self.strict else "due"
        found = open_deliveries(connection, self.number, State.AGAIN, order=order, limit=limit)
        if self.strict:
            found = list(takewhile(lambda one: one.due <= now, found))
            if not (found and found[0].crashes):
                return list(takewhile(lambda one: not one.crashes, found))
            return found[:1] if alone else []
        due = [one for one in found if one.due <= now]
        suspects = [one for one in due if one.crashes]
        if suspects and alone:
            return suspects[:1]
        return [one for one in due if not one.crashes] if suspects else due

    def _again(
        self, connection: apsw.Connection, mine: Subscription, again: Sequence[Delivery], now: float
    ) -> list[_Chosen]:
        """Take what is to be tried again, as far as there is room for it."""
        self._room = MOST_BYTES - max(MOST_BYTES // 2 - self._room, 0)
        whose = owed_to(connection, mine).split(",")
        taken: list[_Chosen] = []
        for one in again:
            found = self._own(connection, whose, one)
            if found is None:
                continue
            _deliveries.write(connection, [one._replace(state=State.LOAN, updated=now)])
            taken.append((found, one.attempts, one.crashes, one.due))
            self._room -= 0 if isinstance(found, int) else size_of(connection, found)
            if self._room < 0:
                break
        return taken

    def _new(self, connection: apsw.Connection, mine: Subscription, limit: int) -> list[Found | int]:
        lane, newest = mine.lane, self._database.newest()
        if limit <= 0 or lane.cursor >= newest:
            return []
        found, reached = self._scan(connection, mine, Range(lane.cursor + 1, newest), limit)
        lane.loan.append(Range(lane.cursor + 1, reached))
        lane.cursor = reached
        return found

    def _old(self, connection: apsw.Connection, mine: Subscription, limit: int) -> list[Found | int]:
        lane = mine.lane
        found: list[Found | int] = []
        while lane.backlog and len(found) < limit and self._room >= 0:
            first, last = lane.backlog[0]
            part, reached = self._scan(connection, mine, Range(first, last), limit - len(found))
            found += part
            lane.loan.append(Range(first, reached))
            rest = [Range(reached + 1, last)] if reached < last else []
            lane.backlog = [*rest, *lane.backlog[1:]]
            if rest:
                break
        return found

    def _scan(
        self, connection: apsw.Connection, mine: Subscription, part: Range, limit: int
    ) -> tuple[list[Found | int], int]:
        """Read the events of a range that are owed, at most so many; of one that can't be read, its seq.

        :return: these, and up to where the range is read
        """
        audiences = owed_to(connection, mine)
        where = f"WHERE seq BETWEEN ? AND ? AND audience IN ({audiences}) {NOT_KNOWN} ORDER BY seq LIMIT ?"
        values = (*part, self.number, limit)
        found: list[Found | int]
        try:
            events, self._room = select_within(connection, where, values, max(self._room, 0))
            found = [*events]
        except UNREADABLE:
            found = [_event(connection, seq) for seq in owed(connection, mine, part, limit)]
        is_all = len(found) < limit and self._room >= 0
        return found, part.last if is_all else _seq(found[-1])

    def _decode(self, taken: Sequence[_Chosen]) -> list[Taken]:
        """Make snapshots of what was taken, where it is intact."""
        decoded = [self._decode_one(*one) for one in taken]
        self._report([(one.seq, one.problem) for one in decoded if one.problem and one.problem != AWAY])
        return decoded

    def _decode_one(self, found: Found | int, attempts: int, crashes: int, due: float) -> Taken:
        if isinstance(found, int):
            return Taken(found, None, "its record can't be read", attempts, crashes, self._clock(), due)
        seq, _, snapshot_id, audience, put, _, body, _ = found
        small = self._small(found) if found.may_have_attachments else _NO_ATTACHMENTS
        if small is None or not found.is_intact(self._subscriptions.members(audience), small):
            when = put if type(put) is float else self._clock()
            return Taken(seq, None, "it is damaged: its checksum does not fit", attempts, crashes, when, due)
        if found.stands_in:
            return Taken(seq, None, AWAY, attempts, crashes, put, due)
        try:
            snapshot = decode_snapshot(snapshot_id, body, small, self._blobs)
        except msgspec.MsgspecError as error:
            return Taken(seq, None, f"it can't be decoded: {error}", attempts, crashes, put, due)
        return Taken(seq, snapshot, "", attempts, crashes, put, due)

    def examine(self, taken: Taken) -> str:
        """Say why no other try can help with an event that a handler has failed with; empty: one can.

        It is damaged, or an attachment that the handler wanted is; that was seen when it was wanted.
        """
        if taken.snapshot is None:
            return taken.problem
        for attachment in taken.snapshot._attachments.values():
            if found := getattr(attachment, "problem", ""):
                problem = f"its attachment {attachment.name!r} can't be had: {found}"
                self._report([(taken.seq, problem)])
                return problem
        return ""

    def _report(self, damaged: Sequence[tuple[int, str]]) -> None:
        """Note damage for `status` and `fsck`; its dead letters tell of it if that is not possible."""
        if damaged:
            with contextlib.suppress(SpoolError), self._database.writing():
                for seq, problem in damaged:
                    self._database.report_damage(f"event {seq}: {problem}")

    def _small(self, found: Found) -> dict[int, bytes] | None:
        try:
            return self._events.small(found)
        except (SpoolError, TypeError):  # only these rows can't be read, as far as is known
            return None


#: So many new events are taken in their order, with what waits before them, also after an outage.
_LIVE = 200
#: So many events of others are passed over before that is written down.
_FAR = 1000
_NO_ATTACHMENTS: dict[int, bytes] = {}


def _seq(found: Found | int) -> int:
    return found if isinstance(found, int) else found.seq


def _event(connection: apsw.Connection, seq: int) -> Found | int:
    """An event, or its seq if it can't be read."""
    try:
        return next(iter(select(connection, "WHERE seq = ?", (seq,))), seq)
    except UNREADABLE:
        return seq


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
