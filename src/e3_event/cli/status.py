"""`e3-event status` and `e3-event purge`: the state of the spool, and room in it."""

from __future__ import annotations

import time

import click

from e3_event import EventError
from e3_event._errors import SpoolError
from e3_event._render import plain

from . import _options
from ._table import Progress, Table, cell
from ._terminal import print_json
from ._words import colored, many, size, span, when

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event.spool import Spool
    from e3_event.spool._running import Running
    from e3_event.spool._status import Status, Subscribed

#: Seconds between two looks at a spool that is being worked at, from which the rate follows.
_SAMPLE = 1.0
_PERCENT = 0.8


@click.command(
    short_help="Show what waits, for whom, and what needs a person.",
    epilog="Exit codes: 0; 1 something needs a person, or the spool can't be used (says what and why); 2 bad"
    " usage or configuration.",
)
@_options.as_json
def status(as_json: bool) -> int:
    """Show the state of the spool: how full it is, what runs now, and for each handler what waits and since
    when, what was given up, whether a relay serves it, and whether its sink is up. Then what needs a person,
    if anything does.
    """
    from e3_event.spool._running import running

    try:
        spool = _options.open_spool()
        found = spool.ledger.status()
        rates = _rates(spool, found)
        now_running = list(running(spool.path))
    except SpoolError as error:
        problem = str(error).strip()
        if as_json:
            print_json({"problems": [problem]})
        else:
            click.echo(f"{click.style('needs a person', fg='red')}: {plain(problem)}")
        return 1
    if as_json:
        print_json(_as_json(found, rates, now_running))
    else:
        _print(found, rates, now_running, time.time())
    return int(bool(found.problems))


def _rates(spool: Spool, found: Status) -> dict[tuple[str, str], float]:
    """Deliveries a second of the subscriptions that are being worked at."""
    if not any(one.served and one.waiting for one in found.subscriptions):
        return {}
    started = time.monotonic()
    time.sleep(_SAMPLE)
    now = {member.key: member.lane for member in spool.ledger.handlers()}
    seconds = time.monotonic() - started
    return {
        (one.name, one.fingerprint): (lane.delivered - one.delivered) / seconds
        for one in found.subscriptions
        if one.served and (lane := now.get((one.name, one.fingerprint))) is not None  # type: ignore[call-overload]
    }


def _as_json(
    found: Status, rates: dict[tuple[str, str], float], now_running: list[Running]
) -> dict[str, object]:
    import msgspec

    shown: dict[str, object] = msgspec.to_builtins(found)
    shown["running"] = msgspec.to_builtins(now_running)
    shown["damage"] = [{"noticed": noticed, "what": what} for noticed, what in found.damage]
    shown["subscriptions"] = [
        {**msgspec.to_builtins(one), "rate": rates.get((one.name, one.fingerprint))}
        for one in found.subscriptions
    ]
    return shown


def _print(
    found: Status, rates: dict[tuple[str, str], float], now_running: list[Running], now: float
) -> None:
    share = found.size / found.max_size
    used = f"{size(found.size)} of {size(found.max_size)} used ({share:.0%})"
    if share > _PERCENT:
        used = click.style(used, fg="yellow")
    click.echo(f"{plain(found.path)}: {many(found.newest, 'event')} so far; {used}")
    if found.dropped:
        click.echo(f"{many(found.dropped, 'dead letter')} had to make room")
    if now_running:
        click.echo()
        table = Table("RUNNING", "UID", ">FOR")
        for run in now_running:
            table.add(cell(run.name), cell(run.uid), span(now - run.begun))
        table.end()
    shown = [one for one in found.subscriptions if not one.forgotten or one.dead]
    if shown:
        click.echo()
    table = Table("HANDLER", ">WAITING", "OLDEST", ">DEAD", ">DELIVERED", "SEEN", "SINK")
    for one in shown:
        table.add(*_row(one, rates.get((one.name, one.fingerprint)), now))
    table.end()
    if found.problems:
        click.echo()
        click.secho("Needs a person", fg="red", bold=True)
        for problem in found.problems:
            click.echo(f"  {plain(problem)}")


def _row(one: Subscribed, rate: float | None, now: float) -> tuple[str, ...]:
    if one.problem:
        return cell(one.label), "", "", "", "", "", colored("damaged")
    more = "> " if one.more else ""
    waiting = f"{more}{one.waiting:,}" if one.waiting else "-"
    dead = colored(f"{one.dead:,}", "dead") if one.dead else "-"
    oldest = f"{span(now - one.oldest)}" if one.oldest else "-"
    return (
        cell(one.label),
        waiting,
        oldest,
        dead,
        f"{one.delivered:,}",
        _seen(one, rate, now),
        _sink(one, now),
    )


def _seen(one: Subscribed, rate: float | None, now: float) -> str:
    if one.served:
        return "serves" if rate is None else f"serves, {rate:,.3g}/s"
    return f"{span(now - one.seen)} ago" if one.seen else "-"


def _sink(one: Subscribed, now: float) -> str:
    told = []
    if one.down_since:
        told.append(colored(f"down for {span(now - one.down_since)}", "dead"))
        told.append(cell(one.reason))
        if one.probe and one.probe > now:
            told.append(f"next try in {span(one.probe - now)}")
    elif one.again:
        told.append(colored(f"{one.again:,} to be tried again", "again"))
        if one.next_try:
            told.append(f"the next {when(one.next_try, now)}" if one.next_try > now else "the next now")
    return "; ".join(told) or "up"


@click.command(
    short_help="Remove settled events from the spool.",
    epilog="\b\nExamples:\n  e3-event purge\n  e3-event purge --before 7d"
    "\n\nExit codes: 0; 2 bad usage or configuration, or the spool can't be used.",
)
@click.option(
    "--before",
    metavar="TIME",
    callback=_options.moment,
    help="Events put before: 7d (ago), or a date or time such as 2026-11-23.  [default: the retention]",
)
def purge(before: float | None) -> None:
    """Remove events that nobody is owed any more and that are older than the retention of the configuration,
    or than --before. Events with dead letters stay.
    """
    spool = _options.open_spool()
    if before is not None and before > time.time():
        raise EventError("--before lies in the future")
    used = spool.ledger.status().size
    with Progress("purging") as progress:
        removed = spool.purge(before, progress=progress)
    freed = max(used - spool.ledger.status().size, 0)
    click.echo(f"removed {many(removed.events, 'event')}; {size(freed)} are free now")
