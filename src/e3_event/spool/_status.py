"""The state of a spool: what waits, for whom and since when, and what needs a person."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from e3_event._errors import SpoolError

from . import _totals
from ._database import NOBODY
from ._deliveries import OPEN, State
from ._events import UNREADABLE
from ._key import Key
from ._pending import NOT_KNOWN, untold
from ._standings import Standings, label, members
from ._subscriptions import Range, Subscription, owed_to

if TYPE_CHECKING:
    import apsw

    from ._database import Database
    from ._room import Room
    from ._standings import Member
    from ._subscriptions import Lane

#: What is counted exactly; more is "more than".
COUNTED = 100_000
#: Seconds for which a sink may be down, and events may wait for a handler that nobody serves.
LONG = 3600.0
#: A spool with more than this part of its cap owed needs a person.
FULL = 0.9
#: Events that are looked at with one read, and of those that show how much is owed.
_SPAN = 20_000
_SAMPLES = 400


class Subscribed(msgspec.Struct, kw_only=True):
    """The state of one subscription. Times are seconds since the epoch; `None`: does not apply.

    :ivar name: of the handler
    :ivar fingerprint: of its configuration; empty: it is of the configuration file
    :ivar waiting: how many deliveries are owed, those that are to be tried again among them
    :ivar again: how many of these were tried before
    :ivar dead: how many were given up
    :ivar more: whether there are more than `COUNTED` of one of these, which then stands in its place
    :ivar oldest: when the oldest event that waits was put
    :ivar next_try: when one is tried again
    :ivar down_since: since when its sink is down
    :ivar reason: why
    :ivar probe: when a sink that is down is tried again
    :ivar served: whether a worker serves it
    :ivar seen: when somebody last served it or put events for it
    :ivar delivered: how many deliveries have succeeded
    :ivar forgotten: a person has dropped it
    :ivar problem: how its record is damaged
    """

    name: str
    fingerprint: str = ""
    waiting: int = 0
    again: int = 0
    dead: int = 0
    more: bool = False
    oldest: float | None = None
    next_try: float | None = None
    down_since: float | None = None
    reason: str = ""
    probe: float | None = None
    served: bool = False
    seen: float | None = None
    delivered: int = 0
    forgotten: bool = False
    problem: str = ""

    @property
    def label(self) -> str:
        """What people call it."""
        return label(Key(self.name, self.fingerprint))


class Status(msgspec.Struct, kw_only=True):
    """The state of a spool.

    :ivar path: its folder
    :ivar newest: the number of the newest event: so many were ever put
    :ivar size: bytes in use
    :ivar max_size: bytes that it may take
    :ivar owed: which part of what is in use is of events that are still owed, about; only known where the
        spool is nearly full
    :ivar wal: bytes of the write-ahead log
    :ivar dropped: dead letters that had to make room
    :ivar damage: what was found damaged or lost: when (seconds since the epoch), and what
    :ivar subscriptions: by name
    :ivar problems: what needs a person, one text each
    """

    path: str
    newest: int = 0
    size: int = 0
    max_size: int = 0
    owed: float | None = None
    wal: int = 0
    dropped: int = 0
    damage: list[tuple[float, str]] = []
    subscriptions: list[Subscribed] = []
    problems: list[str] = []


def read_status(database: Database, room: Room, now: float) -> Status:
    """Read the state of a spool; what can't be read is one of its problems."""
    status = Status(path=os.path.dirname(database.path), max_size=room.max_size)
    unreadable = []
    for part in (_read_spool, _read_subscriptions, _read_room):
        try:
            part(database, room, status, now)
        except (SpoolError, TypeError, ValueError, *UNREADABLE) as error:
            unreadable.append(f"a part of the database can't be read ({_text(error)}); run `e3-event fsck`")
    status.problems = [*dict.fromkeys(unreadable), *needs(status, now)]
    return status


def needs(status: Status, now: float) -> list[str]:
    """What needs a person: the rule, which `docs/command-line.md` explains."""
    found = [f"damage: {what}; see `e3-event fsck`" for _, what in status.damage]
    if status.owed is not None and status.size * status.owed > FULL * status.max_size:
        found.append(
            f"{status.size * status.owed / status.max_size:.0%} of the room is taken by events that are still"
            " owed: serve their handlers, `e3-event forget` those that are gone, or raise max_size"
        )
    for one in status.subscriptions:
        if one.problem:
            found.append(f"{one.label}: {one.problem}")
        if one.dead:
            found.append(f"{one.label}: dead letters; see `e3-event dead`")
        if one.down_since and now - one.down_since > LONG:
            found.append(f"{one.label}: its sink is down for long: {one.reason}")
        if one.oldest is not None and now - one.oldest > LONG and not one.served:
            found.append(
                f"{one.label}: events wait and nobody serves it: start a relay that does, or"
                " `e3-event forget` it"
            )
    return found


def _text(error: Exception) -> str:
    return error.messages[-1] if isinstance(error, SpoolError) else str(error)


def _read_spool(database: Database, room: Room, status: Status, _now: float) -> None:
    try:
        status.wal = os.stat(f"{database.path}-wal").st_size
    except FileNotFoundError:
        pass
    with database.reading() as connection:
        status.newest = database.newest()
        rows: Any = connection.execute("SELECT noticed, what FROM damage ORDER BY id").fetchall()
        status.damage = list(rows)
        totals = _totals.read(connection)
        status.dropped = totals[0].dropped if totals else 0
    if not os.stat(database.path).st_mode & 0o200:
        status.damage.append(
            (os.stat(database.path).st_ctime, "the disk has failed (spool.db.failed says how)")
        )
    status.size = room.used()


def _read_subscriptions(database: Database, _room: Room, status: Status, now: float) -> None:
    with database.reading() as connection:
        found = members(connection)
    status.subscriptions = [_read_one(database, one, status.newest, now) for one in found]


def _read_one(database: Database, member: Member, newest: int, now: float) -> Subscribed:
    lane, key = member.lane, member.key
    one = Subscribed(name=key.name, fingerprint=key.fingerprint)
    if lane is None:
        one.problem = "its record is damaged; run `e3-event fsck --repair`"
        return one
    one.served, one.seen = lane.is_served(now), lane.seen
    one.delivered, one.forgotten = lane.delivered, lane.forgotten
    if lane.down:
        one.down_since, one.reason, one.probe = lane.down, lane.reason, lane.probe
    loans, seq_of_loan = _open(database, member.id, State.LOAN, one)
    one.again, seq_of_again = _open(database, member.id, State.AGAIN, one)
    one.dead, _ = _open(database, member.id, State.DEAD, one)
    new, seq_of_new = _untold(database, member, lane, newest)
    one.waiting = new + loans + one.again
    if one.waiting > COUNTED:
        one.waiting, one.more = COUNTED, True
    oldest = min((seq for seq in (seq_of_loan, seq_of_again, seq_of_new) if seq), default=None)
    with database.reading() as connection:
        one.oldest = connection.execute("SELECT put FROM event WHERE seq = ?", (oldest,)).get
        if one.again:
            one.next_try = connection.execute(
                "SELECT due FROM delivery WHERE subscription = ?"
                f" AND state = {int(State.AGAIN)} AND {OPEN} ORDER BY due LIMIT 1",
                (member.id,),
            ).get
    return one


def _open(database: Database, number: int, state: State, one: Subscribed) -> tuple[int, int]:
    """How many deliveries are in one of the first three states, and the oldest event among those counted."""
    with database.reading() as connection:
        row: Any = connection.execute(
            f"SELECT count(*), min(seq) FROM (SELECT seq FROM delivery WHERE subscription = ?"
            f" AND state = {int(state)} AND {OPEN} LIMIT {COUNTED + 1})",
            (number,),
        ).fetchone()
    if row[0] > COUNTED:
        one.more = True
    return min(row[0], COUNTED), row[1] or 0


def _untold(database: Database, member: Member, lane: Lane, newest: int) -> tuple[int, int]:
    """How many events are owed of which nothing is known, up to one above `COUNTED`, and the oldest one."""
    count, oldest = 0, 0
    for first, last in sorted(untold(lane, newest)):
        while first <= last and count <= COUNTED:
            part = Range(first, min(first + _SPAN - 1, last))
            with database.reading() as connection:
                audiences = owed_to(connection, Subscription(member.id, member.key, lane))
                row: Any = connection.execute(
                    "SELECT count(*), min(seq) FROM event WHERE seq BETWEEN ? AND ?"
                    f" AND audience IN ({audiences}) {NOT_KNOWN}",
                    (*part, member.id),
                ).fetchone()
            count += row[0]
            oldest = oldest or row[1] or 0
            first = part.last + 1
    return count, oldest


def _read_room(database: Database, _room: Room, status: Status, _now: float) -> None:
    """Only a spool that is nearly full needs a look at what is owed: samples tell it well enough."""
    if status.size <= FULL * status.max_size:
        return
    with database.reading() as connection:
        status.owed = _owed_share(connection, status.newest)


def _owed_share(connection: apsw.Connection, newest: int) -> float:
    """Which part of the bytes is of events that are owed; what was given up could make room."""
    oldest = connection.execute("SELECT min(seq) FROM event").get or 1
    step = max(1, (newest - oldest + 1) // _SAMPLES)
    rows: list[Any] = []
    for seq in range(oldest, newest + 1, step):
        rows += connection.execute(
            "SELECT seq, audience, length(body) + blob_bytes FROM event"
            f" WHERE seq BETWEEN ? AND ? AND audience <> {NOBODY} LIMIT 1",
            (seq, seq + step - 1),
        ).fetchall()
    became = Standings(connection).of((seq, audience) for seq, audience, _ in rows)
    owed = sum(size for seq, _, size in rows if any(one.state in ("waiting", "again") for one in became[seq]))
    return float(owed / max(1, sum(size for _, _, size in rows)))
