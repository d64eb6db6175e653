"""A snapshot as the spool stores it: JSON, checked when it is read. What writes it is in `_storing`."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import msgspec

from e3_event._attachment import Attachment, stamp_of
from e3_event._event import Snapshot
from e3_event._files import open_regular

from ._blobs import open_in_memory

if TYPE_CHECKING:
    from io import BufferedReader

    from ._blobs import Blobs

#: Version of the form that this code writes.
VERSION = 1


class Captured(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a spool knows of an attachment.

    :ivar name: its name
    :ivar path: the path as it was given
    :ivar sha1: of the captured bytes
    :ivar sha256: likewise
    :ivar size: their number
    :ivar mode: permissions of the file
    :ivar mtime_ns: when it was last changed, in nanoseconds since the epoch
    :ivar file: name of the file in the folder of the snapshot; empty: the bytes lie in the database
    """

    name: str
    path: str
    sha1: str
    sha256: str
    size: int
    mode: int
    mtime_ns: int
    file: str = ""


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


_decode = msgspec.json.Decoder(Stored).decode
#: What a snapshot has not got; nothing is ever added to that of a snapshot.
_NONE: dict[str, Any] = {}


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
