"""Reads a log while another process writes it."""

from __future__ import annotations

import os

from e3_event import _pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_CHUNK = 1 << 20


class LogReader:
    """Reads all that a log has, then what comes, to its end; a context manager.

    What was seen is read, though the writer may have deleted it meanwhile. Where that was faster, a line says
    how many bytes are missing. Reading goes on when the log has become one file, and ends where that ends.

    :param path: the log's, as the writer was given it
    :param limit: as well
    :ivar position: how many bytes of the output were read or passed over
    """

    def __init__(self, path: str, limit: int) -> None:
        self.position = 0
        self._path = path
        self._reach = _pieces.shares(limit)[1] // 2  # bytes that the end of a cut log has in one piece
        self._fd: int | None = None
        self._base = 0  # the byte of the output with which that begins
        self._next: list[tuple[int, int, int]] = []  # what is behind it: from where on, base, descriptor
        self._is_one_file = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close()

    def read(self, size: int = _CHUNK) -> bytes:
        """Return the next bytes; none if there are no more for now, or no more at all.

        :raises OSError: the log can't be read
        """
        while True:
            data = self._take(size)
            if not data:
                if not self._next:
                    self._look()
                if not self._next:
                    return b""
                data = self._take(size) or self._go_on()  # it may have grown before the next one was begun
            if data:
                return data

    def close(self) -> None:
        """Close the files."""
        for fd in (self._fd, *(fd for _, _, fd in self._next)):
            if fd is not None:
                os.close(fd)
        self._fd = None
        self._next = []

    def _take(self, size: int) -> bytes:
        if self._fd is None:
            return b""
        data = os.pread(self._fd, size, self.position - self._base)
        self.position += len(data)
        return data

    def _go_on(self) -> bytes:
        """Go on to the next file; return a line if bytes are missing before it."""
        if self._fd is not None:
            os.close(self._fd)
        (start, self._base, self._fd), *self._next = self._next
        missing = start - self.position
        if missing <= 0:
            return b""
        self.position = start
        return _pieces.line(missing, "are missing here; they were gone before they could be read")

    def _look(self) -> None:
        """Open what follows the file that is read, all at once: it may be deleted soon."""
        if self._is_one_file:
            return
        try:
            pieces = _pieces.find(self._path)
        except FileNotFoundError:  # deleted with its folder
            return
        seen = self._base if self._fd is not None else -1
        for start, _ in pieces:
            if start >= self.position and start != seen:
                try:
                    fd = os.open(_pieces.name_of(self._path, start), _pieces.READ)
                except FileNotFoundError:
                    continue
                self._next.append((start, start, fd))
        length = pieces[-1][0] if pieces and not pieces[-1][1] else None
        if all(start == length for start, _, _ in self._next):
            self._look_at_one_file(length)

    def _look_at_one_file(self, length: int | None) -> None:
        """Go on in the one file, if it is there.

        :param length: the length of the output, if the file was made of several pieces
        """
        try:
            fd = os.open(self._path, _pieces.READ)
        except FileNotFoundError:
            return
        self._is_one_file = True
        begin, base = 0, 0
        if self._fd is not None or self.position:
            if length is None:  # what is read has become the one file
                os.close(fd)
                return
            begin, base = length - self._reach, length - os.fstat(fd).st_size
        for _, _, last in self._next:
            os.close(last)
        self._next = [(begin, base, fd)]
