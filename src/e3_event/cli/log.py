"""`e3-event log`: an attachment of an event."""

from __future__ import annotations

import hashlib
import os
import sys
import time

import click

from e3_event._errors import EventError
from e3_event.job._log_reader import LogReader
from e3_event.spool._find import AmbiguousError, UnknownError
from e3_event.spool._orphans import find
from e3_event.spool._runs import log_of

from . import _options
from ._harmless import RESET, Harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from e3_event.spool import Spool
    from e3_event.spool._shown import Shown

_CHUNK = 1 << 20
#: Seconds between two looks for a further snapshot.
_TICK = 0.2


@click.command(
    short_help="Print an attachment of an event, such as its log.",
    epilog="\b\nExamples:\n  e3-event log 01a20a43-2606 | less"
    "\n  e3-event log 01a20a43-2606 report.xml > report.xml"
    "\n\nExit codes: 0; 1 it is missing or damaged, or its reader went away; 2 bad usage or configuration,"
    " there is no such event or attachment, or the spool can't be used.",
)
@click.argument("uid")
@click.argument("name", required=False)
@click.option("--raw", is_flag=True, help="Print the bytes as they are, also on a terminal.")
@click.option(
    "--follow",
    "-f",
    is_flag=True,
    help="Wait for the event if it is not there yet, and for what is added to it until it is closed, or until"
    " the command ends that prints it.",
)
def log(uid: str, name: str | None, raw: bool, follow: bool) -> None:
    """Print the attachment NAME of the event UID: the one called log, or the only one, if no NAME is given.
    Of a command that still runs, it is what it has printed so far.

    On a terminal only its colours are kept, and everything else that would control the terminal is shown by
    its code. Into a pipe or a file it is printed as it is, as with --raw.
    """
    spool = _options.open_spool()
    printer = _Printer(raw=raw or not sys.stdout.isatty())
    try:
        if follow:
            _follow(spool, uid, name, printer)
        else:
            try:
                shown = spool.ledger.show(uid)
            except UnknownError:
                if name not in (None, "log") or not _follow_run(spool, uid, printer, is_waiting=False):
                    raise
            else:
                with spool.ledger.open(shown, name or _usual(shown)) as file:
                    printer.print(file)
    finally:
        printer.end()


def _usual(shown: Shown) -> str:
    names = [kept.captured.name for kept in shown.attachments]
    if len(names) == 1 or "log" in names:
        return "log" if "log" in names else names[0]
    if names:
        raise click.UsageError(f"which attachment? The event has: {', '.join(names)}")
    raise EventError("the event has no attachments")


def _follow(spool: Spool, uid: str, name: str | None, printer: _Printer) -> None:
    """Print an attachment, and what further snapshots of the event have added to it, until it is closed."""
    seen, version = "", None
    while True:
        try:
            shown = spool.ledger.show(uid)
        except AmbiguousError:
            raise
        except UnknownError:
            if name in (None, "log") and _follow_run(spool, uid, printer):
                return
        else:
            if shown.hit.snapshot_id != seen:
                seen = shown.hit.snapshot_id
                if shown.attachments:
                    with spool.ledger.open(shown, name or _usual(shown)) as file:
                        printer.print_rest(file)
            if shown.event is None or shown.event._closed:
                return
        while version == (version := spool.version()):
            time.sleep(_TICK)


def _follow_run(spool: Spool, uid: str, printer: _Printer, *, is_waiting: bool = True) -> bool:
    """Print what a command has printed that runs now.

    :param is_waiting: whether to go on until it ends
    :return: whether there is one
    """
    found = find(spool.path, uid)
    if found is None:
        return False
    path, record = found
    with LogReader(log_of(path), record.max_log) as log:
        while (runs := os.path.exists(path)) | bool(chunk := log.read()):
            printer.print_chunk(chunk)
            if not chunk and not (runs and is_waiting):
                break
            if not chunk:
                time.sleep(_TICK)
    return True


class _Printer:
    """Prints bytes to stdout: as they are, or harmless.

    :param raw: as they are
    """

    def __init__(self, *, raw: bool) -> None:
        self._harmless = None if raw else Harmless()
        self._digest = hashlib.sha256()
        self._size = 0

    def print(self, file: BinaryIO) -> None:
        """Print a file from where it stands."""
        while chunk := file.read(_CHUNK):
            self._digest.update(chunk)
            self._size += len(chunk)
            self._write(chunk)
        sys.stdout.flush()

    def print_chunk(self, chunk: bytes) -> None:
        """Print this at once."""
        self._write(chunk)
        sys.stdout.flush()

    def print_rest(self, file: BinaryIO) -> None:
        """Print what a file has behind what was printed; all of it, if that is not how it begins."""
        head = hashlib.sha256()
        left = self._size
        while left and (chunk := file.read(min(left, _CHUNK))):
            head.update(chunk)
            left -= len(chunk)
        if left or head.digest() != self._digest.digest():
            file.seek(0)
            self._digest, self._size = hashlib.sha256(), 0
            self._write(b"\n")
        self.print(file)

    def _write(self, chunk: bytes) -> None:
        if self._harmless is None:
            sys.stdout.buffer.write(chunk)
        else:
            sys.stdout.write(self._harmless.take(chunk))

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self._harmless is not None:
            sys.stdout.write(self._harmless.take(b"", is_last=True) + RESET)
        sys.stdout.flush()
