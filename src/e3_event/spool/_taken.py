"""What is out with a worker: snapshots, made of what was chosen where that is intact."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from e3_event._errors import SpoolError

from ._events import AWAY, Events
from ._stored import decode_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from e3_event._event import Snapshot

    from ._blobs import Blobs
    from ._database import Database
    from ._deliveries import Delivery
    from ._events import Found
    from ._subscriptions import Subscriptions


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A delivery that is out with a worker.

    :ivar seq: of the event
    :ivar put: when the event was put
    :ivar snapshot: the event; `None`: it is damaged
    :ivar problem: how it is damaged
    :ivar attempts: how often it was tried before
    :ivar crashes: how often its worker died while it was out
    :ivar due: since when it might be tried again; 0: it is new
    """

    seq: int
    put: float
    snapshot: Snapshot | None
    problem: str = ""
    attempts: int = 0
    crashes: int = 0
    due: float = 0.0


class Unpacker:
    """Makes snapshots of what was chosen, and reports what is damaged.

    :param blobs: where it writes files for handlers
    :param clock: seconds since the epoch
    """

    def __init__(
        self, database: Database, blobs: Blobs, subscriptions: Subscriptions, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._events = Events(database)
        self._subscriptions = subscriptions
        self._clock = clock

    def unpack(self, chosen: Sequence[Found | int], again: dict[int, Delivery]) -> list[Taken]:
        """Make snapshots of what was chosen, where it is intact.

        :param again: what is known of those that were tried before, by their seq
        """
        taken = list(map(self._unpack, chosen))
        self._report([(one.seq, one.problem) for one in taken if one.problem and one.problem != AWAY])
        if again:
            taken = [_tried_before(one, again.get(one.seq)) for one in taken]
        return taken

    def _unpack(self, found: Found | int) -> Taken:
        if isinstance(found, int):
            return Taken(found, self._clock(), None, "its record can't be read")
        seq, _, snapshot_id, audience, put, _, body, _ = found
        small = self._small(found) if found.may_have_attachments else _NO_ATTACHMENTS
        if small is None or not found.is_intact(self._subscriptions.members(audience), small):
            when = put if type(put) is float else self._clock()
            return Taken(seq, when, None, "it is damaged: its checksum does not fit")
        if not body:
            return Taken(seq, put, None, AWAY)
        try:
            return Taken(seq, put, decode_snapshot(snapshot_id, body, small, self._blobs))
        except msgspec.MsgspecError as error:
            return Taken(seq, put, None, f"it can't be decoded: {error}")

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

    def tidy(self, taken: Iterable[Taken]) -> None:
        """Remove what was written so that a handler could open the small attachments of these."""
        for one in taken:
            if one.snapshot is not None and one.snapshot._attachments:
                self._blobs.release(one.snapshot._snapshot_id)

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


_NO_ATTACHMENTS: dict[int, bytes] = {}


def _tried_before(taken: Taken, known: Delivery | None) -> Taken:
    if known is None:
        return taken
    return msgspec.structs.replace(taken, attempts=known.attempts, crashes=known.crashes, due=known.due)
