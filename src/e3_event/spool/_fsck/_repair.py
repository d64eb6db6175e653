"""Repairs a spool: what is intact stays, what is damaged goes into quarantine, nothing owed is dropped."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from e3_event._errors import SpoolError
from e3_event.spool._check import inspect
from e3_event.spool._database import Database
from e3_event.spool._place import DATABASE

from ._findings import Finding, Kind
from ._inspect import inspect_accounts, inspect_damage
from ._mend import Mender, in_order
from ._recover import mark_as_seen, recovered_events
from ._remains import remains_removed
from ._replace import BROKEN, end_replacement, replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._findings import Progress


def repair_spool(path: str, progress: Progress) -> list[Finding]:
    """Repair the spool in the folder *path*; see `check`."""
    with _alone(path):
        end_replacement(path)
        found = list(inspect(path, progress))
        if not any(finding.kind in BROKEN for finding in found):
            try:
                database = Database(os.path.join(path, DATABASE))
            except SpoolError as error:
                found.append(Finding(Kind.DATABASE, error.messages[-1]))
            else:
                try:
                    return _mend_in_place(database, path, found, progress)
                finally:
                    database.close()
        return replace(path, found, progress)


@contextlib.contextmanager
def _alone(path: str) -> Iterator[None]:
    """Let nobody else repair the spool meanwhile."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise SpoolError("somebody else repairs it right now", path) from None
    finally:
        os.close(folder)


def _mend_in_place(database: Database, path: str, found: list[Finding], progress: Progress) -> list[Finding]:
    """Put rows right in a database that is sound itself, with a commit for each, so that others can go on."""
    with database.reading() as connection:
        found = [one for one in found if one.kind is not Kind.LOST] + list(inspect_damage(connection))
    with database.writing() as connection:
        recovered = recovered_events(connection, path)
    mark_as_seen(path)
    mended = []
    for finding in in_order(found):
        with database.writing() as connection:
            mended.append(Mender(connection, path, time.time()).mend(finding))
    for finding in list(inspect_accounts(database.connection, progress)):
        with database.writing() as connection:
            mended.append(Mender(connection, path, time.time()).mend(finding))
    keep = any(finding.kind is Kind.LOST for finding in found)
    for finding in found:
        if finding.kind is Kind.REMAINS:
            with database.writing() as connection:  # no put is about to commit
                mended.append(remains_removed(connection, path, finding, keep=keep))
        elif finding.kind is Kind.MARK:
            with database.reading():
                database.mark.note(database.newest())
                database.mark.note_log(0, 0)
            mended.append(finding._replace(done="written anew"))
    return [*recovered, *mended]
