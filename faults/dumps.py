"""Dumps that somebody else has written, and the ways by which they and what they name come in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from e3_event import Event, EventManager, Snapshot
from e3_event.cli import _main
from e3_event.spool import Spool

#: Takes a dump; the folder for all that it writes; what happens between the look at a file and its reading.
Way = Callable[[str, Path, Callable[[], None]], None]


class RefusedError(Exception):
    """The command, or a handler, has not taken an event, and said so."""


def put(event: Event, place: Path) -> None:
    with contextlib.closing(Spool(place / "spool")) as spool:
        spool.put(event)


def hand_over(event: Event, place: Path) -> None:
    """Let a handler have it, without a spool.

    :raises RefusedError: it is not delivered
    """
    manager = EventManager()
    manager.add_handler("file", str(place / "events"))
    if not manager.send_event(event):
        raise RefusedError("not delivered")


def _load_and_put(dump: str, place: Path, between: Callable[[], None]) -> None:
    event = Event.load(dump)
    between()
    put(event, place)


def _load_a_snapshot(dump: str, place: Path, between: Callable[[], None]) -> None:
    event = Snapshot.load(dump)
    between()
    put(event, place)


def _load_and_hand_over(dump: str, place: Path, between: Callable[[], None]) -> None:
    event = Event.load(dump).snapshot()
    between()
    hand_over(event, place)


def _send(dump: str, place: Path, _between: Callable[[], None]) -> None:
    os.environ["E3_EVENT_HANDLERS"] = f"spool={place / 'spool'}|file={place / 'events'}"
    with open(os.devnull, "w") as null, contextlib.redirect_stderr(null):
        code = _main(["send", "--from-file", dump])
    if code:
        raise RefusedError(f"exit code {code}")


WAYS: tuple[Way, ...] = (_load_and_put, _load_a_snapshot, _load_and_hand_over, _send)


def holds(place: Path, text: bytes) -> bool:
    """Does any file below hold this?"""
    return any(text in path.read_bytes() for path in place.rglob("*") if path.is_file())
