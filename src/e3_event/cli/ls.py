"""`e3-event ls` and `e3-event tail`: the events in the spool."""

from __future__ import annotations

import sys
import time

import click

from e3_event._render import plain

from . import _options
from ._table import Progress, Table, cell, name_cell, padded
from ._terminal import print_json_list
from ._words import colored, size, summary, when

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from e3_event.spool import Spool
    from e3_event.spool._hits import Hit
    from e3_event.spool._ledger import Ledger
    from e3_event.spool._standings import Standing

#: What can be asked for: the states of `e3_event.spool._standings`, which is loaded later.
STATES = ("waiting", "again", "dead", "delivered", "skipped", "dropped", "none")
#: Seconds between two looks for new events.
_TICK = 0.2


@click.command(
    short_help="List the events in the spool, newest first.",
    epilog="\b\nExamples:\n  e3-event ls --status failed --since 2d"
    "\n  e3-event ls --handler oncall --state dead"
    "\n  e3-event ls --name 'nightly-*' --json -n 0"
    "\n\nExit codes: 0, also if nothing fits; 2 bad usage or configuration, or the spool can't be used.",
)
@click.option("--name", metavar="GLOB", default="", help="Only events whose name fits, such as 'nightly-*'.")
@click.option(
    "--status",
    metavar="STATUS",
    multiple=True,
    help="Only events of this status. Can be given several times.",
)
@_options.handler
@click.option(
    "--state",
    type=click.Choice(STATES),
    help="Only events of which this became, with any handler or with that of --handler.",
)
@_options.since("Only events put since: 30m, 2h, 3d (ago), or a date or time such as 2026-11-23T20:15.")
@click.option(
    "--text", metavar="TEXT", default="", help="Only events whose data contain this; a counts as A."
)
@click.option(
    "--parent",
    metavar="UID",
    default="",
    help="Only events that are part of this one; the beginning will do.",
)
@_options.limit(20)
@_options.as_json
def ls(
    name: str,
    status: tuple[str, ...],
    handler: str,
    state: str | None,
    since: float,
    text: str,
    parent: str,
    limit: int,
    as_json: bool,
) -> None:
    """List the events in the spool, newest first, with what became of them."""
    from e3_event.spool._filter import Filter

    spool = _options.open_spool()
    wanted = Filter(name, status, handler, state or "", since, text, parent)
    with Progress("searching") as progress:
        hits = spool.ledger.events(wanted, limit or None, progress=progress)
        if as_json:
            print_json_list(_shown(hits, progress))
            return
        count = _print(spool.ledger, hits, progress)
    if not count:
        _say_why(spool, is_filtered=wanted != Filter())
    elif count == limit and sys.stdout.isatty():
        click.secho(f"({limit} are shown; --limit shows more)", dim=True)


def _shown(hits: Iterator[Hit], progress: Progress) -> Iterator[dict[str, Any]]:
    """What is found, as JSON can hold it, with no bar where it is printed."""
    for hit in hits:
        progress.end()
        yield hit_as_json(hit)
    progress.end()


def _print(ledger: Ledger, hits: Iterator[Hit], progress: Progress) -> int:
    now = time.time()
    table = Table("PUT", "STATUS", "NAME", "UID", ">SIZE", "DELIVERIES")
    for hit in hits:
        progress.end()
        table.add(*_row(ledger, hit, now))
    progress.end()
    table.end()
    return table.count


def _row(ledger: Ledger, hit: Hit, now: float) -> tuple[str, ...]:
    if not hit.uid and hit.problem:
        return ("", colored("damaged"), plain(hit.problem), "", "", "")
    became = summary(hit.standings)
    if hit.problem:
        became = f"{colored('damaged')}; {became}"
    status = colored(cell(hit.status, 12), hit.status)
    return when(hit.put, now), status, name_cell(hit.name), short(ledger, hit.uid), size(hit.size), became


def short(ledger: Ledger, uid: str) -> str:
    """A uid as a cell: on a terminal as much of it as is enough to name the event."""
    return cell(ledger.abbreviated(uid) if sys.stdout.isatty() else uid)


def _say_why(spool: Spool, *, is_filtered: bool) -> None:
    if is_filtered and spool.ledger.newest():
        click.echo("no event fits")
    else:
        click.echo(f"there are no events in {plain(spool.path)} yet; `e3-event send NAME` puts one there")


def hit_as_json(hit: Hit) -> dict[str, Any]:
    """An event as programs read it."""
    return {
        "uid": hit.uid,
        "snapshot_id": hit.snapshot_id,
        "name": hit.name,
        "status": hit.status,
        "duration": hit.duration,
        "put": hit.put,
        "size": hit.size,
        "deliveries": [standing_as_json(standing) for standing in hit.standings],
        "problem": hit.problem,
    }


def standing_as_json(standing: Standing) -> dict[str, Any]:
    """A delivery as programs read it."""
    shown: dict[str, Any] = {
        "handler": standing.key.name,
        "fingerprint": standing.key.fingerprint,
        "state": standing.state,
        "is_out": standing.is_out,
    }
    row = standing.delivery
    if row is not None:
        shown |= {
            "attempts": row.attempts,
            "updated": row.updated,
            "duration": row.duration,
            "next_try": row.due if standing.state == "again" else None,
            "reason": row.reason,
        }
    return shown


@click.command(
    short_help="Show events as they come into the spool.",
    epilog="Ctrl-C ends it.\n\nExit codes: 130 it was ended; 1 its reader went away; 2 bad usage or"
    " configuration, or the spool can't be used.",
)
@click.option(
    "--limit",
    "-n",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many to show that are there already.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line an event, for programs.")
def tail(limit: int, as_json: bool) -> None:
    """Show the newest events in the spool, and then new ones as they come."""
    import json

    spool = _options.open_spool()
    ledger = spool.ledger
    after = ledger.newest()
    hits = list(ledger.events(limit=limit))[::-1] if limit else []
    version = None
    while True:
        for hit in hits:
            after = max(after, hit.seq)
            click.echo(json.dumps(hit_as_json(hit)) if as_json else _line(ledger, hit))
        sys.stdout.flush()
        while not hits and version == (version := spool.version()):
            time.sleep(_TICK)
        hits = ledger.tail(after)


def _line(ledger: Ledger, hit: Hit) -> str:
    if not hit.uid and hit.problem:
        return f"{colored('damaged')}  {plain(hit.problem)}"
    status = colored(cell(hit.status, 12), hit.status)
    cells = [(when(hit.put, time.time()), 11), (status, 9), (name_cell(hit.name), 24)]
    return "  ".join([*(padded(*one) for one in cells), short(ledger, hit.uid)])
