"""A line for each event of a listing: what it is, how large, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from e3_event._codec import as_text

from ._events import AWAY, UNREADABLE, select, small_of
from ._standings import UNDECODABLE, Standings
from ._subscriptions import Range

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from ._events import Found
from ._standings import Standing


class Hit(NamedTuple):
    """A snapshot that was found.

    :ivar seq: its number
    :ivar status: its status; empty: it has none
    :ivar put: when it was put (seconds since the epoch)
    :ivar size: bytes of its data and attachments
    :ivar standings: what became of it with each subscription that it is owed to
    :ivar problem: how it is damaged; what can't be read then is empty
    :ivar duration: how long it took, in seconds
    """

    seq: int
    uid: str
    snapshot_id: str
    name: str
    status: str
    put: float
    size: int
    standings: tuple[Standing, ...]
    problem: str = ""
    duration: float | None = None


class _Data(msgspec.Struct):
    name: Any = ""
    status: Any = ""
    duration: Any = None
    parent_uid: Any = ""


class _Sized(msgspec.Struct):
    size: int


class _Head(msgspec.Struct):
    """What is needed of a body for a line."""

    data: _Data
    attachments: tuple[_Sized, ...] = ()


#: Decodes as much of a body as a line needs.
decode_head = msgspec.json.Decoder(_Head).decode
_TYPES = (int, str, str, int, float, int, bytes, int)


def read_hits(connection: apsw.Connection, seqs: Sequence[int]) -> list[Hit]:
    """Read events for a listing, checked; those that are not there any more are left out."""
    condition = "WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq DESC"
    hits = []
    try:
        found = select(connection, condition, (msgspec.json.encode(seqs).decode(),))
    except UNREADABLE:
        found = []
        for seq in seqs:
            try:
                found += select(connection, "WHERE seq = ?", (seq,))
            except UNREADABLE:
                hits.append(unreadable(Range(seq, seq)))
    hits += [unreadable(Range(one.seq, one.seq)) for one in found if not _is_typed(one)]
    found = [one for one in found if _is_typed(one)]
    standings = Standings(connection)
    became = standings.of((one.seq, one.audience) for one in found)
    return [*hits, *(_hit(connection, one, standings, became[one.seq]) for one in found)]


def _hit(
    connection: apsw.Connection, found: Found, standings: Standings, became: tuple[Standing, ...]
) -> Hit:
    problem = "" if is_intact(connection, found, standings) else "damaged: its checksum does not fit"
    name = status = ""
    duration = None
    size = 0
    if found.stands_in:
        problem = problem or AWAY
    else:
        try:
            head = decode_head(found.body)
            name, status = as_text(head.data.name), as_text(head.data.status)
            duration = head.data.duration if type(head.data.duration) is float else None
            size = len(found.body) + sum(attachment.size for attachment in head.attachments)
        except UNDECODABLE:
            problem = "damaged: its data can't be read"
    ids = (found.seq, found.uid, found.snapshot_id)
    return Hit(*ids, name, status, found.put, size, became, problem, duration)


def _is_typed(found: Found) -> bool:
    """A damaged record may have columns of other types."""
    return tuple(map(type, found)) == _TYPES


def is_intact(connection: apsw.Connection, found: Found, standings: Standings) -> bool:
    """Is all that is stored of an event as it was put? The files of large attachments are not looked at."""
    try:
        return found.is_intact(standings.stored_members(found.audience), small_of(connection, found))
    except UNREADABLE:
        return False


def unreadable(part: Range) -> Hit:
    """What stands for events that can't be read."""
    first, last = part
    which = f"event {first}" if first == last else f"events {first} to {last}"
    return Hit(last, "", "", "", "", 0.0, 0, (), f"what is stored of {which} can't be read")
