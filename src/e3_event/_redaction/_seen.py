"""Bytes as they are seen on a terminal: without the sequences that give them colours or move the cursor."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from itertools import accumulate

_SEQUENCE = rb"\x1b(?:\[[0-?]{0,64}+[ -/]{0,8}+[@-~]|[()][0-9A-B])"


class Seen:
    """The visible part of bytes, and where in the bytes it stands.

    :param raw: the bytes
    :ivar text: what of them is visible
    """

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.text = raw
        self._places: list[int] = []  # of the sequences, in the visible text
        self._sizes = [0]  # of all before the first, the second, ... sequence together
        if b"\x1b" in raw:
            self.text = re.sub(_SEQUENCE, b"", raw)
        self._is_plain = len(self.text) == len(raw)

    def first(self, at: int) -> int:
        """Where in the raw bytes the first thing stands that is behind visible byte *at* - 1."""
        self._measure()
        return at + self._sizes[bisect_left(self._places, at)]

    def exactly(self, at: int) -> int:
        """Where in the raw bytes the visible byte *at* stands, behind all sequences before it."""
        self._measure()
        return at + self._sizes[bisect_right(self._places, at)]

    def sequences(self, start: int, end: int) -> bytes:
        """The sequences that stand between the visible bytes from *start* to *end*."""
        if self._is_plain or start >= end:
            return b""
        return b"".join(re.findall(_SEQUENCE, self.raw[self.exactly(start) : self.first(end)]))

    def _measure(self) -> None:
        if self._is_plain or self._places:
            return
        found = [match.span() for match in re.finditer(_SEQUENCE, self.raw)]
        sizes = [end - start for start, end in found]
        self._sizes = list(accumulate(sizes, initial=0))
        self._places = [start - before for (start, _), before in zip(found, self._sizes, strict=False)]
