"""Private keys, which have many lines."""

from __future__ import annotations

from e3_event._redact import KEY_BEGIN, KEY_END

from ._found import Found, compiled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: The shape of a private key.
KEY = "private key"
#: Bytes of one without an end, behind which a line that looks like none of a key ends it.
LONGEST_KEY = 1 << 13
_RUN = r"[A-Za-z0-9+/]{32}"
_LINE = r"[\s\"'+|>]*[A-Za-z0-9+/=]*[\s\"'\\,;]*"


def keys_in(text: bytes, came: int) -> Iterator[Found]:
    """Find private keys; one that goes on behind the text ends with it.

    :param came: if the text begins with one that began before: how many more bytes of it there were
    """
    at = 0
    while begin := compiled(KEY_BEGIN).search(text, at):
        end = compiled(KEY_END).search(text, begin.end())
        at = end.end() if end else len(text)
        line = text.find(b"\n", max(begin.start() + LONGEST_KEY - came - 1, begin.end())) + 1
        came = 0
        while 0 < line < (end.start() if end else at):
            behind = text.find(b"\n", line) + 1 or len(text)
            if not (end and end.start() < behind) and not _is_of_key(text, line, behind):
                at = line
                break
            line = behind
        yield Found(begin.start(), begin.start(), at, KEY)


def _is_of_key(text: bytes, start: int, end: int) -> bool:
    """Does a line look like one of a key? The last one may be short."""
    run, line = compiled(_RUN), compiled(_LINE)
    return bool(run.search(text, start, end) or line.fullmatch(text, start, end))


def head_of_key(text: bytes, begin: int, end: int) -> bytes:
    """Return by what a key that goes on behind *end* is known there."""
    marker = compiled(KEY_BEGIN).match(text, begin)
    return (marker[0] if marker else b"") + (b"\n" if text.endswith(b"\n", 0, end) else b"")
