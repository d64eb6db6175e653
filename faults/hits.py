"""What is done to the files of a spool in row 11: which file, where, and whether it is a bit or the rest."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import NamedTuple

from .damage import flip

PAGE = 4096
#: Bytes of the head of a write-ahead log.
LOG_HEAD = 32
#: How often each kind of file is chosen, if it is there.
_WEIGHTS = {"spool.db": 4, "spool.db-wal": 4, "spool.mark": 1, "blobs": 2}
#: The share of cuts; of places in the head of a page, which only has a few bytes that count for much; and of
#: cuts at the end of a page.
_CUTS, _HEADS, _ENDS = 0.15, 0.25, 0.25


class Hit(NamedTuple):
    """A change of a file.

    :ivar file: its path in the folder of the spool
    :ivar place: of the byte, from 0
    :ivar bit: the one that is flipped; `None`: the file is cut before this byte
    """

    file: str
    place: int
    bit: int | None

    @property
    def takes_log(self) -> bool:
        """Is nothing left of the log, as if it had been written back and removed?"""
        return self.file == "spool.db-wal" and self.bit is None and self.place < LOG_HEAD

    def apply(self, spool: Path) -> None:
        if self.bit is None:
            os.truncate(spool / self.file, self.place)
        else:
            flip(spool / self.file, self.place, self.bit)

    def __str__(self) -> str:
        what = "cut" if self.bit is None else f"bit {self.bit}"
        return f"{self.file}, byte {self.place}: {what}"


def any_hit(spool: Path, random: Random) -> Hit:
    """Choose a file of a spool that is not empty, and a place in it."""
    files = [file for file in sorted(spool.rglob("*")) if file.is_file() and file.stat().st_size]
    found = {str(file.relative_to(spool)): file.stat().st_size for file in files}
    kinds = [kind for kind in _WEIGHTS if any(name.split("/")[0] == kind for name in found)]
    kind = random.choices(kinds, [_WEIGHTS[kind] for kind in kinds])[0]
    name = random.choice([name for name in found if name.split("/")[0] == kind])
    size = found[name]
    place = random.randrange(size)
    if random.random() < _CUTS:
        return Hit(name, place // PAGE * PAGE if random.random() < _ENDS else place, None)
    if kind in ("spool.db", "spool.db-wal") and random.random() < _HEADS:
        place = _in_head(kind, place, size, random)
    return Hit(name, place, random.randrange(8))


def _in_head(kind: str, place: int, size: int, random: Random) -> int:
    """A place in the head of the page that *place* lies in; in a log its frame has a head, too."""
    if kind == "spool.db":
        return place // PAGE * PAGE + random.randrange(100)
    frame = PAGE + 24
    start = LOG_HEAD + max(0, place - LOG_HEAD) // frame * frame
    return min(random.choice((0, start)) + random.randrange(LOG_HEAD), size - 1)
