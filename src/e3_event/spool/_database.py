"""The database of a spool: its connection, its transactions, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import apsw

from e3_event._errors import SpoolError, SpoolFullError
from e3_event._ids import unique_id

from . import _forks, _totals
from ._log import read_frames, read_header
from ._mark import Mark
from ._schema import MIGRATIONS
from ._totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")

#: Seconds to wait for another process that writes.
PATIENCE = 30.0
_NAP = 0.0005
#: Pages of the WAL after which it is written back.
CHECKPOINT = 1000
#: Pages that the WAL may have: 64 MiB. It is above CHECKPOINT only while somebody reads for long.
WAL_CAP = 16_384
MARK = "spool.mark"
#: The folder of what is damaged, for people to look at.
QUARANTINE = "quarantine"
#: Nobody is owed such an event: it stands for those that are lost.
NOBODY = -1
#: "e3ev": what `file` and others know our databases by.
APPLICATION = 0x65336576
_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX
#: Errors that tell of a damaged database.
_DAMAGE = (apsw.CorruptError, apsw.NotADBError)
_SYNC_ERRORS = (apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC, apsw.SQLITE_IOERR_TRUNCATE)


class Database:
    """A connection to the database of one spool, of one process. Threads may share it.

    A forked process opens its own; what it inherits is closed there at once, without a trace, and no lock in
    SQLite is inherited held, since forking waits for what is being done.

    SQLite never calls us back (to wait for others, or after a commit): a thread that the end of the
    interpreter finds in SQLite must not come back into it, which kills the process.

    :param path: of `spool.db`
    :param patience: seconds to wait for another process that writes
    :ivar mark: the highest seq that was ever committed
    :raises SpoolError: it is no database of a spool, of a newer version (which is then not touched), or its
        disk has failed
    """

    def __init__(self, path: str, patience: float = PATIENCE) -> None:
        self.path = path
        self._patience = patience
        self._log = f"{path}-wal"
        self._identity = _create(path)
        self._failure = ""  # of its disk, which this process has seen
        self._check_usable()
        if os.path.getsize(path) == 0 and read_header(self._log):  # which SQLite would delete
            raise SpoolError("the database is empty, its log is not; run `e3-event fsck --repair`", path)
        self._lock = threading.Lock()
        self._wal_pages = 0
        self._log_is = (0, 1 << 62)  # its salt, and its pages when that was read
        with _forks.opening:
            with self.errors():
                self.connection = apsw.Connection(path, flags=_FLAGS)
                try:
                    self._prepare()
                except BaseException:
                    self.connection.close()
                    raise
            _forks.watch(self._lock, self._end_remains, self._drop)

    def _prepare(self) -> None:
        connection = self.connection
        connection.set_busy_timeout(int(self._patience * 1000))
        version = connection.pragma("user_version")
        if version > len(MIGRATIONS):
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            raise SpoolError(
                f"schema {version} is newer than this e3-event knows ({len(MIGRATIONS)}); upgrade it, or if"
                " no newer one was ever used, run `e3-event fsck`",
                self.path,
            )
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("cell_size_check", True)
        connection.pragma("journal_size_limit", CHECKPOINT * 4096)
        self.mark = Mark(os.path.join(os.path.dirname(self.path), MARK))
        connection.wal_autocheckpoint(0)  # `_write_back` does it
        noted = self.mark.log()
        is_cut = self._log_is_cut(*noted)
        if version == 0 and is_cut:  # all of it is in the log still, which a new schema would overwrite
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            raise SpoolError(
                "the beginning of its write-ahead log is damaged; run `e3-event fsck --repair`", self.path
            )
        if version < len(MIGRATIONS):
            self._migrate()
        if is_cut or self.mark.read() > self.newest():
            self._note_loss(noted if is_cut else None)

    def _migrate(self) -> None:
        with self._transaction():
            version = self.connection.pragma("user_version")  # another process may have been faster
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                self.connection.execute(script)
                self.connection.pragma("user_version", number)
            if version == 0:
                self.connection.pragma("application_id", APPLICATION)
                _totals.create(self.connection, Totals(unique_id(), time.time(), 0, 0, 0))

    def _log_is_cut(self, salt: int, frames: int) -> bool:
        """Has SQLite found less in the log than was committed, which the mark notes?

        What it takes for the end may be a damaged page, or a damaged head.
        """
        header = read_header(self._log) if frames else None
        if header is None or (header.salt ^ salt).bit_count() > (0 if header.is_intact else 1):
            return False  # another log, which says nothing of the one that was marked
        if self._frames_found() >= frames or read_header(self._log) != header:  # it has begun anew meanwhile
            return False
        committed = islice(read_frames(self._log, salt), frames)
        return not header.is_intact or sum(frame.is_valid for frame in committed) < frames

    def _frames_found(self) -> int:
        """Pages that SQLite finds in the log; waits for a commit under way, as SQLite does not here."""
        return self._patiently(self.connection.wal_checkpoint, None, apsw.SQLITE_CHECKPOINT_NOOP)[0]

    def _note_loss(self, cut: tuple[int, int] | None) -> None:
        """Note that the end of the database is missing, before anything takes its place.

        :param cut: what is noted of its log, if that is damaged

        The log is kept for `fsck --repair`, and an event put in the place of those that are lost, so that
        none gets their numbers.
        """
        from ._events import NOBODY_AT_ALL, stand_in  # which imports this

        with self._transaction():
            marked, newest = self.mark.read(), self.newest()
            if cut and cut == self.mark.log():  # otherwise another process was faster
                keep_aside(os.path.dirname(self.path), self._log, f"{newest + 1}-{max(marked, newest)}")
                self.report_damage(
                    "the end of the write-ahead log is damaged: what became of the last deliveries is"
                    " missing, so that some may come twice, and perhaps events"
                )
            if marked > newest:
                stand_in(self.connection, marked, "", unique_id(), NOBODY_AT_ALL, time.time())
                _totals.add(self.connection, gone=marked - newest - 1)
                self.report_damage(
                    f"{marked - newest} committed events, {newest + 1} to {marked}, are missing: the end of"
                    " the database (its write-ahead log) was lost or damaged"
                )

    def newest(self) -> int:
        """The seq of the newest event; 0 if there never was one."""
        return self.connection.execute("SELECT max(seq) FROM event").get or 0

    def version(self) -> int:
        """A number that is another one once another connection has changed the database.

        :raises SpoolError: it can't be used any more; says why
        """
        with self.reading() as connection:
            self._check_usable()
            return int(connection.pragma("data_version"))

    def check_usable(self) -> None:
        """Look whether it may be used.

        :raises SpoolError: it can't be used any more; says why
        """
        with self._lock:
            self._check_usable()

    def report_damage(self, what: str) -> None:
        """Note what was found, for `status` and `fsck`; the same is noted once."""
        self.connection.execute(
            "INSERT INTO damage (noticed, what) VALUES (?, ?) ON CONFLICT DO NOTHING", (time.time(), what)
        )

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """Use the connection, for reading; no other thread does meanwhile. Be short.

        :raises SpoolError: says why it can't be read
        """
        with self._lock, self.errors():
            self._end_remains()
            yield self.connection

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """Commit what is done inside, or (if it raises) nothing of it. Durable when it is left.

        :raises SpoolFullError: there is no room
        :raises SpoolError: the spool can't be used any more; says why
        """
        with self._lock, self.errors():
            if not self._is_fit:
                self._check_usable()
            self._check_wal()
            with self._transaction():
                yield self.connection
            self._note_log()
            self._write_back()
            self._check_usable()

    def insert(self, sql: str, values: tuple[object, ...]) -> int:
        """Execute an INSERT, which is a transaction of its own, and cheaper than `writing`.

        :return: the last rowid; 0 if nothing was inserted
        """
        with self._lock:
            try:
                self._end_remains()
                if not self._is_fit:
                    self._check_usable()
                if self._wal_pages > CHECKPOINT:
                    self._check_wal()
                self._patiently(self.connection.execute, sql, values)
                seq = self.connection.last_insert_rowid() if self.connection.changes() else 0
                self._note_log()
                self._write_back()
                self._check_usable()
                return seq
            except apsw.Error as error:
                raise self._ours(error) from error

    def break_off(self, reason: str) -> None:
        """Stop every process from using the spool: after a failed fsync a later one may lie.

        The database loses its owner's right to write, which each of them looks at before it says that
        something is committed.
        """
        self._failure, self._is_fit = reason, False
        with contextlib.suppress(OSError):
            os.chmod(self.path, 0o400)
        with contextlib.suppress(OSError):
            write_reason(self.path, reason)

    def close(self) -> None:
        """Close the connection; only the process that opened it may."""
        with _forks.opening, self._lock:
            self.mark.note_log(0, 0)  # the last one to close it removes the log
            self.connection.close()
            self.mark.close()
            _forks.forget(self._lock)

    def _drop(self) -> None:
        """Close the connection in a forked process, which has inherited it, but none of its locks on files.

        As long as it is open, SQLite takes those locks for held and does not get them for the connection that
        the process opens for itself. Another process would then take itself for the last one that has the
        database open, and remove the write-ahead log into which this one writes.

        Only memory and descriptors are given up: SQLite warns of more than that, which is the clean-up of the
        log, here switched off, and the rollback of a transaction, of which there is none when it forks.
        """
        with contextlib.suppress(apsw.ConnectionClosedError):  # it is called again if it was interrupted
            self.connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self.connection.close()
        self.mark.close()

    def _check_usable(self) -> None:
        """Is it still the same file, and may it be used? Who asks after a commit can rely on the answer."""
        self._is_fit = False
        if self._failure:
            raise SpoolError(
                f"the disk has failed ({self._failure}); run `e3-event fsck --repair`, and open it again",
                self.path,
            )
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            raise SpoolError("the spool was deleted while it was in use", self.path) from None
        if (status.st_dev, status.st_ino) != self._identity:
            raise SpoolError("the spool was replaced while it was in use", self.path)
        if not status.st_mode & 0o200:
            raise SpoolError(
                "the disk has failed or a repair is under way (spool.db.failed says which); run"
                " `e3-event fsck --repair`",
                self.path,
            )
        self._is_fit = True

    def _note_log(self) -> None:
        """Note how far the log goes after a commit. What is committed is committed, so nothing is raised."""
        try:
            pages = self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)[0]
            salt, before = self._log_is
            if pages <= before:  # it began anew
                header = read_header(self._log)
                salt = header.salt if header else salt
        except (apsw.Error, OSError) as error:  # as where no descriptor is left; the next one looks again
            if isinstance(error, apsw.Error):
                self._ours(error)
            self.mark.note_log(0, 0)
            return
        self._wal_pages = pages
        self._log_is = salt, pages
        self.mark.note_log(salt, pages)

    def _write_back(self) -> None:
        """Write the WAL back when it is long. What is committed is in it, so nothing is raised."""
        if self._wal_pages >= CHECKPOINT:
            try:
                self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.Error as error:  # it is written back another time
                self._ours(error)

    def _check_wal(self) -> None:
        """Keep the WAL below its cap."""
        if self._wal_pages <= WAL_CAP:
            return
        connection = self.connection
        connection.set_busy_timeout(1000)
        try:
            with contextlib.suppress(apsw.BusyError, apsw.LockedError):
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
                self.mark.note_log(0, 0)
                self._wal_pages = 0
                return
        finally:
            connection.set_busy_timeout(int(self._patience * 1000))
        raise SpoolFullError(
            "the write-ahead log is full, as some process has been reading the spool for long; stop it",
            self.path,
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        execute = self.connection.execute
        self._end_remains()
        try:
            self._patiently(execute, "BEGIN IMMEDIATE")
            yield
            execute("COMMIT")
        except BaseException:
            self._end_remains()
            raise

    def _patiently(self, call: Callable[..., _T], *values: object) -> _T:
        """Call something of SQLite that another process may keep from what it does; wait for that.

        SQLite's own waits grow up to 0.1 s, during which a process that is not asleep takes every turn.
        """
        deadline = 0.0
        set_busy_timeout = self.connection.set_busy_timeout
        set_busy_timeout(0)
        try:
            while True:
                try:
                    return call(*values)
                except apsw.BusyError:
                    now = time.monotonic()
                    deadline = deadline or now + self._patience
                    if now > deadline:
                        raise
                time.sleep(_NAP)
        finally:
            set_busy_timeout(int(self._patience * 1000))

    def _end_remains(self) -> None:
        """End a transaction that has failed, or was left by a thread that was interrupted where it ends one.

        What it holds is neither to be read nor to be committed with what comes next.
        """
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Make errors of SQLite ours, and stop everybody after one of fsync."""
        try:
            yield
        except apsw.Error as error:
            raise self._ours(error) from error

    def _ours(self, error: apsw.Error) -> SpoolError:
        if isinstance(error, apsw.FullError):
            return SpoolFullError("the disk is full", self.path)
        if getattr(error, "extendedresult", 0) in _SYNC_ERRORS:
            self.break_off(str(error))
        remedy = "; run `e3-event fsck --repair`" if isinstance(error, _DAMAGE) else ""
        return SpoolError(f"{error}{remedy}", self.path)


def _create(path: str) -> tuple[int, int]:
    """Make the file if it is not there, readable by its owner only; return its device and inode."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:  # opening and closing it would drop the locks of another connection of ours
        pass
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def write_reason(database: str, reason: str) -> None:
    """Write down, for its owner only, why a database is out of use."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(f"{database}.failed", flags, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{reason}\n")
        file.flush()
        os.fsync(file.fileno())


def keep_aside(spool: str, path: str, name: str) -> None:
    """Keep a copy of a damaged file in the folder `quarantine` of a spool, with this behind its name."""
    import shutil

    folder = os.path.join(spool, QUARANTINE)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    copy = os.path.join(folder, f"{os.path.basename(path)}.{name}.{time.time_ns()}")
    with open(path, "rb") as source, open(copy, "xb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
