"""Where snapshots wait, durably, with their attachments."""

from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from e3_event._errors import SpoolError, SpoolFullError
from e3_event._handler import EventHandler

from ._blobs import Blobs, SyncError
from ._commit import GroupCommit
from ._database import Database, Row
from ._place import DATABASE, open_folder
from ._stored import decode_snapshot, encode_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from e3_event import Event, Snapshot


class Spool(EventHandler):
    """A folder in which snapshots wait until they are delivered. Many threads and processes may share it.

    :param path: the folder; made if it is not there, with rights for its owner only
    :param clock: seconds since the epoch
    :raises SpoolError: the folder is not fit for a spool, or the spool needs `fsck`; says why
    :raises OSError: the folder can't be made
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:
        self.path = open_folder(os.fspath(path))
        self._clock = clock
        self._opening = threading.Lock()
        self._pid = 0
        self._connect()

    def put(self, event: Event) -> str:
        """Take an event as it is now, with what its attachments hold now.

        When it returns, the event survives kill -9, a crash of the operating system and a power cut, on a
        local file system whose fsync is honest. If it raises, the outcome is unknown: put the same snapshot
        again (`s = event.snapshot(); spool.put(s)`); the second put of one `snapshot_id` changes nothing.

        :return: the `snapshot_id`
        :raises SpoolFullError: there is no room
        :raises SpoolError: the spool can't be used (it was deleted, its disk failed); says why
        """
        return self.put_many([event])[0]

    def put_many(self, events: Iterable[Event]) -> list[str]:
        """Take several events with one commit, all or none; otherwise as `put`."""
        snapshots = [event.snapshot() for event in events]
        self._ready()
        rows = [self._row(snapshot) for snapshot in snapshots]
        if rows:
            self._commits.submit(rows)
        return [row.snapshot_id for row in rows]

    def send_event(self, event: Event) -> bool:
        """Put an event, as a handler does."""
        self.put(event)
        return True

    def read(self, snapshot_id: str) -> Snapshot:
        """Return a snapshot as it was put.

        :raises SpoolError: it is not there, or damaged; says which
        """
        self._ready()
        row = self._database.find(snapshot_id)
        if row is None:
            raise SpoolError(f"there is no snapshot {snapshot_id}", self.path)
        return decode_snapshot(row.snapshot_id, row.body, row.small, self._blobs)

    def close(self) -> None:
        """Close the connection to the database. The next call opens it again."""
        with self._opening:
            if self._pid == os.getpid():
                self._database.close()
            self._pid = 0

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, Any]:
        """Decode the folder."""
        return {"path": config_str.replace("%7C", "|").replace("%25", "%")}

    def encode_config(self) -> str:
        return self.path.replace("%", "%25").replace("|", "%7C")

    def _row(self, snapshot: Snapshot) -> Row:
        try:
            capture = self._blobs.capture(snapshot._snapshot_id, tuple(snapshot._attachments.values()))
        except OSError as error:
            if isinstance(error, SyncError):
                self._database.break_off(f"{error}")
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise (SpoolFullError if full else SpoolError)(
                f"an attachment can't be kept: {error}", self.path
            ) from error
        return Row(
            snapshot_id=snapshot._snapshot_id,
            audience=0,
            put=self._clock(),
            blob_bytes=capture.blob_bytes,
            body=encode_snapshot(snapshot, tuple(capture.captured)),
            small=capture.small,
        )

    def _ready(self) -> None:
        """Open what a forked process may not share with its parent."""
        if self._pid != os.getpid():
            self._opening = threading.Lock()  # the parent may have held it
            self._connect()

    def _connect(self) -> None:
        with self._opening:
            if self._pid == os.getpid():
                return
            self._blobs = Blobs(os.path.join(self.path, "blobs"))
            self._database = Database(os.path.join(self.path, DATABASE))
            self._commits = GroupCommit(self._database.insert)
            self._pid = os.getpid()
