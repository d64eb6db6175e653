"""What became of events with each subscription that they are owed to."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from . import _deliveries
from ._database import NOBODY
from ._deliveries import Delivery, State
from ._events import CONFIGURED, UNREADABLE
from ._key import Key
from ._pending import is_untold
from ._subscriptions import audiences, checked, members_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from ._subscriptions import Lane

#: What decoding says of JSON that is damaged.
UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError)
#: What can become of an event with a subscription, as people read it. `none`: it is not owed to it.
STATES = ("waiting", "again", "dead", "delivered", "skipped", "dropped", "none")
#: The record of the subscription is damaged, so that nobody knows.
UNKNOWN = "unknown"
_NAMES = {
    State.LOAN: "waiting",
    State.AGAIN: "again",
    State.DEAD: "dead",
    State.DELIVERED: "delivered",
    State.SKIPPED: "skipped",
    State.DROPPED: "dropped",
}


_NO_ROW = Delivery(0, 0, State.LOAN, 0, 0, 0.0, 0.0)


class Member(NamedTuple):
    """A subscription, also one that is damaged or forgotten.

    :ivar lane: how far it has come; `None`: its record is damaged
    """

    id: int
    key: Key
    lane: Lane | None


class Standing(NamedTuple):
    """What became of an event with a subscription.

    :ivar state: one of `STATES`, or `UNKNOWN`
    :ivar is_out: a worker has it right now
    :ivar delivery: its row; `None`: there is none yet
    """

    subscription: int
    key: Key
    state: str
    is_out: bool = False
    delivery: Delivery | None = None


def label(key: Key) -> str:
    """What people call a subscription: the handler's name, and a part of the fingerprint if it has one."""
    return f"{key.name}@{key.fingerprint[:8]}" if key.fingerprint else key.name


def is_called(key: Key, wanted: str) -> bool:
    """Is a subscription meant by a name, or by `name@` and the beginning of its fingerprint?"""
    name, fingerprint = key
    return wanted == name or (wanted.startswith(f"{name}@") and f"{name}@{fingerprint}".startswith(wanted))


def members(connection: apsw.Connection) -> list[Member]:
    """All subscriptions by name, the damaged and the forgotten ones as well."""
    try:
        rows: list[Any] = connection.execute("SELECT * FROM subscription ORDER BY name, id").fetchall()
    except UNREADABLE:
        return [Member(0, Key("?"), None)]
    return [Member(row[0], Key(f"{row[1]}", f"{row[2]}"), _lane(row)) for row in rows]


def _lane(row: tuple[Any, ...]) -> Lane | None:
    try:
        subscription = checked(row)
    except ValueError:  # the schema is damaged, too: a column is missing
        return None
    return subscription.lane if subscription else None


def _as_json(values: list[int]) -> str:
    return msgspec.json.encode(values).decode()


class Standings:
    """Tells what became of events, as of the moment in which it is made.

    :param connection: is used while it lives
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.members = members(connection)
        self._audiences: dict[int, list[Member]] = {}
        try:
            self._stored = {NOBODY: "", **audiences(connection), CONFIGURED.id: CONFIGURED.members}
        except UNREADABLE:
            self._stored = {CONFIGURED.id: CONFIGURED.members}

    def stored_members(self, audience: int) -> str | None:
        """The members of an audience as they are stored; `None`: there is no such audience."""
        return self._stored.get(audience)

    def of(self, events: Iterable[tuple[int, int]]) -> dict[int, tuple[Standing, ...]]:
        """What became of events.

        :param events: seq and audience of each
        :return: by seq; without the subscriptions that an event is not owed to
        """
        events = list(events)
        rows = self._rows([seq for seq, _ in events])
        return {
            seq: tuple(
                standing
                for member in self._audience(audience)
                if (standing := _standing(member, seq, rows.get((seq, member.id), _NO_ROW))) is not None
            )
            for seq, audience in events
        }

    def _rows(self, seqs: list[int]) -> dict[tuple[int, int], Delivery | None]:
        """The deliveries of events, by seq and subscription; `None`: it can't be read."""
        try:
            found = self._read_rows("seq IN (SELECT value FROM json_each(?))", _as_json(seqs))
            return {(row.seq, row.subscription): row for row in found}
        except UNREADABLE:
            rows: dict[tuple[int, int], Delivery | None] = {}
        for pair in product(seqs, (member.id for member in self.members)):
            try:
                rows.update((pair, row) for row in self._read_rows("seq = ? AND subscription = ?", *pair))
            except UNREADABLE:
                rows[pair] = None
        return rows

    def _read_rows(self, condition: str, *values: object) -> list[Delivery]:
        return _deliveries.read(self._connection, f"WHERE {condition}", values)

    def _audience(self, number: int) -> list[Member]:
        if number not in self._audiences:
            stored = self._stored.get(number) or ""
            ids = frozenset(members_of(stored))
            self._audiences[number] = [
                member
                for member in self.members
                if (not member.key.fingerprint if stored == CONFIGURED.members else member.id in ids)
            ]
        return self._audiences[number]


def _standing(member: Member, seq: int, row: Delivery | None) -> Standing | None:
    """What became of an event of its audience with a subscription; `None`: it is not owed to it."""
    number, key, lane = member
    if row is None:
        return Standing(number, key, UNKNOWN)
    if row is not _NO_ROW:
        return Standing(number, key, _NAMES[State(row.state)], row.state == State.LOAN, row)
    if lane is None:
        return Standing(number, key, UNKNOWN)
    if is_untold(lane, seq):
        is_out = bool(lane.lease) and any(first <= seq <= last for first, last in lane.loan)
        return Standing(number, key, "waiting", is_out)
    if lane.forgotten and lane.since < seq <= lane.cursor:  # what was delivered has its row
        return Standing(number, key, "dropped")
    return None
