"""How the command speaks: harmless lines, colours only on a terminal, JSON for programs."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from e3_event._report import Report


def say(text: str, who: str = "e3-event") -> None:
    """Write one line to stderr; that there is nobody to read it, or no descriptor left, is no error."""
    try:
        from e3_event._render import plain

        sys.stderr.write(f"{who}: {plain(' '.join(text.split()))}\n")
        sys.stderr.flush()
    except (OSError, ImportError):
        pass


def print_json(value: Any) -> None:
    """Print *value* as JSON in ASCII."""
    import json

    import click

    click.echo(json.dumps(value, indent=2))


def print_json_list(values: Iterable[Any]) -> None:
    """Likewise a list, in whole lines and as its members come: there may be more than fit into memory."""
    import json

    import click

    held = ""  # until it is known whether another one follows
    for value in values:
        click.echo(f"{held}," if held else "[")
        held = "  " + json.dumps(value, indent=2).replace("\n", "\n  ")
    click.echo(f"{held}\n]" if held else "[]")


def report_as_json(report: Report) -> dict[str, Any]:
    """A report as programs read it: `ok`, `kept` and the members of `Report` and `Outcome`."""
    outcomes = [outcome._asdict() for outcome in report.outcomes]
    return {"ok": report.ok, "kept": report.kept, **report._asdict(), "outcomes": outcomes}


def tell_of(report: Report) -> None:
    """Say in a line each what was not delivered, or not kept, and what waits and why."""
    for outcome in report.outcomes:
        if outcome.delivered or (outcome.waiting and not outcome.reason):
            continue
        not_done = "was not kept by" if outcome.in_front else "was not delivered by"
        what = "waits for" if outcome.waiting else not_done
        say(f"the event {report.name} {what} {outcome.handler}: {outcome.reason}")
