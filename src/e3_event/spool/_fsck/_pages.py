"""The pages of a database, read without SQLite: rows of a tree that is damaged.

The format is that of https://sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

import apsw

from e3_event.spool._log import PAGE, read_frames, read_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    Value = None | int | float | str | bytes

_TABLE_LEAF, _INDEX_LEAF, _INDEX_INTERIOR = 0x0D, 0x0A, 0x02
#: Pages of pointers, and those that have no kind (the rest of what is too large for a page).
_OTHERS = (0x05, 0x00)
#: Payload bytes of a cell that lie in its page: at most, in a table and in an index; and at least.
_MOST = {_TABLE_LEAF: PAGE - 35, _INDEX_LEAF: (PAGE - 12) * 64 // 255 - 23}
_MOST[_INDEX_INTERIOR] = _MOST[_INDEX_LEAF]
_LEAST = (PAGE - 12) * 32 // 255 - 23
_LARGEST = 1 << 30
_REAL = struct.Struct(">d")
_NUMBER = struct.Struct(">I")
_FREELIST = struct.Struct(">II")
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


class Cell(NamedTuple):
    """A row of a table, or an entry of an index.

    :ivar rowid: `None`: it is of an index, or of a table without rowid
    :ivar values: the columns; a text that is no UTF-8 as bytes
    """

    page: int
    rowid: int | None
    values: tuple[Value, ...]


class Image:
    """A database with its write-ahead log, as pages.

    Pages of the log that are intact count also behind a damaged one, where SQLite does not look.

    :param path: of the database
    :param log: of its log
    :ivar count: how many pages there are
    :ivar logged: the numbers of those in the log
    """

    def __init__(self, path: str, log: str) -> None:
        flags = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY
        self._file = apsw.VFSFile("", path, [flags, 0])  # not by `open`: closing it would drop SQLite's locks
        self._newer = _pages_of(log)
        self.logged = sorted(self._newer)
        self.count = max(os.path.getsize(path) // PAGE, *self.logged, 0)

    def close(self) -> None:
        self._file.xClose()

    def page(self, number: int) -> bytes:
        """The content of a page; shorter or empty if it is not there."""
        if number in self._newer:
            return self._newer[number]
        try:
            return self._file.xRead(PAGE, (number - 1) * PAGE)
        except apsw.IOError:  # a bad sector
            return b""

    def used(self) -> Iterator[int]:
        """Yield the numbers of the pages that are in use."""
        free = self._free()
        return (number for number in range(1, self.count + 1) if number not in free)

    def cells_of(self, number: int) -> Iterator[Cell]:
        """Yield what lies in a page, as far as it can be read."""
        page = self.page(number)
        start = 100 if number == 1 else 0
        kind = _kind(page[start]) if len(page) == PAGE else 0
        if not kind:
            return
        pointers = start + (12 if kind == _INDEX_INTERIOR else 8)
        for place in range(int.from_bytes(page[start + 3 : start + 5], "big")):
            at = pointers + 2 * place
            try:
                yield self._cell(number, page, kind, int.from_bytes(page[at : at + 2], "big"))
            except (IndexError, ValueError, struct.error):  # this one is damaged
                continue

    def _cell(self, number: int, page: bytes, kind: int, at: int) -> Cell:
        if kind == _INDEX_INTERIOR:
            at += 4
        size, at = _varint(page, at)
        rowid = None
        if kind == _TABLE_LEAF:
            unsigned, at = _varint(page, at)
            rowid = unsigned - (1 << 64) if unsigned >> 63 else unsigned
        return Cell(number, rowid, _record(self._payload(page, at, size, _MOST[kind])))

    def _payload(self, page: bytes, at: int, size: int, most: int) -> bytes:
        if size > _LARGEST:
            raise ValueError("no cell is that large")
        if size <= most:
            return page[at : at + size]
        local = _LEAST + (size - _LEAST) % (PAGE - 4)
        local = local if local <= most else _LEAST
        parts = [page[at : at + local]]
        (following,) = _NUMBER.unpack_from(page, at + local)
        left = size - local
        while left > 0:
            overflow = self.page(following) if 0 < following <= self.count else b""
            parts.append(overflow[4 : 4 + left])
            left -= len(parts[-1])
            (following,) = _NUMBER.unpack_from(overflow)
        return b"".join(parts)

    def _free(self) -> set[int]:
        """The pages that hold nothing any more; none if their list is damaged."""
        first, count = _FREELIST.unpack_from(self.page(1).ljust(PAGE, b"\0"), 32)
        free: set[int] = set()
        trunk = first
        while trunk:
            page = self.page(trunk) if trunk <= self.count and trunk not in free else b""
            if len(page) < PAGE:
                return set()
            free.add(trunk)
            trunk, leaves = _FREELIST.unpack_from(page)
            if leaves > PAGE // 4 - 2:
                return set()
            free.update(struct.unpack_from(f">{leaves}I", page, 8))
        return free if len(free) == count else set()


def _kind(byte: int) -> int:
    """The kind of a page that has cells which count, also if one bit of it is damaged; else 0."""
    if byte in _MOST or byte in _OTHERS:
        return byte if byte in _MOST else 0
    return next((kind for kind in _MOST if (kind ^ byte).bit_count() == 1), 0)


def _pages_of(log: str) -> dict[int, bytes]:
    """The last content of each page that was committed in a log."""
    header = read_header(log)
    pages: dict[int, bytes] = {}
    waiting: dict[int, bytes] = {}
    for frame in read_frames(log, header.salt) if header else ():
        if frame.is_intact:
            waiting[frame.page] = frame.content
            if frame.size:
                pages.update(waiting)
                waiting = {}
    return pages


def _record(payload: bytes) -> tuple[Value, ...]:
    end, at = _varint(payload, 0)
    values: list[Value] = []
    body = end
    while at < end:
        kind, at = _varint(payload, at)
        value, body = _value(payload, body, kind)
        values.append(value)
    return tuple(values)


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind in (0, 8, 9):
        return (None if kind == 0 else kind - 8), at
    if kind in (10, 11):
        raise ValueError("no value is of this kind")
    size = 8 if kind == 7 else _INTEGERS[kind] if kind < 12 else (kind - 12) // 2
    raw = payload[at : at + size]
    if len(raw) < size:
        raise ValueError("the record ends too early")
    if kind == 7:
        return _REAL.unpack(raw)[0], at + size
    if kind < 12:
        return int.from_bytes(raw, "big", signed=True), at + size
    if kind % 2:
        try:
            return raw.decode(), at + size
        except UnicodeDecodeError:
            pass
    return raw, at + size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(at, at + 8):
        byte = data[place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9
