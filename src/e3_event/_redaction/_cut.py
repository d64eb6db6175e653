"""Where a line is cut that is too long to be looked at as a whole: not inside of a secret, if that can be."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._found import Found

#: So far before the usual place a blank is looked for.
_BLANK = 1 << 10
#: What a cut inside of a secret keeps for the next part, so that the secret's end is in one of them.
_TAIL = 1 << 6


def cut_of(text: bytes, found: Sequence[Found], overlap: int) -> tuple[int, Found | None]:
    """Return where to cut the first part of a long line, and which secret goes on behind the cut.

    What is before the cut does not come again. A secret that begins there was found, if what stands less than
    *overlap* bytes behind the cut is enough to know it.

    :param found: the secrets, sorted by their begin
    """
    usual = len(text) - min(overlap, len(text) // 4)
    usual = text.rfind(b" ", usual - _BLANK, usual) + 1 or usual
    begin, end = _around(usual, found)
    if end < len(text) - 1:
        return end, None
    on = next(secret for secret in found if secret.begin >= begin and secret.end >= len(text) - 1)
    cut = len(text) - _TAIL
    while text[cut - 1 : cut] == b"\\" and cut > len(text) - _BLANK:  # not between it and what it escapes
        cut -= 1
    return cut, on


def _around(place: int, found: Sequence[Found]) -> tuple[int, int]:
    """Return begin and end of the secrets that are at a place, and of those that overlap with them."""
    begin = end = 0
    for secret in found:
        if secret.begin >= end:
            if end > place:
                break
            begin = secret.begin
        end = max(end, secret.end)
    return (begin, end) if begin < place < end else (place, place)
