"""The highest seq that was ever committed, outside of the database: what shows that its end is missing."""

from __future__ import annotations

import mmap
import os
import struct

_LAYOUT = struct.Struct("<QQ")
_MASK = 0x5A5A_5A5A_5A5A_5A5A  # the second number is the first one under this mask: half-written marks show
_TRIES = 100


class Mark:
    """A number in a small file, mapped into memory so that noting it costs next to nothing.

    SQLite takes a damaged write-ahead log for one that ends before the damage, without a word. A mark above
    the last seq of the database says that committed events are missing. It is not synced: after a power cut
    it may be too low or gone, and then says nothing.

    :param path: the file; made if it is not there
    """

    def __init__(self, path: str) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(fd).st_size < _LAYOUT.size:
                os.truncate(fd, _LAYOUT.size)
            self._memory = mmap.mmap(fd, _LAYOUT.size)
        finally:
            os.close(fd)

    def note(self, seq: int) -> None:
        """Note that *seq* is committed. Processes may overtake each other: it may be a little too low."""
        self._memory[:] = _LAYOUT.pack(seq, seq ^ _MASK)

    def read(self) -> int:
        """Return the noted seq; 0 if there is none that can be relied on."""
        for _ in range(_TRIES):  # another process may be about to write
            seq, masked = _LAYOUT.unpack(self._memory[:])
            if seq ^ _MASK == masked:
                return int(seq)
        return 0

    def close(self) -> None:
        self._memory.close()
