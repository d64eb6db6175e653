"""A snapshot as the spool stores it: JSON, checked when it is read."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import msgspec

from e3_event._attachment import Attachment, stamp_of
from e3_event._codec import MAX_INT, MIN_INT, as_text
from e3_event._event import Event, Snapshot
from e3_event._files import open_regular

from ._blobs import Captured, open_in_memory

if TYPE_CHECKING:
    from io import BufferedReader

    from ._blobs import Blobs, Capture

#: Version of the form that this code writes.
VERSION = 1


class Stored(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a spool stores of a snapshot.

    :ivar data: its data
    :ivar closed: whether the event was closed
    :ivar shown: its `as_dict()`, where that can't be made of the data
    :ivar attachments: in their order
    """

    data: dict[str, Any]
    closed: bool
    shown: dict[str, Any] | None = None
    attachments: tuple[Captured, ...] = ()
    version: int = VERSION


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Stored).decode
#: What a snapshot has not got; nothing is ever added to that of a snapshot.
_NONE: dict[str, Any] = {}


def encode_snapshot(snapshot: Snapshot, capture: Capture) -> bytes:
    """Encode a snapshot, with what was captured of its attachments and marks for what could not be."""
    shown = snapshot._apart
    if capture.changed or capture.left_out:
        shown = _marked(snapshot._shown, capture)
    return _encode(Stored(snapshot._data, snapshot._closed, shown, tuple(capture.captured)))


def _marked(shown: dict[str, Any], capture: Capture) -> dict[str, Any]:
    """What an event shows, with marks for attachments that changed or went since its snapshot was made."""
    marked = dict(shown)
    if capture.changed:
        known = marked.get("attachments_changed", [])
        if isinstance(known, list):  # otherwise it is the program's own
            marked["attachments_changed"] = sorted({*known, *map(as_text, capture.changed)})
    if capture.left_out:
        known = marked.get("attachments_left_out", {})
        if isinstance(known, dict):
            gone = {as_text(name): reason for name, reason in capture.left_out.items()}
            marked["attachments_left_out"] = known | gone
    return marked


def encode_plain(event: Event) -> bytes | None:
    """Encode an event that is no snapshot, has no attachments, and plain data only, as its snapshot would be.

    :return: `None` if it is not such an event
    """
    if type(event) is not Event or event._attachments or event._formatters:
        return None
    data = event._data.copy()
    for key, value in data.items():
        kind = type(value)
        if type(key) is not str:
            return None
        if kind is str or kind is bool:
            continue
        if kind is int:
            if not MIN_INT <= value <= MAX_INT:
                return None
        elif kind is not float or value - value:  # it is NaN for both NaN and infinity
            return None
    try:
        return _encode(Stored(data, event._closed))
    except UnicodeEncodeError:  # a lone surrogate
        return None


def captured_in(body: bytes) -> tuple[Captured, ...]:
    """The attachments of a snapshot, as they were captured.

    :raises msgspec.MsgspecError: *body* is not what `encode_snapshot` gave
    """
    return _decode(body).attachments


def decode_snapshot(snapshot_id: str, body: bytes, small: dict[int, bytes], blobs: Blobs) -> Snapshot:
    """Make the snapshot again. Its attachments are those that were captured.

    :raises msgspec.MsgspecError: *body* is not what `encode_snapshot` gave
    """
    stored = _decode(body)
    snapshot = Snapshot.__new__(Snapshot)
    state = snapshot.__dict__
    state["_data"] = stored.data
    state["_apart"] = stored.shown
    state["_attachments"] = state["_formatters"] = _NONE
    state["_closed"] = stored.closed
    state["_snapshot_id"] = snapshot_id
    if stored.attachments:
        state["_attachments"] = {
            captured.name: SpooledAttachment(captured, snapshot_id, small.get(place), blobs)
            for place, captured in enumerate(stored.attachments)
        }
    return snapshot


class SpooledAttachment(Attachment):
    """An attachment in a spool. It is only ever handed out if its bytes are those that were captured.

    They are looked at when it is first opened, or its path is asked for, and again if the file has changed.

    :ivar problem: why somebody who wanted it could not have it: it is missing or damaged
    """

    __slots__ = ("_blobs", "_captured", "_content", "_snapshot_id", "problem")

    def __init__(self, captured: Captured, snapshot_id: str, content: bytes | None, blobs: Blobs) -> None:
        self.name = captured.name
        self.given = captured.path
        self.sha1 = captured.sha1
        self.trusted = False
        self._stamp = None
        self.problem = ""
        self._captured = captured
        self._snapshot_id = snapshot_id
        self._content = content
        self._blobs = blobs

    @property
    def path(self) -> str:  # type: ignore[override]  # read-only here
        """Path of a file with its bytes. A small one lies in the database, and is written when asked for.

        :raises OSError: it is missing or damaged
        """
        path = self._blobs.path(self._snapshot_id, self._captured, self._content)
        if self._stamp is None:
            self.open().close()
        return path

    def open(self) -> BufferedReader:
        """Open it at its start.

        :raises OSError: it is missing or damaged
        """
        if self._content is not None and hasattr(os, "memfd_create"):
            return open_in_memory(self._captured, self._content)  # which works on a full disk, too
        path = self._blobs.path(self._snapshot_id, self._captured, self._content)
        try:
            if self._stamp is not None and self.is_untouched(os.stat(path)):
                return open_regular(path)
            file = self._blobs.open(path, self._captured)
        except OSError as error:
            if error.errno in (None, errno.ENOENT):  # the others may pass
                self.problem = str(error)
            raise
        self._stamp = stamp_of(os.fstat(file.fileno()))
        return file

    def current(self) -> Attachment:
        """Return itself: what is captured never changes."""
        return self
