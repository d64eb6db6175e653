"""Which values are secrets, by the names of their variables; and in which forms they may be printed."""

from __future__ import annotations

import os
import re

from e3_event._redact import SECRET_NAME, may_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: What is shorter, or one of the words, stands in ordinary text as well, and is not masked.
SHORTEST = 6
_WORDS = frozenset(
    b"changeme default disabled enabled example minioadmin optional passphrase password postgres required"
    b" secret undefined".split()
)
#: So long has to be a line of a value of several lines that is masked where it stands alone.
_SHORTEST_LINE = 16
#: A value with more lines is only known by its long ones.
_MOST_LINES = 1000
_ESCAPED = {b"\\": rb"\\", b'"': rb"\"", b"\n": rb"\n", b"\r": rb"\r", b"\t": rb"\t"}


def secrets_of(environ: Mapping[str, str], names: Iterable[str] = ()) -> dict[bytes, str]:
    """Return the values of the variables that hold secrets, each with the name of its variable.

    Those are the variables whose name is that of a secret, such as `DB_PASSWORD`, `GITHUB_TOKEN` or
    `AWS_SECRET_ACCESS_KEY`, unless they hold the path of a file that is there; and those that *names* names.

    :param names: further variables; `*`, `?` and `[...]` stand for what they do in names of files
    """
    patterns = list(names)
    found: dict[bytes, str] = {}
    for name, value in environ.items():
        if _is_named(name, patterns) or (
            may_name(name) and re.fullmatch(SECRET_NAME, name) and not _is_file(value)
        ):
            secret = os.fsencode(value).strip()
            if not is_trivial(secret):
                found.setdefault(secret, name)
    return found


def _is_named(name: str, patterns: Sequence[str]) -> bool:
    if not patterns:
        return False
    from fnmatch import fnmatchcase

    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_file(value: str) -> bool:
    return value.startswith("/") and os.path.lexists(value.strip())


def is_trivial(value: bytes) -> bool:
    """Is that too short, too common or too monotonous to be a secret?"""
    return len(value) < SHORTEST or value.lower() in _WORDS or len(set(value)) == 1


def forms_of(value: bytes) -> Iterator[bytes]:
    """Return how a secret may be printed: as it is, percent-encoded as in a URL, and escaped as in JSON.

    One with several lines also with CR LF, as a terminal has them; and each of its lines that is long.
    """
    yield re.sub(rb"[^\w.~-]", lambda found: b"%%%02X" % found[0][0], value, flags=re.ASCII)
    escaped = value
    for plain, shown in _ESCAPED.items():
        escaped = escaped.replace(plain, shown)
    yield escaped
    lines = re.split(rb"\r?\n", value)
    if len(lines) <= _MOST_LINES:
        yield b"\n".join(lines)
        yield b"\r\n".join(lines)
    for line in map(bytes.strip, lines):
        if len(line) >= _SHORTEST_LINE and not line.startswith(b"-----") and not is_trivial(line):
            yield line
