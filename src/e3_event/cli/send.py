"""`e3-event send`: an event from the command line or from a dump."""

from __future__ import annotations

import os

import click

from e3_event import Event, EventError, EventManager
from e3_event._course import Course
from e3_event._family import belonging

from . import _options
from ._terminal import print_json, report_as_json, tell_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@click.command(
    short_help="Send an event.",
    epilog="\b\nExamples:\n  e3-event send deployed --data version=1.4 --data hosts:=3 --attach log=out.log"
    "\n  e3-event send --from-file event.json"
    "\n\nExit codes: 0 delivered by every handler, or kept to be delivered later (why is on stderr); 1"
    " neither, or given up by a handler; 2 bad usage or configuration, nothing was sent.",
)
@click.argument("name", required=False)
@_options.data
@_options.attach
@click.option(
    "--from-file",
    "dump",
    metavar="DUMP",
    shell_complete=_options.files,
    help="Send the event that Event.dump has written there.",
)
@_options.redact
@_options.flush_timeout
@_options.as_json
def send(
    name: str | None,
    data: dict[str, Any],
    attachments: dict[str, str],
    dump: str | None,
    redact: str | None,
    flush_timeout: float | None,
    as_json: bool,
) -> int:
    """Send an event called NAME, or one from its dump, through the configured handlers."""
    if (name is None) == (dump is None):
        raise click.UsageError("give either NAME or --from-file DUMP")
    if dump is not None and (data or attachments):
        raise click.UsageError("an event from a dump takes no --data and no --attach")
    event = Event.load(dump) if dump is not None else _event(str(name), data, attachments)
    manager = configured()
    report = Course(manager, event, redact).send(flush_timeout)
    manager._close_all(wait=False)
    if as_json:
        print_json(report_as_json(report))
    tell_of(report)
    return 0 if report.kept else 1


def configured() -> EventManager:
    """Return a manager with the configured handlers, and the spool in front of them.

    :raises EventError: the configuration is wrong, or the spool that it names can't be used
    """
    from e3_event._config import configure

    manager = EventManager()
    configure(manager, _options.config_file())
    return manager


def _event(name: str, data: dict[str, Any], attachments: dict[str, str]) -> Event:
    if "name" in data:
        raise click.UsageError("the data key `name` is NAME; choose another one")
    event = Event(name)
    for key, value in {**belonging(os.environ), **data}.items():
        setattr(event, key, value)
    for label, path in attachments.items():
        try:
            event.attach_file(path, label)
        except EventError as error:
            reason = getattr(error.__cause__, "strerror", None) or "not a regular file"
            raise EventError(f"--attach {label}={path}: {reason}") from error
    event.close()
    return event
