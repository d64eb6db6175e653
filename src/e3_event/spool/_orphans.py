"""Runs whose process was killed: each becomes the event that it was to end in, with status `aborted`."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from typing import TYPE_CHECKING, Any

from e3_event._attachment import attach_files
from e3_event._event import Event, Snapshot, utc
from e3_event._files import open_regular
from e3_event._pieces import join

from . import _runs
from ._database import keep_aside
from ._key import Key
from ._place import RUNS
from ._runs import END, RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._record import Record

#: Seconds after which no further one is begun with, as somebody may wait for it.
ADOPTING = 1.0
#: Seconds after which a file that belongs to no record has been left behind.
_LEFT = 60.0
#: What the event says.
WHY = "it was killed, or the machine went down, before it could end"


def adopt(
    folder: str,
    put: Callable[[Snapshot, list[Key] | None], object],
    report_damage: Callable[[str], object],
    until: float,
) -> int:
    """Put the events of what was killed.

    :param folder: of the spool
    :param put: puts a snapshot for these subscriptions
    :param report_damage: notes it for people
    :param until: begin with no further one after this time (`time.monotonic`)
    :return: how many there were
    :raises SpoolError: the spool can't take them; what is left is left for another time
    """
    count = 0
    for path in records(os.path.join(folder, RUNS)):
        if time.monotonic() > until:
            break
        fd = lock(path)
        if fd is not None:
            try:
                if not (is_whole := _adopt(path, fd, put)):
                    _keep_aside(folder, path, report_damage)
                _runs.forget(path)
                count += is_whole
            finally:
                os.close(fd)
    return count


def find(folder: str, uid: str) -> tuple[str, Record] | None:
    """Find what runs now, or was killed and is not adopted yet.

    :param folder: of the spool
    :param uid: its uid, or how that begins
    :return: the path of its record, and what that says; `None`: there is none, or more than one
    """
    paths = list(records(os.path.join(folder, RUNS)))
    found = [
        (path, record) for path in paths if (record := read(path)) and str(record.data["uid"]).startswith(uid)
    ]
    return found[0] if len(found) == 1 else None


def records(folder: str) -> Iterator[str]:
    """The records that are there, in the order in which they began. What belongs to none is removed."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(RECORD):
            yield path
        elif not os.path.exists(os.path.join(folder, name.partition(".")[0] + RECORD)):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - os.lstat(path).st_mtime > _LEFT:
                    os.unlink(path)


def lock(path: str) -> int | None:
    """Open a record whose process is dead, and keep others from it; `None`: it lives, or is gone."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.lstat(path)):
            return fd
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN):
            os.close(fd)
            raise
    os.close(fd)
    return None


def _adopt(path: str, fd: int, put: Callable[[Snapshot, list[Key] | None], object]) -> bool:
    """Put the event of one whose record is locked; return whether the record is whole."""
    settled = read(f"{path.removesuffix(RECORD)}{END}")
    record = settled or read(path)
    if record is None:
        return False
    if settled is None:
        last = max(os.fstat(fd).st_mtime, _take_log(_runs.log_of(path), record))
        record.data |= _aborted(record.data, last)
    keys = None if record.owed_to is None else [Key(*key) for key in record.owed_to]
    put(Snapshot(_event(record), record.snapshot_id), keys)
    return True


def _take_log(path: str, record: Record) -> float:
    """Have the log attached, if there is one; return when it grew last (seconds since the epoch)."""
    folder, name = os.path.split(path)
    parts = [os.path.join(folder, part) for part in os.listdir(folder) if part.startswith(name)]
    if not parts:
        return 0.0
    last = max(os.stat(part).st_mtime for part in parts)
    try:
        problem = join(path, record.max_log)
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        record.data["log_incomplete"] = problem
    record.attachments["log"] = path
    return last


def _keep_aside(folder: str, path: str, report_damage: Callable[[str], object]) -> None:
    """Move a damaged record and what belongs to it into quarantine, for a person."""
    own = os.path.basename(path).removesuffix(RECORD)
    for name in os.listdir(os.path.dirname(path)):
        if name.startswith(f"{own}."):
            keep_aside(folder, os.path.join(os.path.dirname(path), name), "damaged")
    report_damage(f"the record of run {own} is damaged, so that its event is lost; see quarantine")


def read(path: str) -> Record | None:
    """Read a record; `None`: it is not there, or damaged."""
    import msgspec

    from ._record import decode

    try:
        with open_regular(path) as file:
            record = decode(file.read())
    except (OSError, msgspec.MsgspecError):
        return None
    return record if {"name", "uid", "begin_time"} <= record.data.keys() else None


def _aborted(data: dict[str, Any], last: float) -> dict[str, Any]:
    """What is known of the end of a run.

    :param last: its last sign of life (seconds since the epoch)
    """
    begun = data["begin_time"]
    last = max(last, begun) if isinstance(begun, float) else last
    known = {"end_time": last, "status": "aborted", "error": WHY, "last_heartbeat": utc(last // 1)}
    return known | ({"duration": last - begun} if isinstance(begun, float) else {})


def _event(record: Record) -> Event:
    event = Event(record.data["name"], record.data["uid"])
    event._data.update(record.data)
    attach_files(event, record.attachments)
    event.__dict__["_closed"] = True  # when it ended is in its data
    return event
