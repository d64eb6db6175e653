"""The write-ahead log of SQLite, read by ourselves: which of its pages are intact, also behind damaged ones.

The format is that of https://sqlite.org/fileformat2.html#walformat.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    Checksum = tuple[int, int]

#: Size of the pages of our databases: SQLite's default.
PAGE = 4096
_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682  # its last bit says that checksums are made of big-endian words
_VERSION = 3_007_000


class Header(NamedTuple):
    """The head of a log.

    :ivar salt: tells this log from earlier ones in the same file
    :ivar is_intact: whether it is as it was written
    :ivar seeds: what the checksum of the first page may go on from, with the order of bytes in a word
    """

    salt: int
    is_intact: bool
    seeds: tuple[tuple[Checksum, str], ...]


class Frame(NamedTuple):
    """A page in a log.

    :ivar place: from 1
    :ivar page: its number in the database, from 1
    :ivar size: pages of the database after the transaction that ends here; 0: none ends here
    :ivar is_valid: whether SQLite takes it, if it takes those before it
    :ivar is_intact: whether page and content are as they were written
    """

    place: int
    page: int
    size: int
    content: bytes
    is_valid: bool
    is_intact: bool


def read_header(path: str) -> Header | None:
    """Read the head of a log; `None`: there is no log, or not even a head."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEADER.size)
    except FileNotFoundError:
        return None
    if len(head) < _HEADER.size:
        return None
    magic, version, page, *_, first, second = _HEADER.unpack(head)
    order = ">" if magic & 1 else "<"
    made = {order: checksum_of(head[:24], (0, 0), order) for order in "<>"}
    is_intact = (magic & ~1, version, page) == (_MAGIC, _VERSION, PAGE) and made[order] == (first, second)
    seeds: tuple[tuple[Checksum, str], ...] = (((first, second), order),)
    if not is_intact:
        seeds = tuple((seed, order) for order in "<>" for seed in ((first, second), made[order]))
    return Header(_salt(head[16:24]), is_intact, seeds)


def read_frames(path: str, salt: int) -> Iterator[Frame]:
    """Yield the pages of the log with this salt, in their order, until it ends or an earlier one goes on.

    The checksum of each one goes on from that of the one before it, which stands there to be read. So those
    behind a damaged one can be checked all the same.
    """
    header = read_header(path)
    if header is None:
        return
    with open(path, "rb") as file:
        file.seek(_HEADER.size)
        raw = file.read(_FRAME.size + PAGE)
        seed, order = next((one for one in header.seeds if _fits(raw, *one)), header.seeds[0])
        place = 1
        while len(raw) == _FRAME.size + PAGE:
            unlike = (_salt(raw[8:16]) ^ salt).bit_count()
            page, size, *_, first, second = _FRAME.unpack_from(raw)
            is_intact = _fits(raw, seed, order) and unlike <= 1
            yield Frame(place, page, size, raw[_FRAME.size :], is_intact and not unlike, is_intact)
            seed, place = (first, second), place + 1
            raw = file.read(_FRAME.size + PAGE)


def checksum_of(data: bytes, seed: Checksum, order: str) -> Checksum:
    """The checksum of SQLite's log.

    :param seed: of what stands before *data*
    :param order: of the bytes in a word: `<` or `>`
    """
    first, second = seed
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for place in range(0, len(words), 2):
        first = (first + words[place] + second) & 0xFFFFFFFF
        second = (second + words[place + 1] + first) & 0xFFFFFFFF
    return first, second


def _fits(raw: bytes, seed: Checksum, order: str) -> bool:
    """Is a frame as it was written, but perhaps for its salt?"""
    if len(raw) < _FRAME.size + PAGE:
        return False
    *_, first, second = _FRAME.unpack_from(raw)
    head = checksum_of(raw[:8], seed, order)
    return checksum_of(raw[_FRAME.size :], head, order) == (first, second)


def _salt(raw: bytes) -> int:
    return int.from_bytes(raw, "big")
