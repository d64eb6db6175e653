"""Is a spool as it was written? What was damaged or lost, and (with `repair`) what was made of it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from typing import TYPE_CHECKING, Any

import apsw

from e3_event._errors import SpoolError
from e3_event._handler import EventHandler

from . import _mark
from ._database import APPLICATION, MARK, Database
from ._fsck._findings import Finding, Kind
from ._fsck._inspect import inspect_accounts, inspect_deliveries, inspect_events, inspect_small_tables
from ._fsck._remains import inspect_remains
from ._log import read_frames, read_header
from ._place import DATABASE, open_folder
from ._schema import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._fsck._findings import Progress
    from ._spool import Spool

#: Bytes that the log may grow to while the whole database is looked at; writers have to stop at its cap.
_LOG_CAP = 32 << 20
#: And by how many it may grow if it is that large.
_LOG_MORE = 4 << 20
_OPS = 10_000
_WORST = 100


def check(
    spool: Spool | str | os.PathLike[str], *, repair: bool = False, progress: Progress | None = None
) -> list[Finding]:
    """Check a spool, which others may use meanwhile.

    Without *repair* nothing is changed, but that a spool of an older version becomes one of this. With it,
    what is intact is kept, and what is not is moved into the folder `quarantine` of the spool; whoever was
    owed it gets a dead letter. Other processes are kept out only while a damaged database is built anew;
    those that had it open get errors until they open it again.

    :param progress: is called now and then
    :return: what was found; with *repair*, with what was done about it
    :raises SpoolError: there is no spool, it is of a newer version (which is then not touched), somebody else
        repairs it, or so much is written to it that it can't be checked as a whole; says which
    """
    path = spool.path if isinstance(spool, EventHandler) else os.fspath(spool)
    if not os.path.exists(os.path.join(path, DATABASE)):
        raise SpoolError(f"there is no spool here: {DATABASE} is missing", path)
    open_folder(path)
    bring_up_to_date(path)
    if repair:
        from ._fsck._repair import repair_spool  # nobody else needs it

        return repair_spool(path, progress or _silent)
    return list(inspect(path, progress or _silent))


def bring_up_to_date(path: str) -> None:
    """Let a sound spool of an older version become one of this, as everybody does who opens it.

    :raises SpoolError: it is of a newer version (which is then not touched), or can't be opened
    """
    database = os.path.join(path, DATABASE)
    is_older = False
    with contextlib.suppress(apsw.Error, UnicodeDecodeError):  # then it is damaged, which others find out
        connection = open_to_read(database)
        try:
            version = connection.pragma("user_version")
            is_older = 0 < version < len(MIGRATIONS) and _schema(connection) == expected_schema(version)
        finally:
            connection.close()
    if is_older:
        Database(database).close()


def _silent(_what: str, _done: int, _total: int) -> None:
    pass


def inspect(path: str, progress: Progress) -> Iterator[Finding]:
    """Yield what is found, without changing anything.

    :param path: of the spool
    """
    database = os.path.join(path, DATABASE)
    yield from _disk(database)
    yield from inspect_log(database)
    try:
        connection = open_to_read(database)
    except apsw.Error as error:
        yield Finding(Kind.DATABASE, f"it can't be opened: {error}")
        return
    try:
        yield from inspect_rows(connection, path, progress)
    finally:
        connection.close()


def inspect_rows(connection: apsw.Connection, path: str, progress: Progress) -> Iterator[Finding]:
    """Yield what is found in a database, and in the folder of its spool."""
    in_use: set[str] = set()
    folder = os.path.join(path, "blobs")
    parts = (
        _briefly(connection, path, inspect_structure(connection)),
        _end(connection, path),
        _briefly(connection, path, inspect_small_tables(connection)),
        inspect_events(connection, folder, progress, in_use),
        inspect_deliveries(connection, progress),
        inspect_accounts(connection, progress),
        inspect_remains(connection, path, in_use),
    )
    for part in parts:
        try:
            yield from part
        except (apsw.Error, TypeError, ValueError) as error:  # a damaged column may hold anything
            yield Finding(Kind.DATABASE, f"a part of it can't be read: {error}")


def open_to_read(database: str) -> apsw.Connection:
    """Open a database without changing it.

    :raises SpoolError: it is of a newer version
    :raises apsw.Error: it can't be opened
    """
    if os.path.getsize(database) == 0:  # SQLite would take it for a new one, and delete its log
        raise apsw.NotADBError("it is empty")
    connection = apsw.Connection(database, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(10_000)
        connection.pragma("cell_size_check", True)
        version = connection.pragma("user_version")
        if version > len(MIGRATIONS) and _schema(connection) != expected_schema(len(MIGRATIONS)):
            raise SpoolError(
                f"schema {version} is newer than this e3-event knows ({len(MIGRATIONS)}); upgrade it",
                database,
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _disk(database: str) -> Iterator[Finding]:
    if os.stat(database).st_mode & 0o200:
        return
    reason = "nothing says why"
    with contextlib.suppress(OSError), open(f"{database}.failed", encoding="utf-8", errors="replace") as file:
        reason = file.read().strip() or reason
    yield Finding(Kind.DISK, f"it was taken out of use: {reason}")


def inspect_log(database: str) -> Iterator[Finding]:
    """The mark, and the pages of the write-ahead log that it says were committed."""
    try:
        with open(os.path.join(os.path.dirname(database), MARK), "rb") as file:
            content = file.read().ljust(_mark.SIZE, b"\0")
    except FileNotFoundError:
        return
    if _mark.is_damaged(content):
        yield Finding(Kind.MARK, f"{MARK} is damaged, so that it can't show whether an end was lost")
        return
    salt, frames = _mark.log_in(content) or (0, 0)
    header = read_header(f"{database}-wal") if frames else None
    if header is None or (header.salt ^ salt).bit_count() > (0 if header.is_intact else 1):
        return
    found = sum(frame.is_valid for frame in itertools.islice(read_frames(f"{database}-wal", salt), frames))
    if found < frames and read_header(f"{database}-wal") == header:  # it has not begun anew meanwhile
        what = f"the write-ahead log is damaged: of {frames} pages that were committed {found} are intact"
        yield Finding(Kind.DATABASE, what)


def _end(connection: apsw.Connection, path: str) -> Iterator[Finding]:
    """Are there events up to the mark?"""
    with contextlib.suppress(FileNotFoundError), open(os.path.join(path, MARK), "rb") as file:
        marked = _mark.seq_in(file.read().ljust(_mark.SIZE, b"\0")) or 0
        newest = connection.execute("SELECT max(seq) FROM event").get or 0
        if marked > newest:
            yield Finding(
                Kind.LOST, f"committed events, {newest + 1} to {marked}, are missing at the end", (0,)
            )


@contextlib.contextmanager
def while_log_is_short(connection: apsw.Connection, path: str) -> Iterator[None]:
    """Read for long, but not so long that others can't write any more because of it.

    :raises SpoolError: they write so much
    """
    log = os.path.join(path, f"{DATABASE}-wal")

    def size() -> int:
        return os.path.getsize(log) if os.path.exists(log) else 0

    most = size() + max(_LOG_MORE, _LOG_CAP - size())
    connection.set_progress_handler(lambda: size() > most, _OPS)
    try:
        yield
    except apsw.InterruptError as error:
        raise SpoolError(
            "so much is written to it that it can't be read as a whole: try later", path
        ) from error
    finally:
        connection.set_progress_handler(None)


def _briefly(connection: apsw.Connection, path: str, part: Iterator[Finding]) -> Iterator[Finding]:
    with while_log_is_short(connection, path):
        found = list(part)
    yield from found


def inspect_structure(connection: apsw.Connection) -> Iterator[Finding]:
    """The pages of the database, its indexes, its schema and its header."""
    found = [row for (row,) in connection.execute(f"PRAGMA integrity_check({_WORST})")]
    yield from (Finding(Kind.DATABASE, str(what)) for what in found if what != "ok")
    for name, right in (("encoding", "UTF-8"), ("application_id", APPLICATION), ("auto_vacuum", 0)):
        if (value := connection.pragma(name)) != right:
            yield Finding(Kind.DATABASE, f"its {name} is {value}, not {right}")
    if changed := _schema(connection) ^ expected_schema(len(MIGRATIONS)):
        yield Finding(Kind.DATABASE, f"its schema is damaged: {min(map(str, changed))[:200]}")
    elif (version := connection.pragma("user_version")) != len(MIGRATIONS):
        yield Finding(Kind.DATABASE, f"it says that its schema is {version}; it is {len(MIGRATIONS)}")


def _schema(connection: apsw.Connection) -> frozenset[tuple[str, ...]]:
    rows: Any = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema")
    return frozenset(rows)


@functools.cache
def expected_schema(version: int) -> frozenset[tuple[str, ...]]:
    """What a database has to say of its tables and indexes."""
    connection = apsw.Connection(":memory:")
    try:
        for script in MIGRATIONS[:version]:
            connection.execute(script)
        return _schema(connection)
    finally:
        connection.close()
