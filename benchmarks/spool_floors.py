"""The floors of the spool's rows: the disk, with nothing around it.

The function with a row's name prepares it, as in `floors`. A line is an event as JSON, made beforehand as
ours are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING

import e3_event

from .batches import Made, Processes, Threads
from .tasks import big_file, make_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from .worker import Setting


def _lines(count: int) -> list[bytes]:
    events = (make_event(e3_event).snapshot() for _ in range(count))
    return [json.dumps(event.as_dict() | {"id": event.snapshot_id}).encode() + b"\n" for event in events]


def _appender(path: str) -> Callable[[bytes], None]:
    """Append to a file, and wait until it is on disk."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(line: bytes) -> None:
        os.write(fd, line)
        os.fdatasync(fd)

    return append


def put(setting: Setting) -> Made:
    return Made(_lines, _appender(_path(setting)))


def put_first(setting: Setting) -> Made:
    """Open a new file and append all that was made to it, one by one."""

    def into_a_new_one(lines: list[bytes]) -> None:
        append = _appender(_path(setting))
        for line in lines:
            append(line)

    return Made(lambda count: [_lines(count)], into_a_new_one, lambda: os.remove(_path(setting)))


def put_many(setting: Setting) -> Made:
    """A hundred lines with one write."""

    def hundreds(count: int) -> list[bytes]:
        return [b"".join(_lines(min(100, count))) for _ in range(max(1, count // 100))]

    return Made(hundreds, _appender(_path(setting)))


def put_threads(setting: Setting) -> Threads:
    return Threads(16, put(setting))


def put_processes(setting: Setting) -> Processes:
    return Processes(4, put, setting)


def _path(setting: Setting) -> str:
    return os.path.join(setting.folder, "events.log")


class Slower:
    """The slower of two operations."""

    def __init__(self, *works: Made) -> None:
        self._works = works

    def batch(self, count: int) -> float:
        return max(work.batch(count) for work in self._works)


def capture(setting: Setting) -> Slower:
    """The SHA-256 of the attachment, or a copy of it that is on disk, whichever takes longer."""
    path = big_file(setting.folder, setting.size)
    copy = f"{path}.copy"
    paths = [path].__mul__

    def digest(path: str) -> None:
        with open(path, "rb") as file:
            hashlib.file_digest(file, "sha256")

    def keep(path: str) -> None:
        shutil.copyfile(path, copy)
        with open(copy, "rb") as file:
            os.fsync(file.fileno())

    return Slower(Made(paths, digest), Made(paths, keep, lambda: os.remove(copy)))
