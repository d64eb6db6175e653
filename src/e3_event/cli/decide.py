"""`e3-event retry`, `dead`, `replay` and `forget`: what people decide about deliveries."""

from __future__ import annotations

import time

import click

from e3_event._render import plain

from . import _options
from ._table import Progress, Table, cell, name_cell
from ._terminal import print_json_list
from ._words import colored, many, when
from .ls import short, standing_as_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event.spool._ledger import DeadLetter, Ledger

_EXIT_CODES = (
    "Exit codes: 0, also if nothing had to be done; 2 bad usage or configuration, no such event or handler,"
    " or the spool can't be used."
)


@click.command(
    short_help="Try deliveries again now.",
    epilog="\b\nExamples:\n  e3-event retry 01a20a43-2606\n  e3-event retry --handler oncall --since 2d\n\n"
    + _EXIT_CODES,
)
@click.argument("uid", required=False)
@_options.handler
@_options.since("Only of events put since: 30m, 2h, 3d (ago), or a date or time such as 2026-11-23T20:15.")
def retry(uid: str | None, handler: str, since: float) -> None:
    """Let deliveries that wait for their next try, or were given up, be tried now, as if for the first time:
    those of the event UID, of a handler, or both.

    A relay does it, the one that runs or the next one. One that knows a sink to be down waits until it tries
    that sink again.
    """
    if not (uid or handler):
        raise click.UsageError("give a UID or --handler")
    with Progress("retrying") as progress:
        counts = _options.open_spool().ledger.retry(
            event=uid or "", handler=handler, since=since, progress=progress
        )
    _tell(counts, "to be tried now", "nothing waits for another try, and nothing was given up")


@click.command(
    short_help="List dead letters, requeue or drop them.",
    epilog="\b\nExamples:\n  e3-event dead\n  e3-event dead --handler oncall --requeue"
    "\n  e3-event dead --drop --all\n\n" + _EXIT_CODES,
)
@click.argument("uid", required=False)
@_options.handler
@_options.since("Only of events put since: 30m, 2h, 3d (ago), or a date or time such as 2026-11-23T20:15.")
@click.option("--requeue", is_flag=True, help="Let them be tried again, now.")
@click.option("--drop", is_flag=True, help="Let them be: they are history then.")
@click.option("--all", "all_", is_flag=True, help="With --drop: of all events and handlers.")
@_options.limit(20)
@_options.as_json
def dead(
    uid: str | None,
    handler: str,
    since: float,
    requeue: bool,
    drop: bool,
    all_: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List the deliveries that were given up: of the event UID, of a handler, or all. With --requeue or
    --drop, do that with all of them instead.
    """
    if requeue and drop:
        raise click.UsageError("give either --requeue or --drop")
    if drop and not (uid or handler or all_):
        raise click.UsageError("--drop needs a UID, --handler or --all")
    ledger = _options.open_spool().ledger
    event = uid or ""
    if not (requeue or drop):
        _list(ledger, event, handler, since, limit, as_json=as_json)
        return
    with Progress("requeueing" if requeue else "dropping") as progress:
        if requeue:
            counts = ledger.retry(
                event=event, handler=handler, since=since, dead_only=True, progress=progress
            )
        else:
            counts = ledger.drop(event=event, handler=handler, since=since, progress=progress)
    _tell(counts, "requeued" if requeue else "dropped", "there are no such dead letters")


def _list(ledger: Ledger, event: str, handler: str, since: float, limit: int, *, as_json: bool) -> None:
    from itertools import islice

    letters = islice(ledger.dead(event=event, handler=handler, since=since), limit or None)
    if as_json:
        print_json_list(_as_json(letter) for letter in letters)
        return
    now = time.time()
    table = Table("SINCE", "HANDLER", "NAME", "UID", ">TRIES", "REASON")
    for letter in letters:
        table.add(*_row(ledger, letter, now))
    table.end()
    if not table.count:
        click.echo("there are no dead letters" if not (event or handler or since) else "no dead letter fits")


def _row(ledger: Ledger, letter: DeadLetter, now: float) -> tuple[str, ...]:
    from e3_event.spool._standings import label

    hit, standing = letter
    row = standing.delivery
    name = name_cell(hit.name) if not hit.problem else colored("damaged")
    since, tries, reason = (when(row.updated, now), f"{row.attempts}", row.reason) if row else ("", "", "")
    return since, cell(label(standing.key)), name, short(ledger, hit.uid), tries, cell(reason, 200)


def _as_json(letter: DeadLetter) -> dict[str, object]:
    hit, standing = letter
    return {
        "uid": hit.uid,
        "snapshot_id": hit.snapshot_id,
        "name": hit.name,
        "put": hit.put,
        "problem": hit.problem,
        **standing_as_json(standing),
    }


@click.command(
    short_help="Deliver again what a handler was given since a time.",
    epilog="\b\nExamples:\n  e3-event replay --handler archive --since 2026-11-20\n\n" + _EXIT_CODES,
)
@click.option(
    "--handler",
    metavar="HANDLER",
    required=True,
    help="The handler; NAME@FINGERPRINT where several have its name.",
)
@_options.since(
    "Events put since: 30m, 2h, 3d (ago), or a date or time such as 2026-11-23T20:15.", required=True
)
def replay(handler: str, since: float) -> None:
    """Let the events that are for a handler and were put since a time be delivered to it again: those that it
    was given, that were given up, and those from before it was configured.

    They go out behind what is new. Their ids are the same as before, so that a sink can tell.
    """
    with Progress("replaying") as progress:
        counts = _options.open_spool().ledger.replay(handler, since, progress=progress)
    _tell(counts, "to be delivered again", "there are no such events")


@click.command(
    short_help="Drop all that a handler is owed.",
    epilog="\b\nExamples:\n  e3-event forget oncall\n  e3-event forget file@3f2a91bc\n\n" + _EXIT_CODES,
)
@click.argument("handler")
def forget(handler: str) -> None:
    """Drop all that HANDLER is owed, its dead letters as well: for one that is not configured any more.

    HANDLER is its name, or NAME@FINGERPRINT where several have this name. Its events stay, and so does what
    became of them. When it is configured again, it is owed what comes from then on. One that a relay serves
    right now is refused.
    """
    with Progress("forgetting") as progress:
        counts = _options.open_spool().ledger.forget(handler, progress=progress)
    for name, count in counts.items():
        dropped = many(count, "delivery", "deliveries")
        click.echo(f"{plain(name)}: forgotten; {dropped} dropped")


def _tell(counts: dict[str, int], what: str, nothing: str) -> None:
    """Say how many deliveries were changed, by handler."""
    told = False
    for name, count in counts.items():
        if count:
            told = True
            click.echo(f"{plain(name)}: {count:,} {what}")
    if not told:
        click.echo(nothing)
