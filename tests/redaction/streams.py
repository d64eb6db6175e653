"""Feeds a redactor as a stream does, in pieces; and what is fed to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from e3_event._redaction import Redactor

#: Values of variables; some begin like others, or like themselves.
VALUES = [
    "hunter2x",
    "first line\nsecond line",
    "first line\nother\nlast",
    "ab ab\nab ab\nab ab",
    "x" * 7 + "y" * 90,
]
KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEAvxQh9Yk0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" * 9
END = "-----END RSA PRIVATE KEY-----\n"


def stored(data: bytes, secrets: Iterable[bytes | str] = (), cuts: Sequence[int] = ()) -> bytes:
    """What is stored of *data* that comes in pieces, which end at *cuts*."""
    redactor = Redactor(secrets)
    shown = []
    start = 0
    for end in (*cuts, len(data)):
        shown.append(redactor.feed(data[start:end]))
        start = end
    return b"".join([*shown, redactor.finish()])
