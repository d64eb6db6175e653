"""Puts a new database, made of what can be read, in the place of a damaged one."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

import apsw

from e3_event._errors import SpoolError
from e3_event._ids import unique_id
from e3_event.spool._check import inspect_rows, open_to_read
from e3_event.spool._database import MARK, write_reason
from e3_event.spool._disk import sync_folder
from e3_event.spool._events import NOBODY_AT_ALL, stand_in
from e3_event.spool._mark import Mark
from e3_event.spool._place import DATABASE

from ._findings import Finding, Kind
from ._inspect import inspect_accounts
from ._mend import Mender, in_order
from ._recover import mark_as_seen, recovered_events
from ._remains import remains_removed
from ._salvage import salvage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._findings import Progress

#: What calls for a new database.
BROKEN = frozenset((Kind.DATABASE, Kind.DISK))
_NEW = f"{DATABASE}.new"
#: What a new database must not have.
_WRONG = frozenset(Kind) - {Kind.REMAINS, Kind.LOST, Kind.MARK}


def replace(path: str, found: list[Finding], progress: Progress) -> list[Finding]:
    """Make a new database of what can be read of the old one, and put it in its place.

    Meanwhile every process gets an error that says so. Since each of them looks after its commit, before it
    acknowledges, nothing is acknowledged that is not in the new one. A power cut leaves the old one or the
    new one, and the next repair goes on.

    :param path: of the spool
    :param found: what is wrong with it
    """
    database, new = os.path.join(path, DATABASE), os.path.join(path, _NEW)
    kept = f"{DATABASE}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(2).hex()}"
    with _held(database), _fenced(database, f"a repair is under way; the old database becomes {kept}"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        salvaged = salvage(database, f"{database}-wal", new, progress)
        mended = _mend(new, path, salvaged.newest, progress)
        _check_written(new, path, progress)
        os.chmod(new, 0o400)
        os.link(database, os.path.join(path, kept))
        sync_folder(path)
        os.rename(new, database)
        sync_folder(path)
    end_replacement(path)
    mark_as_seen(path)
    done = f"built anew of what can be read; the old one is kept as {kept}"
    if salvaged.spoiled:
        done += f", with {salvaged.spoiled} rows that are too damaged"
    told = [one._replace(done=done) for one in found if one.kind in BROKEN]
    told += [one._replace(done="written anew") for one in found if one.kind is Kind.MARK]
    return [*told, *mended]


def end_replacement(path: str) -> None:
    """Do what is left to do once the new database has its name, also after a power cut."""
    database = os.path.join(path, DATABASE)
    if os.stat(database).st_mode & 0o200:
        return
    try:
        with open(f"{database}.failed", encoding="utf-8", errors="replace") as file:
            kept = os.path.join(path, file.read().split()[-1])
    except (OSError, IndexError):
        return
    if not os.path.basename(kept).startswith(f"{DATABASE}.damaged-") or not os.path.exists(kept):
        return
    if os.path.samefile(kept, database):  # it has not got its name
        os.unlink(kept)
        return
    log = f"{database}-wal"
    if os.path.exists(log) and os.path.getsize(log):
        os.rename(log, f"{kept}-wal")
    for name in (log, f"{database}-shm", os.path.join(path, MARK)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    sync_folder(path)
    _lift(database)


@contextlib.contextmanager
def _held(database: str) -> Iterator[None]:
    """Let nobody write meanwhile, as far as the database lets us say so."""
    connection = None
    try:
        if os.path.getsize(database):  # otherwise SQLite would delete its log
            with contextlib.suppress(apsw.Error):
                connection = apsw.Connection(database, flags=apsw.SQLITE_OPEN_READWRITE)
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                connection.set_busy_timeout(30_000)
                connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        if connection is not None:
            connection.close(True)


@contextlib.contextmanager
def _fenced(database: str, reason: str) -> Iterator[None]:
    """Take a spool out of use. If it can't be repaired, it is as it was."""
    was_in_use = os.stat(database).st_mode & 0o200
    write_reason(database, reason)
    os.chmod(database, 0o400)
    sync_folder(os.path.dirname(database))
    try:
        yield
    except BaseException:
        if was_in_use:
            _lift(database)
        raise


def _lift(database: str) -> None:
    """Let a spool be used again."""
    os.chmod(database, 0o600)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{database}.failed")
    sync_folder(os.path.dirname(database))


def _mend(new: str, path: str, newest: int, progress: Progress) -> list[Finding]:
    """Put right what is damaged in a new database, in one transaction."""
    mark = Mark(os.path.join(path, MARK))
    newest = max(newest, mark.read())
    mark.close()
    connection = apsw.Connection(new)
    try:
        connection.pragma("journal_mode", "memory")
        connection.pragma("synchronous", "off")  # it is synced as a whole
        connection.execute("BEGIN")
        mender = Mender(connection, path, time.time())
        mended = recovered_events(connection, path)
        found = list(inspect_rows(connection, path, progress))
        mended += [mender.mend(one) for one in in_order(found)]
        mended += [mender.mend(one) for one in inspect_accounts(connection, progress)]
        mended += [
            remains_removed(connection, path, one, keep=True) for one in found if one.kind is Kind.REMAINS
        ]
        if newest > (connection.execute("SELECT max(seq) FROM event").get or 0):
            stand_in(connection, newest, "", unique_id(), NOBODY_AT_ALL, time.time())
        mender.recount()
        connection.execute("COMMIT")
    finally:
        connection.close()
    return mended


def _check_written(new: str, path: str, progress: Progress) -> None:
    """Sync the new database, and read it back from the disk.

    :raises SpoolError: it is not what was written
    """
    fd = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)
    connection = open_to_read(new)
    try:
        wrong = [one for one in inspect_rows(connection, path, progress) if one.kind in _WRONG]
    finally:
        connection.close()
    if wrong:
        raise SpoolError(f"what was written is not what is read: {wrong[0].what}; nothing was replaced", path)
