"""All that is known of one snapshot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ._events import UNREADABLE, select, small_of
from ._find import UnknownError
from ._hits import read_hits
from ._standings import UNDECODABLE, Standings, members
from ._stored import Captured, Stored, decode_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from e3_event._event import Snapshot

    from ._blobs import Blobs
    from ._hits import Hit
    from ._subscriptions import Lane

_decode = msgspec.json.Decoder(Stored).decode


class Kept(NamedTuple):
    """An attachment as it is kept.

    :ivar captured: what was noted when it was captured
    :ivar changed: its file had changed since it was attached
    :ivar problem: what is wrong with its copy; its bytes are not looked at
    """

    captured: Captured
    changed: bool
    problem: str


class Shown(NamedTuple):
    """All that is known of a snapshot.

    :ivar event: the event, as handlers see it but without its attachments; `None`: it can't be read
    :ivar attachments: in their order
    :ivar lanes: of the subscriptions in its standings: how far they have come; `None`: damaged
    :ivar snapshots: all of the event: id, when it was put, status; the newest first
    """

    hit: Hit
    event: Snapshot | None
    attachments: tuple[Kept, ...]
    lanes: dict[int, Lane | None]
    snapshots: tuple[tuple[str, float, str], ...]

    def attachment(self, name: str) -> tuple[int, Captured]:
        """The place of an attachment among all, and what was noted of it.

        :raises UnknownError: there is none of this name
        """
        names = [kept.captured.name for kept in self.attachments]
        if name not in names:
            has = ", ".join(names) or "none"
            raise UnknownError(f"the event has no attachment {name!r}; it has: {has}")
        return names.index(name), self.attachments[names.index(name)].captured


def read_shown(connection: apsw.Connection, blobs: Blobs, seqs: Sequence[int]) -> Shown:
    """Read all that is known of the newest of some snapshots, those of one event.

    :raises UnknownError: it is not there any more
    """
    hits = sorted(read_hits(connection, seqs), key=lambda hit: -hit.seq)
    if not hits:
        raise UnknownError("the event is not there any more")
    hit = hits[0]
    known = {one.id: one.lane for one in members(connection)}
    lanes = {one.subscription: known.get(one.subscription) for one in hit.standings}
    snapshots = tuple((one.snapshot_id, one.put, one.status) for one in hits if one.uid == hit.uid)
    try:
        (found,) = select(connection, "WHERE seq = ?", (hit.seq,))
        stored = _decode(found.body)
        event = decode_snapshot(hit.snapshot_id, found.body, {}, blobs)
    except (ValueError, *UNDECODABLE, *UNREADABLE):
        return Shown(hit, None, (), lanes, snapshots)
    event._attachments.clear()
    changed = event.as_dict().get("attachments_changed")
    names = changed if isinstance(changed, list) else []
    kept = tuple(
        Kept(one, one.name in names, _problem(blobs, hit.snapshot_id, one)) for one in stored.attachments
    )
    return Shown(hit, event, kept, lanes, snapshots)


def _problem(blobs: Blobs, snapshot_id: str, captured: Captured) -> str:
    if not captured.file:
        return ""
    try:
        size = os.stat(blobs.path(snapshot_id, captured, None)).st_size
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return "" if size == captured.size else f"damaged: it has {size} bytes"


def read_content(connection: apsw.Connection, hit: Hit, place: int) -> bytes:
    """Read an attachment that lies in the database.

    :raises OSError: it is missing or damaged
    """
    try:
        (found,) = select(connection, "WHERE seq = ?", (hit.seq,))
        small = small_of(connection, found)
        if found.is_intact(Standings(connection).stored_members(found.audience), small):
            return small[place]
    except (ValueError, KeyError, *UNREADABLE):
        pass
    raise OSError(f"damaged: the attachment of event {hit.uid}")
