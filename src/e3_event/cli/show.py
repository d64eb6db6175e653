"""`e3-event show`: all that the spool knows of an event."""

from __future__ import annotations

import time

import click

from e3_event._render import message_text, plain

from . import _options
from ._table import Progress, Table, cell, name_cell
from ._terminal import print_json
from ._words import colored, exactly, many, size, span, when
from .ls import hit_as_json, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from e3_event.spool._ledger import Ledger
    from e3_event.spool._shown import Kept, Shown
    from e3_event.spool._standings import Standing
    from e3_event.spool._subscriptions import Lane

#: So many snapshots of one event are named.
_SNAPSHOTS = 10
#: So many that are part of an event.
_CHILDREN = 50


@click.command(
    short_help="Show all about an event: data, attachments, deliveries.",
    epilog="Exit codes: 0; 1 a part of it is damaged; 2 bad usage or configuration, there is no such event,"
    " or the spool can't be used.",
)
@click.argument("uid")
@_options.as_json
def show(uid: str, as_json: bool) -> int:
    """Show all about the event UID: its data, its attachments, and for each handler that it is owed to what
    became of it: when, how often it was tried, how long that took, and why it failed. At the end stand the
    event that it is part of, and those that are part of it.

    UID is a uid or the id of a snapshot, or the beginning of one. Of an event that was sent several times the
    newest snapshot is shown.
    """
    ledger = _options.open_spool().ledger
    shown = ledger.show(uid)
    if as_json:
        print_json(_as_json(shown))
    else:
        _print(shown, time.time())
        _print_family(ledger, shown)
    return int(bool(shown.hit.problem) or any(kept.problem for kept in shown.attachments))


def _print(shown: Shown, now: float) -> None:
    hit = shown.hit
    if hit.problem:
        click.echo(f"{colored('damaged')}: {plain(hit.problem.removeprefix('damaged: '))}")
    if shown.event is None:
        click.echo(f"uid {plain(hit.uid)}\nsnapshot {plain(hit.snapshot_id)}")
    else:
        head, _, rest = message_text(shown.event).partition("\n")
        click.secho(head, bold=True)
        click.echo(rest, nl=False)
    click.echo(f"put {exactly(hit.put)} ({span(now - hit.put)} ago), {size(hit.size)}")
    if shown.attachments:
        _head("Attachments")
        table = Table("", "", ">", "", "")
        for kept in shown.attachments:
            table.add(
                "", cell(kept.captured.name), size(kept.captured.size), _state(kept), kept.captured.sha256
            )
        table.end()
    _head("Deliveries")
    table = Table("", "", "", "", "")
    for standing in hit.standings:
        table.add("", *_delivery(standing, shown.lanes.get(standing.subscription), now))
    table.end()
    if not hit.standings:
        click.echo("  it is owed to nobody")
    _print_snapshots(shown, now)


def _head(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _state(kept: Kept) -> str:
    if kept.problem:
        return click.style(plain(kept.problem), fg="red")
    return "changed since it was attached" if kept.changed else ""


def _delivery(standing: Standing, lane: Lane | None, now: float) -> tuple[str, str, str, str]:
    from e3_event.spool._standings import label

    row = standing.delivery
    tries = when_ = ""
    if row is not None:
        when_ = when(row.updated, now)
        if row.attempts:
            tries = many(row.attempts, "attempt")
    return (
        cell(label(standing.key)),
        colored(standing.state),
        when_,
        "; ".join(filter(None, [tries, *_why(standing, lane, now)])),
    )


def _why(standing: Standing, lane: Lane | None, now: float) -> list[str]:
    row = standing.delivery
    told = []
    if row is not None and row.duration:
        told.append(f"took {span(row.duration)}")
    if row is not None and row.reason:
        told.append(plain(row.reason))
    if row is not None and row.crashes:
        told.append(f"its worker died {many(row.crashes, 'time')}")
    if standing.state == "again" and row is not None:
        told.append(f"next try {when(row.due, now)}" if row.due > now else "next try now")
    if standing.is_out:
        told.append("out with a worker now")
    if lane is None:
        told.append("the record of the handler is damaged; run `e3-event fsck --repair`")
    elif standing.state in ("waiting", "again"):
        if lane.down:
            told.append(f"its sink is down since {when(lane.down, now)}: {plain(lane.reason)}")
        if not lane.is_served(now):
            told.append("nobody serves it now")
    return told


def _print_snapshots(shown: Shown, now: float) -> None:
    others = [one for one in shown.snapshots if one[0] != shown.hit.snapshot_id]
    if not others:
        return
    _head("Other snapshots")
    table = Table("", "", "", "")
    for snapshot_id, put, status in others[:_SNAPSHOTS]:
        table.add("", plain(snapshot_id), when(put, now), colored(cell(status), status))
    table.end()
    if len(others) > _SNAPSHOTS:
        click.echo(f"  and {len(others) - _SNAPSHOTS} more")


def _print_family(ledger: Ledger, shown: Shown) -> None:
    """Print the event that it is part of, and those that are part of it, oldest first."""
    from e3_event.spool._filter import Filter

    if shown.event is None:
        return
    hit, data = shown.hit, shown.event._data
    begun = data.get("begin_time")
    parts = Filter(
        parent=hit.uid,
        since=begun if isinstance(begun, float) else 0.0,
        until=0 if hit.status == "running" else hit.seq,  # they end before it does
    )
    with Progress("searching") as progress:
        found = list(ledger.events(parts, _CHILDREN, progress=progress))
    parent = ledger.latest(str(data["parent_uid"])) if data.get("parent_uid") else None
    relatives = [("part of", parent)] if parent else []
    newest = {child.uid: child for child in reversed(found) if child.uid}
    relatives += [("has", child) for child in newest.values()]
    if not relatives:
        return
    _head("Family")
    table = Table("", "", "", "", ">", "")
    for relation, one in relatives:
        took = "" if one.duration is None else cell(span(one.duration), 12)
        status = colored(cell(one.status, 12), one.status)
        table.add("", relation, name_cell(one.name), status, took, short(ledger, one.uid))
    table.end()
    if len(found) == _CHILDREN:
        click.echo(f"  perhaps more; `e3-event ls --parent {plain(hit.uid)}` lists all")


def _as_json(shown: Shown) -> dict[str, Any]:
    return {
        **hit_as_json(shown.hit),
        "closed": shown.event is not None and shown.event._closed,
        "data": None if shown.event is None else shown.event.as_dict(),
        "attachments": [
            {
                "name": kept.captured.name,
                "path": kept.captured.path,
                "size": kept.captured.size,
                "sha256": kept.captured.sha256,
                "modified": kept.captured.mtime_ns / 1e9,
                "changed": kept.changed,
                "problem": kept.problem,
            }
            for kept in shown.attachments
        ],
        "snapshots": [
            {"snapshot_id": snapshot_id, "put": put, "status": status}
            for snapshot_id, put, status in shown.snapshots
        ],
    }
