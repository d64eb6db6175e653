"""Which events are looked for, as a condition in SQL and as questions about what was read."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from e3_event._codec import as_text

from ._deliveries import State
from ._hits import decode_head
from ._standings import UNDECODABLE, is_called
from ._subscriptions import Lane, Subscription, owed_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from ._standings import Member, Standing

#: States that only a row in `delivery` can say.
_OF_ROWS = ("again", "dead", "delivered", "skipped", "dropped")
_NO_LANE = Lane(since=0, cursor=0, seen=0.0)


class Filter(NamedTuple):
    """Which events are looked for.

    :ivar name: a glob that the name has to match; empty, as everywhere here: any
    :ivar status: the status has to be one of these
    :ivar handler: name of a subscription, or `name@` and the beginning of its fingerprint: the event is owed
        to it (and `state` says what became of it)
    :ivar state: what became of it with a subscription: one of `STATES`
    :ivar since: it was not put before (seconds since the epoch)
    :ivar text: what its data contain, as JSON; A to Z count as a to z
    :ivar parent: uid of the event that it is part of
    :ivar until: its seq is no higher; 0: any
    """

    name: str = ""
    status: tuple[str, ...] = ()
    handler: str = ""
    state: str = ""
    since: float = 0.0
    text: str = ""
    parent: str = ""
    until: int = 0

    @property
    def needs_body(self) -> bool:
        return bool(self.name or self.status or self.text or self.parent)

    @property
    def needs_standings(self) -> bool:
        return bool(self.handler or self.state)


ALL = Filter()


class _Raw(msgspec.Struct):
    data: msgspec.Raw
    shown: msgspec.Raw = msgspec.Raw(b"")


_decode_raw = msgspec.json.Decoder(_Raw).decode


def condition(
    connection: apsw.Connection, wanted: Filter, chosen: Sequence[Member]
) -> tuple[str, tuple[object, ...]]:
    """What keeps most of the events that do not fit from being looked at closely.

    :param chosen: the subscriptions that the filter means
    :return: a further condition on `event`, and the values for its question marks
    """
    sql = ""
    values: list[object] = []
    if wanted.since:
        sql += " AND put >= ?"
        values.append(wanted.since)
    if wanted.name and (literal := max(re.split(r"[*?]+", wanted.name.partition("[")[0]), key=len)):
        sql += " AND instr(body, ?)"
        values.append(_as_stored(literal))
    if len(wanted.status) == 1:
        sql += " AND instr(body, ?)"
        values.append(_as_stored(wanted.status[0]))
    if wanted.parent:
        sql += " AND instr(body, ?)"
        values.append(_as_stored(wanted.parent))
    if wanted.text:
        sql += " AND instr(lower(body), ?)"
        values.append(_as_stored(wanted.text).lower().decode())
    if wanted.handler and wanted.state != "none":
        sql += f" AND audience IN ({_audiences(connection, chosen)})"
    return sql + _condition_on_deliveries(wanted, chosen), tuple(values)


def _audiences(connection: apsw.Connection, chosen: Sequence[Member]) -> str:
    """The audiences of which one of these is a member, as a list for SQL."""
    found = (owed_to(connection, Subscription(one.id, one.key, _NO_LANE)) for one in chosen)
    return ",".join(filter(None, found))


def _condition_on_deliveries(wanted: Filter, chosen: Sequence[Member]) -> str:
    numbers = ",".join(str(one.id) for one in chosen)
    row = f"EXISTS (SELECT 1 FROM delivery d WHERE d.seq = event.seq AND d.subscription IN ({numbers})"
    if wanted.state == "none":
        return f" AND NOT {row})"
    if wanted.state in _OF_ROWS and not any(one.lane is None or one.lane.forgotten for one in chosen):
        return f" AND {row} AND d.state = {int(State[wanted.state.upper()])})"
    return ""


def _as_stored(text: str) -> bytes:
    """A part of a text as it stands in a body."""
    return msgspec.json.encode(as_text(text))[1:-1]


def body_fits(body: bytes, wanted: Filter) -> bool:
    """Does a snapshot hold what is looked for?"""
    try:
        data = decode_head(body).data
        raw = _decode_raw(body) if wanted.text else None
    except (*UNDECODABLE, TypeError):
        return False
    if wanted.name and not fnmatch.fnmatchcase(as_text(data.name), as_text(wanted.name)):
        return False
    if wanted.status and as_text(data.status) not in wanted.status:
        return False
    if wanted.parent and as_text(data.parent_uid) != as_text(wanted.parent):
        return False
    return raw is None or _as_stored(wanted.text).lower() in (bytes(raw.data) + bytes(raw.shown)).lower()


def standing_fits(standings: Sequence[Standing], wanted: Filter) -> bool:
    """Did what is looked for become of an event?"""
    mine = [one for one in standings if not wanted.handler or is_called(one.key, wanted.handler)]
    if wanted.state == "none":
        return not mine
    return any(not wanted.state or one.state == wanted.state for one in mine)
