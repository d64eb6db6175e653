"""Copies a file to disk, synced, while its digests are made beside it."""

from __future__ import annotations

import _thread
import os
import threading
from typing import TYPE_CHECKING

from ._disk import UnreadableError, read, sync

if TYPE_CHECKING:
    import hashlib
    import queue
    from collections.abc import Sequence
    from io import BufferedReader, FileIO
    from typing import Self

#: Bytes that are copied at once: they fit into a processor's cache.
_CHUNK = 1 << 18
#: Seconds after which a thread that waits for more looks whether anybody still writes.
_LOOK = 1.0


def copy(head: bytes, source: BufferedReader, path: str, digests: Sequence[hashlib._Hash]) -> int:
    """Write *head* and what is left of *source* into a new file, and sync it.

    :param digests: updated with what is behind *head*
    :return: the size of the copy in bytes
    :raises UnreadableError: the source can't be read; there is no copy then
    :raises SyncError: the disk did not take it
    :raises OSError: the copy can't be written
    """
    size = len(head)
    try:
        with open(path, "xb", buffering=0) as target, _Hashing(path, size, digests) as hashing:
            _write(target, head)
            while chunk := read(source, _CHUNK):
                _write(target, chunk)
                hashing.feed(chunk)
                size += len(chunk)
            sync(target.fileno(), path)
    except UnreadableError:
        os.unlink(path)
        raise
    return size


def _write(target: FileIO, content: bytes) -> None:
    """Write all of it: a file may take less at once, as where its size is capped."""
    view = memoryview(content)
    while view:
        view = view[target.write(view) :]


class _Hashing:
    """Updates digests with what is written to a file, each in a thread of its own.

    A thread reads from the file what was written to it, from memory as a rule. So the writer waits for none
    of them: neither for a chunk, nor with its fsync.

    What is short is not worth a thread, and is done at once.

    :param path: of the file
    :param start: the digests get what is behind so many bytes
    :param digests: complete when the block is left, unless by an exception
    """

    def __init__(self, path: str, start: int, digests: Sequence[hashlib._Hash]) -> None:
        self._path = path
        self._start = start
        self._digests = digests
        self._first = b""
        self._followers: list[_Follower] = []

    def __enter__(self) -> Self:
        return self

    def feed(self, chunk: bytes) -> None:
        """Let the digests have what was just written."""
        if not self._first:
            self._first = chunk
            return
        if not self._followers:
            self._followers = [_Follower(self._path, self._start, digest, self) for digest in self._digests]
            for follower in self._followers:
                follower.start()
            self._tell(len(self._first))
        self._tell(len(chunk))

    def __exit__(self, kind: object, *_: object) -> None:
        self._tell(0)
        if kind is not None:  # perhaps out of the start of a thread, which can't be waited for then
            return
        for error in [follower.end() for follower in self._followers]:
            if error is not None:
                raise error
        if self._first and not self._followers:
            for digest in self._digests:
                digest.update(self._first)

    def _tell(self, size: int) -> None:
        for follower in self._followers:
            follower.sizes.put(size)


class _Follower:
    """A thread that updates a digest with what is written to a file.

    It is no `threading.Thread`: Python keeps weak references to these, and what the handler of a signal
    raises while one of them goes, as KeyboardInterrupt, is lost.

    :param owner: ends with it
    :ivar sizes: so many bytes were written; 0: that was all
    """

    def __init__(self, path: str, start: int, digest: hashlib._Hash, owner: object) -> None:
        import queue
        import weakref

        self.sizes: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._arguments = (path, start, digest)
        self._owner = weakref.ref(owner)
        self._done = threading.Lock()
        self._done.acquire()

    def start(self) -> None:
        _thread.start_new_thread(self._run, self._arguments)

    def end(self) -> BaseException | None:
        """Wait until it is done; return why the digest is not complete."""
        self._done.acquire()
        return self._error

    def _next(self) -> int:
        """How much was written; 0: that was all, or the one that writes was interrupted and is gone."""
        from queue import Empty

        while True:
            try:
                return self.sizes.get(timeout=_LOOK)
            except Empty:
                if self._owner() is None:
                    return 0

    def _run(self, path: str, start: int, digest: hashlib._Hash) -> None:
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(start)
                buffer = memoryview(bytearray(_CHUNK))
                while left := self._next():
                    while left:
                        count = file.readinto(buffer[:left])
                        if not count:
                            raise OSError(f"what was written to {path} is not there")
                        digest.update(buffer[:count])
                        left -= count
        except BaseException as error:  # noqa: BLE001  raised by the one who copies
            self._error = error
        finally:
            self._done.release()
