"""A snapshot as the spool stores it: JSON, checked when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from e3_event._attachment import Attachment
from e3_event._codec import encode
from e3_event._event import Snapshot

from ._blobs import Captured  # noqa: TC001  msgspec reads the annotations

if TYPE_CHECKING:
    from io import BufferedReader

    from ._blobs import Blobs

#: Version of the form that this code writes.
VERSION = 1


class Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a spool stores of a snapshot.

    :ivar shown: its `as_dict()`
    :ivar raw: the data that formatters show otherwise
    :ivar closed: whether the event was closed
    :ivar attachments: in their order
    """

    shown: dict[str, Any]
    raw: dict[str, Any]
    closed: bool
    attachments: tuple[Captured, ...] = ()
    version: int = VERSION


_decoder = msgspec.json.Decoder(Stored)


def encode_snapshot(snapshot: Snapshot, attachments: tuple[Captured, ...]) -> bytes:
    """Encode a snapshot, with what was captured of its attachments."""
    shown = snapshot._shown
    raw = {key: value for key, value in snapshot._data.items() if key not in shown or shown[key] != value}
    return encode(Stored(shown, raw, snapshot._closed, attachments))


def decode_snapshot(snapshot_id: str, body: bytes, small: dict[int, bytes], blobs: Blobs) -> Snapshot:
    """Make the snapshot again. Its attachments are those that were captured.

    :raises msgspec.MsgspecError: *body* is not what `encode_snapshot` gave
    """
    stored = _decoder.decode(body)
    snapshot = Snapshot.__new__(Snapshot)
    snapshot.__dict__.update(
        _data={**stored.shown, **stored.raw},
        _shown=stored.shown,
        _formatters={},
        _closed=stored.closed,
        _snapshot_id=snapshot_id,
        _attachments={
            captured.name: SpooledAttachment(captured, snapshot_id, small.get(place), blobs)
            for place, captured in enumerate(stored.attachments)
        },
    )
    return snapshot


class SpooledAttachment(Attachment):
    """An attachment in a spool. It is only ever opened if its bytes are those that were captured."""

    __slots__ = ("_blobs", "_captured", "_content", "_snapshot_id")

    def __init__(self, captured: Captured, snapshot_id: str, content: bytes | None, blobs: Blobs) -> None:
        self.name = captured.name
        self.given = captured.path
        self.sha1 = captured.sha1
        self.trusted = False
        self._stamp = None
        self._captured = captured
        self._snapshot_id = snapshot_id
        self._content = content
        self._blobs = blobs

    @property
    def path(self) -> str:  # type: ignore[override]  # read-only here
        """Path of a file with its bytes. A small one lies in the database, and is written when asked for."""
        return self._blobs.path(self._snapshot_id, self._captured, self._content)

    def open(self) -> BufferedReader:
        """Open it at its start.

        :raises OSError: it is missing or damaged
        """
        return self._blobs.open(self.path, self._captured)

    def current(self) -> Attachment:
        """Return itself: what is captured never changes."""
        return self
