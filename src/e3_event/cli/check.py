"""`e3-event check`: does what is configured work?"""

from __future__ import annotations

import os
import tempfile

import click

from e3_event import Event, EventManager
from e3_event._render import plain

from . import _options
from ._terminal import print_json, report_as_json
from .send import configured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event import Report


@click.command(
    short_help="Send a test event through every configured handler.",
    epilog="Exit codes: 0 every handler delivered, 1 one did not, 2 bad usage or configuration.",
)
@_options.as_json
def check(as_json: bool) -> int:
    """Send a test event, called e3-event-check, with a small attachment through every configured handler, and
    say for each whether it was delivered, or why not. The spool keeps it, and nobody gets it from there.
    """
    manager = configured()
    with tempfile.TemporaryDirectory(prefix="e3-event-") as folder:
        report = _try_all(manager, _event(folder))
    manager._close_all(wait=False)
    if as_json:
        print_json(report_as_json(report))
    else:
        _show(report)
    return 0 if report.ok else 1


def _try_all(manager: EventManager, event: Event) -> Report:
    """Give an event to the spool, which keeps it for nobody, and to each handler at once."""
    name, front = manager._setup.front or manager._front()
    spool = EventManager()
    spool._setup.complete = False
    kept = spool._dispatch(event, name, front).outcomes if front else ()
    others = EventManager()
    others._warned = True  # that there are none is seen
    others.handlers = {name: handler for name, handler in manager.handlers.items() if handler is not front}
    report = others._dispatch(event)
    return report._replace(outcomes=(*kept, *report.outcomes))


def _event(folder: str) -> Event:
    path = os.path.join(folder, "check.log")
    with open(path, "w") as file:
        file.write("This is a test of e3-event, and its attachment.\n")
    event = Event("e3-event-check", host=os.uname().nodename, status="ok")
    event.attach_file(path)
    event.close()
    return event


def _show(report: Report) -> None:
    width = max((len(outcome.handler) for outcome in report.outcomes), default=0)
    for outcome in report.outcomes:
        name = plain(outcome.handler).ljust(width)
        if outcome.delivered:
            click.echo(f"{name}  {click.style('delivered', fg='green')} in {outcome.duration * 1000:.1f} ms")
        else:
            click.echo(f"{name}  {click.style('not delivered', fg='red')}: {plain(outcome.reason)}")
