"""`e3-event redact`: what redaction masks, shown or done."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

import click

from e3_event import EventError
from e3_event._redact import MASK
from e3_event._render import plain

from . import _options
from ._terminal import print_json_list, say
from ._words import many

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from e3_event._redaction._stream import Span, Tell

_CHUNK = 1 << 16


@click.command(
    short_help="Show what redaction masks in a file, or filter a stream.",
    epilog="\b\nExamples:\n  e3-event redact --test build.log"
    "\n  ./deploy.sh 2>&1 | e3-event redact > deploy.log"
    "\n\nExit codes: with --test 0 nothing is masked, 1 something is; as a filter 0, or 1 if the output can't"
    " be written. 2: bad usage or configuration, or FILE can't be read.",
)
@click.option(
    "--test",
    "file",
    metavar="FILE",
    shell_complete=_options.files,
    help="Show each line of FILE in which something is masked, as it is stored, and why; - is stdin.",
)
@_options.as_json
def redact(file: str | None, as_json: bool) -> int:
    """Mask secrets in stdin, as in the log of a command, and print everything else as it is; or show what is
    masked in a file.

    Masked is what has the form of a secret, and the values of variables that hold secrets: of those whose
    name says so, and of those that the configuration names.
    """
    if as_json and file is None:
        raise click.UsageError("--json goes with --test FILE")
    lines = _MaskedLines()
    pieces = _masked(_read(file), None if file is None else lines)
    if file is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        return 0
    found = (line for _ in pieces for line in lines.taken())
    if as_json:
        print_json_list({"line": number, "names": names, "text": text} for number, names, text in found)
        return 1 if lines.masked else 0
    for number, names, text in found:
        click.echo(f"{number}: {plain(text)}  {click.style(plain('# ' + ', '.join(names)), dim=True)}")
    told = f"masked in {lines.masked:,} of" if lines.masked else "nothing is masked in"
    say(f"{told} {many(lines.count, 'line')}")
    return 1 if lines.masked else 0


def _read(file: str | None) -> Iterator[bytes]:
    """Return what is in a file, in pieces; `None` and `-` are stdin.

    :raises EventError: it can't be read
    """
    try:
        fd = 0 if file in (None, "-") else os.open(str(file), os.O_RDONLY)
        while piece := os.read(fd, _CHUNK):
            yield piece
    except OSError as error:
        raise EventError(f"{file or 'stdin'}: {error.strerror}") from error


def _masked(pieces: Iterator[bytes], tell: Tell | None) -> Iterator[bytes]:
    """Return what is stored of a stream."""
    from e3_event._config import read_config
    from e3_event._config._redaction import RedactConfig
    from e3_event._redaction import Redactor, secrets_of

    config = read_config(_options.config_file())
    settings = config.redact if config else RedactConfig()
    if settings.scope == "nothing":
        say('the configuration says `redact.scope = "nothing"`; secrets are masked here only')
    redactor = Redactor(secrets_of(os.environ, settings.env), tell)
    yield from map(redactor.feed, pieces)
    yield redactor.finish()


class _Line(NamedTuple):
    """A line in which something is masked.

    :ivar names: why
    :ivar text: as it is stored, without colours; up to where what is masked ends, if that has several lines
    """

    number: int
    names: list[str]
    text: str


class _MaskedLines:
    """Collects the lines in which a `Redactor` masks something, which calls it.

    :ivar count: how many lines there were
    :ivar masked: in how many of them something was masked
    """

    def __init__(self) -> None:
        self.count = 0
        self.masked = 0
        self._new: list[_Line] = []
        self._number = 1  # of the line that comes next, or goes on
        self._last = 0  # in which something was masked

    def taken(self) -> list[_Line]:
        """Return the lines that were collected since the last call."""
        new, self._new = self._new, []
        return new

    def __call__(self, text: bytes, before: int, spans: Sequence[Span]) -> None:
        for floor, group in _by_lines(spans, text, before):
            number = self._number + text.count(b"\n", before, group[0].start)
            names = list(dict.fromkeys(name for span in group for name in span.names))
            shown = _shown(text, max(floor, text.rfind(b"\n", before, group[0].start) + 1), group)
            self._new.append(_Line(number, names, shown.decode(errors="backslashreplace")))
            self.masked += number != self._last
            self._last = number
        self._number += text.count(b"\n", before)
        self.count = self._number - text.endswith(b"\n")


def _by_lines(spans: Sequence[Span], text: bytes, before: int) -> list[tuple[int, list[Span]]]:
    """Put what is masked in one line together, with the place up to which what is before it was masked."""
    lines: list[tuple[int, list[Span]]] = []
    floor = before
    for span in spans:
        if span.names and lines and b"\n" not in text[lines[-1][1][-1].start : span.start]:
            lines[-1][1].append(span)
        elif span.names:
            lines.append((floor, [span]))
        floor = span.stop
    return lines


def _shown(text: bytes, start: int, spans: Sequence[Span]) -> bytes:
    """The line from *start* on in which *spans* are masked."""
    shown = b""
    for span in spans:
        shown += text[start : span.start] + MASK.encode()
        start = span.stop
    if b"\n" in text[spans[-1].start : start]:
        return shown
    return shown + text[start:].partition(b"\n")[0]
