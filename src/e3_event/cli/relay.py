"""`e3-event relay`: what waits in the spool goes to the configured handlers."""

from __future__ import annotations

import signal
import sys
import time

import click

from e3_event import EventError

from . import _options
from ._arguments import Option, take_duration
from ._listening import hear_errors
from ._table import Progress
from ._terminal import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from e3_event._relay import Relay

#: Seconds between two lines about what was delivered.
_REPORT = 60.0
_TICK = 0.2


@click.command(
    short_help="Deliver what waits in the spool.",
    epilog="\b\nExamples:\n  e3-event relay                 # until it is stopped, as a service does"
    "\n  e3-event relay --once          # what can be delivered now, as cron does"
    "\n  e3-event relay --drain --timeout 10m"
    "\n\nSIGTERM and SIGINT stop it: handlers finish the event they are at. SIGHUP reads the configuration"
    " again; a wrong one is told and changes nothing."
    "\n\nExit codes: 0 stopped, or done; 1 it can't go on, or with --drain or --once something still waits;"
    " 2 bad usage or configuration.",
)
@click.option("--once", is_flag=True, help="Deliver what can be delivered now, then exit.")
@click.option("--drain", is_flag=True, help="Exit once nothing waits any more, retries included.")
@_options.option(
    Option(
        ("--timeout",),
        "timeout",
        "Stop after this time, such as 30s or 10m.  [default: none]",
        metavar="DURATION",
        take=take_duration,
    )
)
def relay(once: bool, drain: bool, timeout: float | None) -> int:
    """Deliver what waits in the spool to the configured handlers, with retries.

    Runs until it is stopped, unless an option says otherwise. Several relays may serve one spool: each
    handler is served by one of them at a time, and by another one if that dies.
    """
    if once and drain:
        raise click.UsageError("give either --once or --drain")
    has_bar = (once or drain) and sys.stderr.isatty()
    hear_errors(over_a_bar=has_bar)
    from e3_event._config._place import open_spool
    from e3_event._config._subscribers import load_subscribers
    from e3_event._manager import HANDLERS_VAR
    from e3_event._relay import Relay, notify

    subscribers, source = load_subscribers(_options.config_file())
    if not subscribers:
        raise EventError("there is no handler to deliver to: see `e3-event handlers`")
    spool = open_spool(_options.config_file(), variable=source == HANDLERS_VAR)
    if once or drain:
        spool.adopt()
    service = Relay(spool, subscribers)
    names = ", ".join(subscriber.name for subscriber in subscribers)
    say(f"relay: {spool.path} -> {names} ({source})")
    stop = _Signals()
    until = None if timeout is None else time.monotonic() + timeout
    service.start()
    notify.notify("READY=1", f"STATUS=serving {names}")
    try:
        with Progress("delivering") as progress:
            _run(service, stop, until, progress if has_bar else None, once=once, drain=drain)
    finally:
        notify.notify("STOPPING=1")
        finished = service.stop()
        waits = service.waits()
        service.close()
        spool.close()
    say(f"relay: stopped; {_count(service)}" + ("" if finished else "; a handler did not finish in time"))
    return int((once or drain) and waits)


def _run(
    service: Relay,
    stop: _Signals,
    until: float | None,
    progress: Progress | None,
    *,
    once: bool,
    drain: bool,
) -> None:
    """Wait until there is a reason to stop."""
    reported, told = time.monotonic(), 0
    whole = service.left() if progress else 0
    while service.wait(_TICK):
        now = time.monotonic()
        if stop.asked or (until is not None and now >= until):
            return
        if (once and service.is_idle()) or (drain and not service.waits()):
            return
        if progress and whole:
            progress(max(whole - service.left(), 0), whole)
        if stop.reload:
            stop.reload = False
            _reload(service)
        if now - reported >= _REPORT:
            reported = now
            if service.delivered != told:
                told = service.delivered
                if progress:
                    progress.end()
                say(f"relay: {_count(service)}")


def _reload(service: Relay) -> None:
    """Read the configuration again; all of it or nothing."""
    from e3_event._config._subscribers import load_subscribers
    from e3_event._relay import notify

    notify.notify(*notify.reloading())
    try:
        subscribers, source = load_subscribers(_options.config_file())
        if not subscribers:
            raise EventError("there is no handler in it")
        service.reload(subscribers)
    except EventError as error:
        for problem in getattr(error, "problems", [str(error)]):
            say(f"relay: {problem}")
        say("relay: the configuration was not changed")
    else:
        say(f"relay: read {source} again: {', '.join(subscriber.name for subscriber in subscribers)}")
    notify.notify("READY=1")


def _count(service: Relay) -> str:
    return f"{service.delivered} delivered"


class _Signals:
    """What signals ask for.

    :ivar asked: to stop
    :ivar reload: to read the configuration again
    """

    def __init__(self) -> None:
        self.asked = False
        self.reload = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._reload)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reload = True
