"""What was committed last, outside of the database: what shows that its end is missing."""

from __future__ import annotations

import mmap
import os
import struct

_SEQ = struct.Struct("<QQ")
_LOG = struct.Struct("<QQQ")
#: Of the file, in bytes.
SIZE = _SEQ.size + _LOG.size
_MASK = 0x5A5A_5A5A_5A5A_5A5A  # the last number is made of the others with this mask: half-written marks show
_TRIES = 100


class Mark:
    """Numbers in a small file, mapped into memory so that noting them costs next to nothing.

    SQLite takes a damaged write-ahead log for one that ends before the damage, without a word. A mark above
    the last seq of the database, or above the end of its log, says that something committed is missing. It is
    not synced: after a power cut it may be too low or gone, and then says nothing.

    :param path: the file; made if it is not there
    """

    def __init__(self, path: str) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(fd).st_size < SIZE:
                os.truncate(fd, SIZE)
            self._memory = mmap.mmap(fd, SIZE)
        except OSError as error:
            error.filename = error.filename or path
            raise
        finally:
            os.close(fd)

    def note(self, seq: int) -> None:
        """Note that *seq* is committed. Processes may overtake each other: it may be a little too low."""
        self._memory[: _SEQ.size] = _SEQ.pack(seq, seq ^ _MASK)

    def note_log(self, salt: int, frames: int) -> None:
        """Note how far the write-ahead log goes.

        :param salt: which log it is: its salt
        :param frames: how many pages are committed in it; 0: say nothing of it
        """
        self._memory[_SEQ.size :] = _LOG.pack(salt, frames, salt ^ frames ^ _MASK)

    def read(self) -> int:
        """Return the highest seq that was noted; 0 if there is none that can be relied on."""
        for _ in range(_TRIES):  # another process may be about to write
            if (seq := seq_in(self._memory[:])) is not None:
                return seq
        return 0

    def log(self) -> tuple[int, int]:
        """Return what was noted of the log: its salt and its pages; (0, 0) if nothing can be relied on."""
        for _ in range(_TRIES):
            if (log := log_in(self._memory[:])) is not None:
                return log
        return 0, 0

    def close(self) -> None:
        self._memory.close()


def seq_in(content: bytes) -> int | None:
    """The seq that the file says; `None`: it says none."""
    seq, masked = _SEQ.unpack_from(content)
    return seq if seq ^ _MASK == masked else None


def log_in(content: bytes) -> tuple[int, int] | None:
    """What the file says of the log; `None`: nothing."""
    salt, frames, masked = _LOG.unpack_from(content, _SEQ.size)
    return (salt, frames) if salt ^ frames ^ _MASK == masked else None


def is_damaged(content: bytes) -> bool:
    """Does the file say something that can't be relied on? One that says nothing is not damaged."""
    seq, log = content[: _SEQ.size], content[_SEQ.size : SIZE]
    return (seq_in(content) is None and bool(seq.strip(b"\0"))) or (
        log_in(content) is None and bool(log.strip(b"\0"))
    )
