"""Locks by which commands do not overlap: one process at a time has the one of a name."""

from __future__ import annotations

import fcntl
import os
import time

from e3_event._errors import EventError

#: Bytes of a name, as a file can be called.
_LONGEST = 200
_LOOK_AGAIN = 0.1


class LockedError(Exception):
    """Another process has the lock; says which and since when."""


def check_name(name: str) -> None:
    """Refuse what can't be the name of a lock.

    :raises EventError: says what can
    """
    is_one = name and "/" not in name and "\0" not in name and not name.startswith(".")
    if not is_one or len(os.fsencode(name)) > _LONGEST:
        raise EventError(f"the name of a lock is a word such as `nightly`, not {name[:_LONGEST]!r}")


def acquire(name: str, wait: float = 0.0) -> int:
    """Take the lock of this name, among those of this user on this machine.

    It is one on an open file, which goes when the file is closed or this process ends, however it ends. What
    this process starts does not have it.

    :param wait: seconds to wait for it
    :return: the descriptor of the file, to be closed
    :raises LockedError: another process has it
    :raises OSError: there can be no lock, as the folder can't be used
    :raises EventError: there is no folder
    """
    from e3_event._config._place import lock_folder

    path = os.path.join(lock_folder(), name)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        until = time.monotonic() + wait
        while not _lock(fd):
            if time.monotonic() >= until:
                raise LockedError(f"the lock {name} is held by {_holder(fd)}")
            time.sleep(min(_LOOK_AGAIN, wait))
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}".encode(), 0)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(fd: int) -> str:
    """Who has it, as it has written itself."""
    pid, _, since = os.pread(fd, 64, 0).decode("ascii", "replace").partition(" ")
    return f"process {pid}, since {since}" if pid.isdecimal() and since else "another process"
