"""The tables `subscription` and `audience`: who is owed events, and how far each has come."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from e3_event._errors import SpoolError

from ._database import NOBODY
from ._events import CONFIGURED, Audience
from ._key import REFRESH, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import apsw

    from ._database import Database

#: Seconds after which a worker that was not heard of has lost what it took.
LEASE = 30.0
#: So begin the members of an audience of which nobody knows them any more.
LOST_MEMBERS = "[-"


class Range(NamedTuple):
    """Events by their seq, both ends included."""

    first: int
    last: int


class Moment(NamedTuple):
    """A time (seconds since the epoch), and the newest event that was there before."""

    when: float
    newest: int


class Lane(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How far a subscription has come.

    :ivar since: it is owed what has a greater seq,
    :ivar cursor: and up to here all has been taken, but for
    :ivar backlog: what waits behind that which is new
    :ivar loan: what is out with the holder of the lease, unless a row in `delivery` says what became of it
    :ivar lease: token of the worker that serves it; empty: nobody does
    :ivar until: and until when, unless it is renewed
    :ivar seen: when somebody last served it or put events for it
    :ivar missed: when it was found that nobody had for long
    :ivar failures: events that failed in a row
    :ivar failed: the last of them
    :ivar down: since when its sink is down; 0: it is not
    :ivar reason: why
    :ivar outage: while events fail in a row: moments of that, the last of them that of the last failure
    :ivar probe: a sink that is down is not tried before
    :ivar delivered: how many deliveries succeeded
    :ivar forgotten: a person has dropped it
    """

    since: int
    cursor: int
    seen: float
    backlog: list[Range] = []
    loan: list[Range] = []
    lease: str = ""
    until: float = 0.0
    missed: float = 0.0
    failures: int = 0
    failed: list[int] = []
    down: float = 0.0
    reason: str = ""
    outage: list[Moment] = []
    probe: float = 0.0
    delivered: int = 0
    forgotten: bool = False

    def is_served(self, now: float) -> bool:
        """Does a worker hold the lease? One that ends later than any can is of a clock that was wrong."""
        return bool(self.lease) and now < self.until <= now + 2 * LEASE


class Subscription(NamedTuple):
    """A row of the table `subscription`."""

    id: int
    key: Key
    lane: Lane


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Lane).decode
_members = msgspec.json.Decoder(list[int]).decode


class Subscriptions:
    """Who is owed the events of a spool.

    :param database: where they are written down
    :param clock: seconds since the epoch
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._members = {CONFIGURED.id: CONFIGURED.members, NOBODY: ""}

    def register(self, keys: Iterable[Key]) -> list[int]:
        """Note that these are served or put for from now on; one that is new is owed what is put from now on.

        :return: their ids
        """
        with self._database.writing() as connection:
            return [self._register(connection, key) for key in keys]

    def known(self, keys: Iterable[Key]) -> list[int]:
        """Their ids, if all are registered and were seen of late: that costs no commit."""
        with self._database.reading() as connection:
            found = [find(connection, key) for key in keys]
        late = self._clock() - REFRESH
        if all(one and not one.lane.forgotten and one.lane.seen > late for one in found):
            return [one.id for one in found if one]
        return []

    def _register(self, connection: apsw.Connection, key: Key) -> int:
        now = self._clock()
        found = find(connection, key)
        if found is not None and not found.lane.forgotten:
            found.lane.seen = now
            save(connection, found)
            return found.id
        newest = self._database.newest()
        lane = Lane(since=newest, cursor=newest, seen=now)
        if found is not None:
            save(connection, found._replace(lane=lane))
            return found.id
        connection.execute("INSERT INTO subscription VALUES (NULL, ?, ?, 0, 0, x'', 0)", key)
        added = Subscription(connection.last_insert_rowid(), key, lane)
        save(connection, added)
        return added.id

    def audience(self, keys: Sequence[Key]) -> Audience:
        """Return the audience of exactly these, which are registered if they are not; there may be none.

        Those of the configuration file are one audience, whoever of them is there.
        """
        ids = self.known(keys) or self.register(keys)
        if keys and not any(key.fingerprint for key in keys):
            return CONFIGURED
        members = msgspec.json.encode(sorted(ids)).decode()
        with self._database.writing() as connection:
            return _audience(connection, members)

    def all(self) -> list[Subscription]:
        """Return those that nobody has forgotten, and that are not damaged, by name."""
        with self._database.reading() as connection:
            rows: list[Any] = connection.execute("SELECT * FROM subscription ORDER BY name, id").fetchall()
        found = [checked(row) for row in rows]
        return [one for one in found if one is not None and not one.lane.forgotten]

    def members(self, audience: int) -> str | None:
        """Return the members of an audience; `None`: there is no such audience, or it is damaged."""
        if audience not in self._members:
            with self._database.reading() as connection:
                known = audiences(connection)
            self._members.update((number, members) for number, members in known.items() if members)
        return self._members.get(audience)


def find(connection: apsw.Connection, key: Key) -> Subscription | None:
    """Return a subscription; `None`: there is none.

    :raises SpoolError: it is damaged
    """
    row = connection.execute("SELECT * FROM subscription WHERE name = ? AND fingerprint = ?", key).fetchone()
    return None if row is None else _intact(row, connection.filename)


def load(connection: apsw.Connection, number: int) -> Subscription:
    """Return the subscription with this id.

    :raises SpoolError: it is not there, or damaged
    """
    row = connection.execute("SELECT * FROM subscription WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise SpoolError(f"there is no subscription {number}", connection.filename)
    return _intact(row, connection.filename)


def save(connection: apsw.Connection, subscription: Subscription) -> None:
    """Write down how far a subscription has come."""
    number, key, lane = subscription
    encoded, label = _encode(lane), _label(number, *key)
    connection.execute(
        "UPDATE subscription SET since = ?, origin = ?, lane = ?, checksum = ? WHERE id = ?",
        (lane.since, zlib.crc32(b"%d" % lane.since, label), encoded, zlib.crc32(encoded, label), number),
    )


def owed_to(connection: apsw.Connection, subscription: Subscription) -> str:
    """The audiences that a subscription is a member of, as a list for SQL (`0,4,7`)."""
    is_configured = not subscription.key.fingerprint
    numbers = [
        number
        for number, members in audiences(connection).items()
        if number != CONFIGURED.id
        and (not is_configured if members is None else subscription.id in members_of(members))
    ]
    return ",".join(map(str, [*numbers, CONFIGURED.id] if is_configured else numbers))


def audiences(connection: apsw.Connection) -> dict[int, str | None]:
    """The members of all audiences by their id; `None` for one that is damaged.

    Their index holds them a second time. Damage to one of both is no loss.
    """
    rows: Any = connection.execute("SELECT * FROM audience")
    found = {number: (members, checksum) for number, members, checksum in rows}
    intact: dict[int, str | None] = {
        number: members if checksum == audience_checksum(number, members) else None
        for number, (members, checksum) in found.items()
    }
    if None in intact.values():
        copies: Any = connection.execute(
            "SELECT id, members FROM audience INDEXED BY sqlite_autoindex_audience_1"
        )
        for number, copy in copies:
            members, checksum = found.get(number, (None, 0))
            if copy == members or audience_checksum(number, copy) == checksum:
                intact[number] = copy
    return intact


def members_of(members: str) -> list[int]:
    """The ids of the subscriptions in an audience; none in that of the configuration file."""
    return _members(members) if members[:1] == "[" else []


def audience_checksum(number: int, members: object) -> int:
    return zlib.crc32(f"{number} {members}".encode())


def _audience(connection: apsw.Connection, members: str) -> Audience:
    """Find or make the audience with these members."""
    insert = "INSERT INTO audience VALUES (NULL, ?, 0) ON CONFLICT DO NOTHING"
    connection.execute(insert, (members,))
    number: int = connection.execute("SELECT id FROM audience WHERE members = ?", (members,)).get
    connection.execute(
        "UPDATE audience SET checksum = ? WHERE id = ?", (audience_checksum(number, members), number)
    )
    return Audience(number, members)


def checked(row: tuple[Any, ...]) -> Subscription | None:
    """The subscription that a row of the table holds; `None`: it is damaged."""
    number, name, fingerprint, _, _, lane, checksum = row
    try:
        if zlib.crc32(lane, _label(number, name, fingerprint)) == checksum:
            return Subscription(number, Key(name, fingerprint), _decode(lane))
    except (TypeError, msgspec.MsgspecError):  # a column of another type
        pass
    return None


def _intact(row: tuple[Any, ...], path: str) -> Subscription:
    subscription = checked(row)
    if subscription is None:
        raise SpoolError(
            f"the state of the handler {row[1]!r} is damaged: its checksum does not fit; run"
            " `e3-event fsck --repair`",
            path,
        )
    return subscription


def has_origin(row: tuple[Any, ...]) -> bool:
    """Are the first four columns of a row what they were?"""
    number, name, fingerprint, since, origin = row[:5]
    return bool(origin == zlib.crc32(f"{since}".encode(), _label(number, name, fingerprint)))


def _label(number: int, name: str, fingerprint: str) -> int:
    return zlib.crc32(f"{number} {name} {fingerprint} ".encode())
