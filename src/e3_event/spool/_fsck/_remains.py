"""Files in the folder of a spool that belong to no event: remains of puts that did not come to their end."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from e3_event.spool._database import QUARANTINE
from e3_event.spool._disk import sync_folder
from e3_event.spool._events import UNREADABLE

from ._findings import Finding, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

#: Seconds after which what a put is about to use would have been used.
OLD = 3600.0
_CHUNK = 500


def inspect_remains(connection: apsw.Connection, path: str, in_use: set[str]) -> Iterator[Finding]:
    """Folders in `blobs/` that no event names, or that were about to be written, for longer than `OLD`.

    :param path: of the spool
    :param in_use: ids of snapshots that are known to have a folder there
    """
    folder = os.path.join(path, "blobs")
    old = [name for name in _names(folder) if _is_old(os.path.join(folder, name))]
    stages = [name for name in old if name.endswith(".tmp")]
    for name in stages:
        yield Finding(Kind.REMAINS, f"of something that did not come to its end: blobs/{name}", (name,))
    others = sorted({*old} - {*stages} - in_use)
    for start in range(0, len(others), _CHUNK):
        some = others[start : start + _CHUNK]
        for name in sorted({*some} - named(connection, some)):
            yield Finding(Kind.REMAINS, f"attachments of no event: blobs/{name}", (name,))


def named(connection: apsw.Connection, names: list[str]) -> set[str]:
    """Which of these are the ids of snapshots. If that can't be read, all of them may be."""
    marks = ",".join("?" * len(names))
    try:
        rows: Any = connection.execute(
            "SELECT snapshot_id FROM event INDEXED BY sqlite_autoindex_event_1"
            f" WHERE snapshot_id IN ({marks})",
            names,
        ).fetchall()
    except UNREADABLE:
        return set(names)
    return {snapshot_id for (snapshot_id,) in rows}


def _names(folder: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return os.listdir(folder)
    return []


def _is_old(path: str) -> bool:
    """Has it been there for so long that nobody is about to use it? A rename counts too."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    return max(status.st_mtime, status.st_ctime) < time.time() - OLD


def remains_removed(connection: apsw.Connection, path: str, finding: Finding, *, keep: bool) -> Finding:
    """Remove remains. Nobody else may write meanwhile: a put might be about to name them.

    :param path: of the spool
    :param keep: events are known to be lost, so attachments go into quarantine
    :return: what was found, with what was done
    """
    name = str(finding.key[0])
    place = os.path.join(path, "blobs", name)
    if name in named(connection, [name]) or not os.path.lexists(place):
        return finding
    if not keep or name.endswith(".tmp"):
        shutil.rmtree(place, ignore_errors=True)
        return finding._replace(done="removed")
    target = free_place(path, name)
    os.rename(place, target)
    sync_folder(os.path.dirname(target))
    return finding._replace(done=f"moved to {os.path.relpath(target, path)}")


def free_place(path: str, name: str) -> str:
    """Return a path in the quarantine of a spool, which is made, that nothing has yet."""
    folder = os.path.join(path, QUARANTINE)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    number, target = 1, os.path.join(folder, name)
    while os.path.lexists(target):
        number += 1
        target = os.path.join(folder, f"{name}.{number}")
    return target
