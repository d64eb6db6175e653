"""The tables `subscription` and `audience`: who is owed events, and how far each has come."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from e3_event._errors import SpoolError

from ._events import CONFIGURED, Audience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import apsw

    from ._database import Database

#: Seconds after which a worker that was not heard of has lost what it took.
LEASE = 30.0
#: Seconds after which it is written down again that a subscription is in use.
REFRESH = 3600.0


class Key(NamedTuple):
    """What a subscription is known by.

    :ivar name: of its handler
    :ivar fingerprint: of the handler's configuration, for one of the environment or a program; empty for one
        of the configuration file, which is known by its name
    """

    name: str
    fingerprint: str = ""


class Range(NamedTuple):
    """Events by their seq, both ends included."""

    first: int
    last: int


class Lane(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How far a subscription has come.

    :ivar since: it is owed what has a greater seq,
    :ivar cursor: and up to here all has been taken, but for
    :ivar backlog: what waits behind that which is new
    :ivar loan: what is out with the holder of the lease, unless a row in `delivery` says what became of it
    :ivar lease: token of the worker that serves it; empty: nobody does
    :ivar until: and until when, unless it is renewed
    :ivar seen: when somebody last served it or put events for it
    :ivar failures: events that failed in a row
    :ivar failed: the last of them
    :ivar down: since when its sink is down; 0: it is not
    :ivar reason: why
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
    failures: int = 0
    failed: list[int] = []
    down: float = 0.0
    reason: str = ""
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


class Subscriptions:
    """Who is owed the events of a spool.

    :param database: where they are written down
    :param clock: seconds since the epoch
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._members: dict[int, str] = {}

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
        connection.execute("INSERT INTO subscription VALUES (NULL, ?, ?, x'', 0)", key)
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
            connection.execute("INSERT INTO audience VALUES (NULL, ?) ON CONFLICT DO NOTHING", (members,))
            return Audience(*connection.execute("SELECT * FROM audience WHERE members = ?", (members,)).get)

    def all(self) -> list[Subscription]:
        """Return those that nobody has forgotten, by name.

        :raises SpoolError: one is damaged
        """
        with self._database.reading() as connection:
            rows: list[Any] = connection.execute("SELECT * FROM subscription ORDER BY name, id").fetchall()
        found = [_checked(row, self._database.path) for row in rows]
        return [subscription for subscription in found if not subscription.lane.forgotten]

    def members(self, audience: int) -> str | None:
        """Return the members of an audience as they are stored; `None`: there is no such audience."""
        if audience not in self._members:
            with self._database.reading() as connection:
                self._members.update(connection.execute("SELECT id, members FROM audience"))
        return self._members.get(audience)


def find(connection: apsw.Connection, key: Key) -> Subscription | None:
    """Return a subscription; `None`: there is none.

    :raises SpoolError: it is damaged
    """
    row = connection.execute("SELECT * FROM subscription WHERE name = ? AND fingerprint = ?", key).fetchone()
    return None if row is None else _checked(row, connection.filename)


def load(connection: apsw.Connection, number: int) -> Subscription:
    """Return the subscription with this id.

    :raises SpoolError: it is not there, or damaged
    """
    row = connection.execute("SELECT * FROM subscription WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise SpoolError(f"there is no subscription {number}", connection.filename)
    return _checked(row, connection.filename)


def save(connection: apsw.Connection, subscription: Subscription) -> None:
    """Write down how far a subscription has come."""
    lane = _encode(subscription.lane)
    connection.execute(
        "UPDATE subscription SET lane = ?, checksum = ? WHERE id = ?",
        (lane, _checksum(subscription.id, *subscription.key, lane), subscription.id),
    )


def owed_to(connection: apsw.Connection, subscription: Subscription) -> str:
    """The audiences that a subscription is a member of, as a list for SQL (`0,4,7`)."""
    rows = connection.execute(
        "SELECT audience.id FROM audience, json_each(members) WHERE value = ?", (subscription.id,)
    )
    numbers = [number for (number,) in rows]
    if not subscription.key.fingerprint:
        numbers.append(CONFIGURED.id)
    return ",".join(map(str, numbers))


def _checked(row: tuple[int, str, str, bytes, int], path: str) -> Subscription:
    number, name, fingerprint, lane, checksum = row
    if _checksum(number, name, fingerprint, lane) != checksum:
        raise SpoolError(
            f"the state of the handler {name!r} is damaged: its checksum does not fit; run"
            " `e3-event fsck --repair`",
            path,
        )
    return Subscription(number, Key(name, fingerprint), _decode(lane))


def _checksum(number: int, name: str, fingerprint: str, lane: bytes) -> int:
    return zlib.crc32(lane, zlib.crc32(f"{number} {name} {fingerprint} ".encode()))
