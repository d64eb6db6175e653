"""The database of a spool: all SQL, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import apsw

from e3_event._errors import SpoolError, SpoolFullError
from e3_event._ids import unique_id

from ._schema import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Seconds to wait for another process that writes.
BUSY = 30.0
#: Pages of the WAL after which it is written back.
CHECKPOINT = 1000
#: "e3ev": what `file` and others know our databases by.
_APPLICATION = 0x65336576
_INSERT = (
    "INSERT INTO event (snapshot_id, audience, put, blob_bytes, body, checksum) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (snapshot_id) DO NOTHING"
)
_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX
_SYNC_ERRORS = (apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC, apsw.SQLITE_IOERR_TRUNCATE)


class Row(NamedTuple):
    """A snapshot on its way into the table `event`.

    :ivar small: contents of the attachments that lie in the row, by their place
    """

    snapshot_id: str
    audience: int
    put: float
    blob_bytes: int
    body: bytes
    small: dict[int, bytes]

    @property
    def checksum(self) -> int:
        head = f"{self.snapshot_id} {self.audience} {self.put!r} {self.blob_bytes} ".encode()
        checksum = zlib.crc32(self.body, zlib.crc32(head))
        for place, content in sorted(self.small.items()):
            checksum = zlib.crc32(content, zlib.crc32(b"%d " % place, checksum))
        return checksum


class Database:
    """A connection to the database of one spool, of one process. Threads may share it.

    A forked process opens its own; what it inherits is never closed there, and no lock in SQLite is inherited
    held, since forking waits for what is being done.

    :raises SpoolError: it is no database of a spool, of a newer version (which is then not touched), or its
        disk has failed
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._identity = _create(path)
        self._check_usable()
        self._lock = threading.Lock()
        with _opening:
            with self._ours():
                self.connection = apsw.Connection(path, flags=_FLAGS)
                self._prepare()
            _connections.append(self)

    def _prepare(self) -> None:
        connection = self.connection
        connection.set_busy_timeout(int(BUSY * 1000))
        version = connection.pragma("user_version")
        if version > len(MIGRATIONS):
            connection.close()
            raise SpoolError(
                f"schema {version} is newer than this e3-event knows ({len(MIGRATIONS)}); upgrade it",
                self.path,
            )
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("cell_size_check", True)
        connection.pragma("wal_autocheckpoint", CHECKPOINT)
        if version < len(MIGRATIONS):
            self._migrate()

    def _migrate(self) -> None:
        with self._transaction():
            version = self.connection.pragma("user_version")  # another process may have been faster
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                self.connection.execute(script)
                self.connection.pragma("user_version", number)
            if version == 0:
                self.connection.pragma("application_id", _APPLICATION)
                self.connection.execute("INSERT INTO spool VALUES (?, ?, 0)", (unique_id(), time.time()))

    def insert(self, rows: Sequence[Row]) -> None:
        """Insert snapshots, all or none; those that are there change nothing. Durable when it returns.

        :raises SpoolFullError: there is no room on the disk
        :raises SpoolError: the spool can't be used any more; says why
        """
        with self._lock, self._ours():
            self._check_usable()
            if len(rows) == 1 and not rows[0].small and not rows[0].blob_bytes:
                self.connection.execute(_INSERT, (*rows[0][:5], rows[0].checksum))  # a transaction of its own
                return
            with self._transaction():
                self._insert(rows)

    def _insert(self, rows: Sequence[Row]) -> None:
        execute = self.connection.execute
        blob_bytes = 0
        for row in rows:
            execute(_INSERT, (*row[:5], row.checksum))
            if (row.small or row.blob_bytes) and self.connection.changes():
                seq = self.connection.last_insert_rowid()
                blob_bytes += row.blob_bytes
                for place, content in row.small.items():
                    execute("INSERT INTO attachment VALUES (?, ?, ?)", (seq, place, content))
        if blob_bytes:
            execute("UPDATE spool SET blob_bytes = blob_bytes + ?", (blob_bytes,))

    def find(self, snapshot_id: str) -> Row | None:
        """Return a snapshot; `None` if it is not there.

        :raises SpoolError: it is damaged
        """
        execute = self.connection.execute
        with self._lock, self._ours():
            found = execute(
                "SELECT seq, audience, put, blob_bytes, body, checksum FROM event WHERE snapshot_id = ?",
                (snapshot_id,),
            ).get
            if found is None:
                return None
            seq, audience, put, blob_bytes, body, checksum = found
            small = dict(execute("SELECT place, content FROM attachment WHERE seq = ?", (seq,)))
        row = Row(snapshot_id, audience, put, blob_bytes, body, small)
        if row.checksum != checksum:
            raise SpoolError(f"snapshot {snapshot_id} is damaged: its checksum does not fit", self.path)
        return row

    def break_off(self, reason: str) -> None:
        """Stop every process from using the spool: after a failed fsync a later one may lie.

        The database loses its owner's right to write, which each of them looks at before it writes.
        """
        os.chmod(self.path, 0o400)
        with contextlib.suppress(OSError), open(f"{self.path}.failed", "w", encoding="utf-8") as file:
            file.write(f"{reason}\n")

    def close(self) -> None:
        """Close the connection; only the process that opened it may."""
        with _opening, self._lock:
            self.connection.close()
            _connections.remove(self)

    def _check_usable(self) -> None:
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            raise SpoolError("the spool was deleted while it was in use", self.path) from None
        if (status.st_dev, status.st_ino) != self._identity:
            raise SpoolError("the spool was replaced while it was in use", self.path)
        if not status.st_mode & 0o200:
            raise SpoolError(
                "the disk has failed (see spool.db.failed); run `e3-event fsck --repair`", self.path
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what is done inside, or nothing of it."""
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            yield
            execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                execute("ROLLBACK")
            raise

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """Make errors of SQLite ours, and stop everybody after one of fsync."""
        try:
            yield
        except apsw.FullError as error:
            raise SpoolFullError("the disk is full", self.path) from error
        except apsw.Error as error:
            if getattr(error, "extendedresult", 0) in _SYNC_ERRORS:
                self.break_off(str(error))
            raise SpoolError(str(error), self.path) from error


#: Held while a connection is opened or closed.
_opening = threading.Lock()
#: Those of this process and, in a forked one, those that it inherited.
_connections: list[Database] = []


def _before_fork() -> None:
    """Wait until no thread is inside of SQLite, whose locks a child would inherit held for ever."""
    _opening.acquire()
    for database in _connections:
        database._lock.acquire()


def _after_fork() -> None:
    for database in _connections:
        database._lock.release()
    _opening.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def _create(path: str) -> tuple[int, int]:
    """Make the file if it is not there, readable by its owner only; return its device and inode."""
    fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        status = os.fstat(fd)
    finally:
        os.close(fd)
    return status.st_dev, status.st_ino
