"""Where snapshots wait, durably, with their attachments."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from e3_event._codec import as_text
from e3_event._errors import SpoolError, SpoolFullError
from e3_event._handler import EventHandler
from e3_event._ids import unique_id

from . import _late  # noqa: F401
from ._blobs import Blobs, Capture
from ._commit import GroupCommit
from ._database import PATIENCE, Database
from ._disk import SyncError
from ._events import AWAY, CONFIGURED, Events, make_row
from ._fingerprint import keys_of
from ._key import REFRESH
from ._orphans import ADOPTING, adopt
from ._place import DATABASE, open_folder
from ._room import CHUNK, Room
from ._runs import Run, begin
from ._storing import encode_plain, encode_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from e3_event import Event, Snapshot

    from ._events import Audience, Row
    from ._key import Key
    from ._ledger import Ledger
    from ._purge import Purged
    from ._queue import Queue
    from ._subscriptions import Subscriptions

#: What a spool may take by default (bytes), and how long settled events are kept (seconds).
MAX_SIZE = 1 << 30
RETENTION = 30 * 86400.0
#: What is captured of an event without attachments.
_NOTHING = Capture()


class Spool(EventHandler):
    """A folder in which snapshots wait until they are delivered. Many threads and processes may share it.

    :param path: the folder; made if it is not there, with rights for its owner only
    :param max_size: bytes that its database and attachments may take
    :param retention: seconds that settled events are kept, if there is room
    :param patience: seconds to wait for another process that keeps it locked
    :param clock: seconds since the epoch
    :raises SpoolError: the folder is not fit for a spool, or the spool needs `fsck`; says why
    :raises OSError: the folder can't be made
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_size: int = MAX_SIZE,
        retention: float = RETENTION,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = open_folder(os.fspath(path))
        self.max_size = max_size
        self.retention = retention
        self.patience = patience
        self.clock = clock
        self._opening = threading.Lock()
        self._pid = 0
        self._known: Subscriptions | None = None
        self._connect()

    in_front = True

    def put(self, event: Event, *, owed_to: Sequence[Key] | None = None) -> str:
        """Take an event as it is now, with what its attachments hold now.

        When it returns, the event survives kill -9, a crash of the operating system and a power cut, on a
        local file system whose fsync is honest. If it raises, the outcome is unknown: put the same snapshot
        again (`s = event.snapshot(); spool.put(s)`); the second put of one `snapshot_id` changes nothing.

        :param owed_to: the subscriptions that it is owed to; by default those of the configuration file. Of
            none, nobody gets it by itself
        :return: the `snapshot_id`
        :raises SpoolFullError: there is no room
        :raises SpoolError: the spool can't be used (it was deleted, its disk failed); says why
        """
        return self.put_many([event], owed_to=owed_to)[0]

    def put_many(self, events: Iterable[Event], *, owed_to: Sequence[Key] | None = None) -> list[str]:
        """Take several events with one commit, all or none; otherwise as `put`."""
        self._ready()
        try:
            return self._put(events, owed_to)
        except SpoolError:
            raise
        except BaseException as error:
            from traceback import clear_frames

            # One out of nothing, as KeyboardInterrupt, may have come where a `with` was entered or left, and
            # then the lock of the database is held for as long as the traceback is kept.
            clear_frames(error.__traceback__)
            raise

    def _put(self, events: Iterable[Event], owed_to: Sequence[Key] | None) -> list[str]:
        audience, now = self._audience(owed_to), self.clock()
        rows = [self._row(event, audience, now) for event in events]
        if new := [row for row in rows if row.columns[5]]:
            self._submit(new)
        return [row.columns[1] for row in rows]

    def send_event(self, event: Event) -> bool:
        """Put an event, as a handler does."""
        self.put(event)
        return True

    def keep(
        self, event: Event, handlers: Mapping[str, EventHandler] | None, named: Collection[str] = ()
    ) -> str:
        """Put an event for a manager's handlers, which stand behind the spool; otherwise as `put`.

        :param handlers: `{name: handler}`; there may be none: then it is owed to those of the configuration
            file. `None`: they are not known, and nobody gets it by itself
        :param named: the names of those that are of the configuration file
        :return: the `snapshot_id`
        """
        return self.put(event, owed_to=keys_of(handlers, named))

    def begin(
        self,
        event: Event,
        handlers: Mapping[str, EventHandler] | None,
        named: Collection[str] = (),
        attachments: Mapping[str, str] = {},
        max_log: int = 0,
    ) -> Run:
        """Write down that something has begun, so that its event comes in any case.

        If this process is killed, or the machine goes down, before `Run.end`, the next one that delivers or
        puts the event of a run into this spool makes an event of it, with status `aborted` (see `adopt`).

        :param event: as it is now; owed as by `keep`
        :param attachments: paths of what is attached then, if it is there, by name
        :param max_log: bytes of its output that are kept in `Run.log`
        :raises OSError: it can't be written down
        :raises SpoolError: the folder is not fit for a spool
        """
        return begin(self.path, event, keys_of(handlers, named), attachments, max_log)

    def adopt(self, seconds: float = ADOPTING) -> int:
        """Put the events of what was killed.

        :param seconds: begin with no further one after so many
        :return: how many there were
        :raises SpoolError: it can't take them
        """

        def put(snapshot: Snapshot, keys: Sequence[Key] | None) -> None:
            self.put(snapshot, owed_to=keys)

        def report_damage(what: str) -> None:
            with self._database.writing():
                self._database.report_damage(what)

        return adopt(self.path, put, report_damage, time.monotonic() + seconds)

    def read(self, snapshot_id: str) -> Snapshot:
        """Return a snapshot as it was put.

        :raises SpoolError: it is not there, or damaged; says which
        """
        from ._stored import decode_snapshot

        self._ready()
        found = self._events.find(snapshot_id)
        if found is None:
            raise SpoolError(f"there is no snapshot {snapshot_id}", self.path)
        small = self._events.small(found)
        if not found.is_intact(self._subscriptions.members(found.audience), small):
            raise SpoolError(f"snapshot {snapshot_id} is damaged: its checksum does not fit", self.path)
        if found.stands_in:
            raise SpoolError(f"snapshot {snapshot_id} can't be had: {AWAY}", self.path)
        return decode_snapshot(found.snapshot_id, found.body, small, self._blobs)

    def register(self, keys: Sequence[Key]) -> list[int]:
        """Note who is owed events from now on: to be done before the first put.

        :return: ids of the subscriptions
        :raises SpoolError: the spool can't be used
        """
        self._ready()
        return self._subscriptions.known(keys) or self._subscriptions.register(keys)

    def queue(self, number: int, *, strict: bool = False) -> Queue:
        """Return what a subscription is owed, for its worker.

        :param number: its id
        :param strict: nothing overtakes what could not be delivered
        """
        from ._queue import Queue  # those who only put do without it

        self._ready()
        return Queue(self._database, self._blobs, self._subscriptions, number, self.clock, strict=strict)

    def version(self) -> int:
        """A number that is another one once somebody else has changed the spool."""
        self._ready()
        return self._database.version()

    def purge(
        self, before: float | None = None, *, progress: Callable[[int, int], None] | None = None
    ) -> Purged:
        """Remove settled events, and give up what is owed to handlers that nobody serves any more.

        :param before: those that were put before this time (seconds since the epoch); by default those that
            are older than the retention
        :param progress: is called now and then: how many were looked at, of about how many
        :return: what was removed
        """
        self._ready()
        return self._room.purge(before, progress=progress)

    @property
    def ledger(self) -> Ledger:
        """What it holds and what became of it, for people."""
        from ._ledger import Ledger  # likewise

        self._ready()
        return Ledger(self._database, self._blobs, self._room, self.clock)

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

    @property
    def _subscriptions(self) -> Subscriptions:
        """Who is owed events; loaded when it is first needed."""
        if self._known is None:
            from ._subscriptions import Subscriptions

            self._known = Subscriptions(self._database, self.clock)
        return self._known

    def _audience(self, owed_to: Sequence[Key] | None) -> Audience:
        """The audience of these, which are noted as seen now and then."""
        if owed_to is None:
            return CONFIGURED
        keys, now = tuple(owed_to), self.clock()
        audience, since = self._audiences.get(keys, (CONFIGURED, float("-inf")))
        if not since <= now < since + REFRESH / 2:
            audience = self._subscriptions.audience(keys)
            self._audiences[keys] = (audience, now)
        return audience

    def _row(self, event: Event, audience: Audience, now: float) -> Row:
        """Make a row of an event as it is now; attachments that do not lie in the row are captured.

        :return: the row; without a body if the snapshot is there already, whose attachments must stay as they
            are, whatever their files hold now
        """
        body = encode_plain(event)
        if body is not None:
            uid = event._data["uid"]
            return make_row(
                uid if type(uid) is str else as_text(uid), unique_id(), audience, now, 0, body, {}
            )
        snapshot = event.snapshot()
        uid, snapshot_id = as_text(snapshot._data["uid"]), snapshot._snapshot_id
        if snapshot._attachments and self._events.has(uid, snapshot_id):
            self._database.check_usable()  # as nothing is written that would tell
            return make_row(uid, snapshot_id, audience, now, 0, b"", {})
        capture = self._capture(snapshot)
        return make_row(
            uid=uid,
            snapshot_id=snapshot_id,
            audience=audience,
            put=now,
            blob_bytes=capture.blob_bytes,
            body=encode_snapshot(snapshot, capture),
            small=capture.small,
        )

    def _capture(self, snapshot: Snapshot) -> Capture:
        if not snapshot._attachments:
            return _NOTHING
        try:
            return self._blobs.capture(snapshot._snapshot_id, tuple(snapshot._attachments.values()))
        except OSError as error:
            if isinstance(error, SyncError):
                self._database.break_off(f"{error}")
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise (SpoolFullError if full else SpoolError)(
                f"an attachment can't be kept: {error}", self.path
            ) from error

    def _submit(self, rows: Sequence[Row]) -> None:
        """Commit, together with what other threads have."""
        try:
            self._commits.submit(rows)
        except SpoolFullError:
            self._discard(rows)
            raise

    def _discard(self, rows: Sequence[Row]) -> None:
        """Remove the attachments of what was refused."""
        with contextlib.suppress(SpoolError):
            for row in rows:
                if row.blob_bytes and not self._events.has(row.columns[0], row.snapshot_id):
                    self._blobs.discard(row.snapshot_id)

    def _write(self, rows: Sequence[Row]) -> None:
        self._room.ensure(rows)
        seq = self._events.insert(rows)
        if seq % CHUNK < len(rows):
            with contextlib.suppress(SpoolError):  # the rows are committed, and what is damaged stays
                self._room.tidy()

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
            self._database = Database(os.path.join(self.path, DATABASE), self.patience)
            self._events = Events(self._database)
            self._known = None
            self._audiences: dict[tuple[Key, ...], tuple[Audience, float]] = {}
            self._room = Room(
                self._database,
                self._blobs,
                lambda: self._subscriptions,
                self.max_size,
                self.retention,
                self.clock,
            )
            self._commits = GroupCommit(self._write)
            self._pid = os.getpid()
