"""Unique ids."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: After so many ids the generator is worth its loading.
_FEW = 10
_count = 0
_last = 0  # the millisecond of the last one that was made without it


def unique_id() -> str:
    """Return a new globally unique id: a UUIDv7 as text, so that ids sort by the time of their making.

    No two ids are equal across threads, processes (forked ones included) and machines.
    Source: RFC 9562, section 5.7.
    """
    return str(_uuid7())


def _uuid7() -> object:
    """Make the first ids. Then the generator, which is faster but costly to load, takes this place."""
    global _uuid7, _count
    _count += 1
    if _count <= _FEW and "uuid_utils" not in sys.modules:
        return _first(time.time_ns(), os.urandom(8))
    made = load()
    for _ in range(10):  # within a millisecond its ids don't sort behind ours; not for ever: clocks are set
        if time.time_ns() // 1_000_000 > _last:
            break
        time.sleep(0.0002)
    _uuid7 = made
    return made()


def load() -> Callable[[], object]:
    """Load the generator."""
    try:
        from uuid import uuid7  # type: ignore[attr-defined,unused-ignore]  # Python 3.14
    except ImportError:
        from uuid_utils import uuid7
    return uuid7  # type: ignore[no-any-return,unused-ignore]


def _first(now: int, random: bytes) -> str:
    """Make an id of a time, which takes the first 60 bits beside the version, and random bits.

    :param now: nanoseconds since the epoch
    :param random: 8 bytes
    """
    global _last
    milliseconds, rest = divmod(now, 1_000_000)
    _last = milliseconds
    fraction = (rest << 12) // 1_000_000  # RFC 9562, section 6.2, method 3
    last = 0b10 << 62 | int.from_bytes(random, "big") >> 2
    text = f"{milliseconds:012x}7{fraction:03x}{last:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
