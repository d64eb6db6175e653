"""Logs on a terminal: their colours are kept, and nothing else of what controls it."""

from __future__ import annotations

import codecs
import re

from e3_event._render import plain

#: Parameters of colours and the like (SGR). Missing on purpose: blinking, and text that can't be seen.
_COLOR = (
    r"(?:0?[0-479]|2[1-4]|27|29|3[0-79]|4[0-79]|9[0-7]|10[0-7]"
    r"|[34]8[;:]5[;:]\d{1,3}|[34]8;2(?:;\d{1,3}){3}|[34]8:2:\d{0,3}(?::\d{1,3}){2,3})"
)
_SHOWN = re.compile(rf"(\x1b\[(?:{_COLOR}(?:;{_COLOR})*)?m)|([\n\t])|\r\n?")
#: What may go on in the next piece: an escape sequence, or a line's end.
_UNFINISHED = re.compile(r"(?:\x1b(?:\[[0-9;:]{0,60})?|\r)\Z")
#: Ends all colours.
RESET = "\x1b[0m"


class Harmless:
    """Makes bytes that come in pieces harmless text for a terminal.

    Colours stay. Other control sequences, control characters, and those that change the direction of writing
    are shown by their codes; a carriage return ends the line, as programs use it to write over it; what is no
    UTF-8 is shown by its bytes.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._left = ""

    def take(self, piece: bytes, *, is_last: bool = False) -> str:
        """Return what can be shown with a further piece."""
        text = self._left + self._decode(piece, is_last)
        self._left = ""
        found = None if is_last else _UNFINISHED.search(text)
        if found:
            text, self._left = text[: found.start()], found[0]
        shown = []
        end = 0
        for match in _SHOWN.finditer(text):
            shown.append(_plain(text[end : match.start()]))
            shown.append(match[1] or match[2] or "\n")
            end = match.end()
        return "".join(shown) + _plain(text[end:])


def _plain(text: str) -> str:
    return text if text.isprintable() else plain(text)
