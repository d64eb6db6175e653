"""What a command prints, on disk as it comes: its beginning and its end, within a limit."""

from __future__ import annotations

import errno
import os
import time

from e3_event import _pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from e3_event._redaction import Redactor

#: Bytes of the output that are kept, if nothing else is said.
LIMIT = 64 << 20
#: Pieces behind the head: more than two only where writing has failed now and then.
_MOST = 8
#: Seconds for which nothing is tried where not even a new piece could be written.
_PAUSE = 0.1
#: Bytes that a piece has at least if it is followed by another one at once when it can't go on.
_WORTH = 1 << 16


class Log:
    """Keeps what is written to it: the first half of *limit*, and behind that the end. It never raises.

    It lies in pieces (see `_pieces`) until `finish` makes one file of them, or, if this process does not come
    to that, `join`. All of them are readable by their owner only. What can't be written (the disk is full) is
    missing, and later output goes on in a new piece as soon as that can be written.

    :param path: where the file will be; the pieces have its name and a number behind it
    :param limit: bytes to keep; 0: none, and there is no file
    :param redactor: masks secrets in what comes through a `stream`
    :ivar path: the absolute path; empty if there is no file and will be none
    :ivar error: why there is none, or why it has not all of the output. That it was cut is said by `finish`
    :ivar total: how many bytes were written
    """

    def __init__(self, path: str, limit: int = LIMIT, redactor: Redactor | None = None) -> None:
        self.path = self.error = ""
        self.total = 0
        self._limit = limit
        self._redactor = redactor if limit else None
        self._path = self._folder = ""  # what was made
        self._fd: int | None = None
        self._start = self._room = 0
        self._tail: list[_pieces.Piece] = []  # those that have ended; the head is none of them
        self._again = 0.0
        if not limit:
            return
        try:
            path = os.path.abspath(path)
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            self._open(path, _pieces.shares(limit)[0])
            self.path = self._path = path
        except OSError as error:
            self.error = f"{error.strerror}: {os.path.dirname(path)}"

    @classmethod
    def temporary(cls, limit: int = LIMIT, redactor: Redactor | None = None) -> Self:
        """Make one in a folder of its own in `TMPDIR`, else in `/var/tmp`, as `/tmp` is in memory on many
        machines. In that folder nobody else can make a file that looks like a piece. `remove` deletes it.
        """
        parent = os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108  the name can't be guessed
        folder = os.path.join(parent, f"e3-event-{os.urandom(8).hex()}")
        try:
            if limit:
                os.mkdir(folder, 0o700)
        except OSError as error:
            log = cls("", 0)
            log.error = f"{error.strerror}: {parent}"
            return log
        log = cls(os.path.join(folder, "log"), limit, redactor)
        log._folder = folder
        return log

    def stream(self) -> LogStream:
        """Return what takes one of the streams that come together here."""
        return LogStream(self, self._redactor and self._redactor.another())

    def write(self, data: bytes) -> None:
        """Append."""
        if not self.path or (self._fd is None and time.monotonic() < self._again):
            self.total += len(data)
            return
        view = memoryview(data)
        while view:
            try:
                if not self._room:
                    self._begin()
                written = os.write(self._fd, view[: self._room])  # type: ignore[arg-type]  # it is open
            except OSError as error:
                if not self._fails(error):
                    continue
                self.total += len(view)
                return
            self.total += written
            self._room -= written
            view = view[written:]

    def finish(self) -> None:
        """End writing, and make the one file."""
        self._end()
        if not self.path:
            return
        try:
            cut = _pieces.join(self.path, self._limit, self.total)
            self.error = self.error or cut
        except OSError as error:
            self.error = error.strerror or str(error)
            self.path = ""

    def remove(self) -> None:
        """Delete all that was made."""
        self._end()
        try:
            if self._path:
                _pieces.remove(self._path)
            if self._folder:
                os.rmdir(self._folder)
        except OSError:  # gone already, or another user's by now
            pass

    def _begin(self) -> None:
        """Begin the next piece; the oldest one behind the head goes if there is no room for it."""
        self._end()
        _, quarter = _pieces.shares(self._limit)
        while (room := 2 * quarter - sum(size for _, size in self._tail)) <= 0 or len(self._tail) == _MOST:
            _pieces.delete(_pieces.name_of(self._path, self._tail[0][0]))
            del self._tail[0]
        self._open(self._path, min(quarter, room))

    def _open(self, path: str, room: int) -> None:
        self._fd = os.open(_pieces.name_of(path, self.total), _pieces.MAKE, 0o600)
        self._start = self.total
        self._room = room

    def _end(self) -> None:
        """Close the piece, if there is one; one behind the head that has remained empty goes."""
        if self._fd is None:
            return
        fd, self._fd, self._room = self._fd, None, 0
        try:
            os.close(fd)
            if self._start == self.total and self._start:
                _pieces.delete(_pieces.name_of(self._path, self._start))
        except OSError:  # the disk; what counts was said when writing
            pass
        if self._start and self._start < self.total:
            self._tail.append((self._start, self.total - self._start))

    def _fails(self, error: OSError) -> bool:
        """Close the piece that can't be written; is it not worth while to begin another one at once?

        It may have room, as where it is the single file that is too large; but many small ones take time.
        """
        self.error = self.error or error.strerror or str(error)
        worth = self._fd is not None and self.total - self._start >= _WORTH
        self._end()
        self._again = time.monotonic() + _PAUSE
        return not worth


class LogStream:
    """Takes one stream into a log: line by line and without secrets, or as it comes.

    :param redactor: masks secrets, in this stream alone
    """

    def __init__(self, log: Log, redactor: Redactor | None) -> None:
        self._log = log
        self._redactor = redactor

    def write(self, data: bytes) -> None:
        """Append."""
        self._log.write(self._redactor.feed(data) if self._redactor else data)

    def end(self) -> None:
        """Append what is left of it."""
        if self._redactor:
            self._log.write(self._redactor.finish())
