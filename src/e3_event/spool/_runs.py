"""What runs now: records of it on disk, of which events are made when its process was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from e3_event._event import Event, Snapshot
from e3_event._ids import unique_id

from ._disk import sync_folder, taken_back
from ._json import encode
from ._place import RUNS, open_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._key import Key

#: Seconds between two signs of life.
HEARTBEAT = 2.0
#: Ends of the names of what is written down at the beginning, and (if nobody took the event) at the end.
RECORD, END = ".json", ".end"
_NEW = ".new"
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Run:
    """A run under way. Its record is locked for as long as this process lives, and says that it does.

    The lock is one on an open file, which no process that it starts inherits: so it tells of life also
    across containers, where the number of a process tells nothing.

    :param record: what it says, in the form of `Record`
    :ivar snapshot_id: of the one event that it ends in
    :ivar log: path for a file of its output
    :ivar copies: how the paths of files for that event can begin, which go with the record
    """

    def __init__(self, path: str, fd: int, record: dict[str, Any]) -> None:
        self._path, self._fd, self._record = path, fd, record
        self._pid = os.getpid()
        self.snapshot_id: str = record["snapshot_id"]
        self.log = log_of(path)
        self.copies = f"{path.removesuffix(RECORD)}.copy-"

    def end(self) -> None:
        """Forget it: its event is kept, or has arrived."""
        if self._leave():
            forget(self._path)
            os.close(self._fd)

    def settle(self, event: Event) -> None:
        """Leave it to whoever comes next to put its event, which nobody took.

        :raises OSError: what became of it can't be written down: it will be taken for aborted
        """
        if not self._leave():
            return
        try:
            data = Snapshot(event)._data
            paths = {name: attachment.path for name, attachment in event._attachments.items()}
            end = {**self._record, "data": data, "attachments": paths}
            new = f"{self._path}{_NEW}"
            with open(os.open(new, _FLAGS | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(encode(end))
                file.flush()
                os.fsync(file.fileno())
            os.rename(new, f"{self._path.removesuffix(RECORD)}{END}")
            sync_folder(os.path.dirname(self._path))
        finally:
            os.close(self._fd)

    def _leave(self) -> bool:
        """Give no more signs of life; return whether it was ours, and not ended yet."""
        with _heart.lock:
            return _heart.runs.pop(self._path, None) is not None

    def _beat(self) -> None:
        os.utime(self._fd)


class _Heart:
    """Gives the signs of life of what runs in this process, in a thread that ends with the last of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runs: dict[str, Run] = {}
        self._thread: threading.Thread | None = None

    def add(self, run: Run) -> None:
        with self.lock:
            self.runs[run._path] = run
            if self._thread is None:
                thread = threading.Thread(target=self._beat, name="e3-event heartbeat", daemon=True)
                with contextlib.suppress(RuntimeError):  # no thread is to be had: the lock says that it lives
                    thread.start()
                    self._thread = thread

    def _beat(self) -> None:
        while True:
            time.sleep(HEARTBEAT)
            with self.lock:
                if not self.runs:
                    self._thread = None
                    return
                for run in self.runs.values():
                    run._beat()


_heart = _Heart()


def _after_in_child() -> None:
    """What runs is the parent's: the locks that a child has inherited would outlive it."""
    global _heart
    inherited, _heart = _heart, _Heart()
    for run in inherited.runs.values():
        os.close(run._fd)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)


def begin(
    spool: str,
    event: Event,
    owed_to: Sequence[Key] | None,
    attachments: Mapping[str, str] = {},
    max_log: int = 0,
) -> Run:
    """Write down, durably, that something has begun.

    :param spool: folder of the spool that takes its event
    :param event: as it is now
    :param owed_to: the subscriptions that get it, as for `Spool.put`
    :param attachments: paths of what is to be attached if it is there, by name
    :param max_log: bytes of its output that are kept
    :raises SpoolError: the folder is not fit for a spool
    :raises OSError: it is not possible; nothing is left behind
    """
    folder = os.path.join(open_folder(spool), RUNS)
    _make(folder)
    snapshot_id = unique_id()
    keys = None if owed_to is None else [(key.name, key.fingerprint) for key in owed_to]
    path = os.path.join(folder, f"{snapshot_id}{RECORD}")
    record = {
        "snapshot_id": snapshot_id,
        "owed_to": keys,
        "data": Snapshot(event)._data,
        "attachments": dict(attachments),
        "max_log": max_log,
        "version": 1,
    }
    new = f"{path}{_NEW}"
    fd = os.open(new, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # before it has the name by which others find it
        content = memoryview(encode(record))
        while content:
            content = content[os.write(fd, content) :]
        os.fsync(fd)
        os.rename(new, path)
        new = path
        sync_folder(folder)
    except BaseException:
        os.unlink(new)
        os.close(fd)
        raise
    run = Run(path, fd, record)
    _heart.add(run)
    return run


def forget(path: str) -> None:
    """Remove a record, and then all that belongs to it.

    :param path: of the record
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    remove_remains(path)


def remove_remains(path: str) -> None:
    """Remove what belongs to a record that is gone."""
    folder, name = os.path.split(path)
    own = f"{name.removesuffix(RECORD)}."
    for other in os.listdir(folder):
        if other.startswith(own):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, other))


def log_of(path: str) -> str:
    """The file of the output of what has this record."""
    return f"{path.removesuffix(RECORD)}.log"


def _make(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    with taken_back([folder]):
        sync_folder(os.path.dirname(folder))
