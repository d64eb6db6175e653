"""Feeds a redactor as a stream does, in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from e3_event._redaction import Redactor


def stored(data: bytes, secrets: Iterable[bytes | str] = (), cuts: Sequence[int] = ()) -> bytes:
    """What is stored of *data* that comes in pieces, which end at *cuts*."""
    redactor = Redactor(secrets)
    shown = []
    start = 0
    for end in (*cuts, len(data)):
        shown.append(redactor.feed(data[start:end]))
        start = end
    return b"".join([*shown, redactor.finish()])
