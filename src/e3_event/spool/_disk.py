"""Reading attachments, and syncing what was written: what went wrong with which."""

from __future__ import annotations

import contextlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedReader


class SyncError(OSError):
    """The disk did not take what was written: nothing that it says from now on can be trusted."""


class UnreadableError(OSError):
    """An attachment can't be read."""


def read(source: BufferedReader, size: int) -> bytes:
    """Read so many bytes, or fewer at the end of the file.

    :raises UnreadableError: it can't be read
    """
    try:
        return source.read(size)
    except OSError as error:
        raise UnreadableError(error.errno, error.strerror or str(error)) from error


def sync_folder(path: str) -> None:
    """Make the names in a folder survive a power cut.

    :raises SyncError: the disk did not take them
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(fd, path)
    finally:
        os.close(fd)


@contextmanager
def taken_back(folders: Sequence[str]) -> Iterator[None]:
    """If a sync fails inside, remove these new folders: a later sync of the same name may lie.

    :param folders: the outermost first
    """
    try:
        yield
    except SyncError:
        for folder in reversed(folders):
            with contextlib.suppress(OSError):  # another process has begun to use it
                os.rmdir(folder)
        raise


def sync(fd: int, path: str) -> None:
    """Make what was written to a file survive a power cut; as `sync_folder`."""
    try:
        os.fsync(fd)
    except OSError as error:
        raise SyncError(error.errno, f"fsync failed: {error.strerror}", path) from error
