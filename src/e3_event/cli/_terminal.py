"""How the command speaks: harmless lines, colours only on a terminal, JSON for programs."""

from __future__ import annotations

import json
import logging

import click

from e3_event._render import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from e3_event._report import Report


def say(text: str, who: str = "e3-event") -> None:
    """Write one line to stderr; that there is nobody to read it is no error."""
    try:
        click.echo(f"{who}: {plain(' '.join(text.split()))}", err=True)
    except OSError:
        pass


def print_json(value: Any) -> None:
    """Print *value* as JSON in ASCII."""
    click.echo(json.dumps(value, indent=2))


def print_json_list(values: Iterable[Any]) -> None:
    """Likewise a list, in whole lines and as its members come: there may be more than fit into memory."""
    held = ""  # until it is known whether another one follows
    for value in values:
        click.echo(f"{held}," if held else "[")
        held = "  " + json.dumps(value, indent=2).replace("\n", "\n  ")
    click.echo(f"{held}\n]" if held else "[]")


def report_as_json(report: Report) -> dict[str, Any]:
    """A report as programs read it: `ok`, `kept` and the members of `Report` and `Outcome`."""
    import msgspec

    return {"ok": report.ok, "kept": report.kept, **msgspec.to_builtins(report)}


def tell_of(report: Report) -> None:
    """Say in a line each what was not delivered, or not kept, and what waits and why."""
    for outcome in report.outcomes:
        if outcome.delivered or (outcome.waiting and not outcome.reason):
            continue
        not_done = "was not kept by" if outcome.in_front else "was not delivered by"
        what = "waits for" if outcome.waiting else not_done
        say(f"the event {report.name} {what} {outcome.handler}: {outcome.reason}")


def hear_the_library() -> None:
    """Show what the package warns of, and the records of `logging` handlers, on stderr.

    Its errors are told by the commands, which have them from the report.
    """
    own = logging.getLogger("e3.event")
    own.propagate = False
    own.addHandler(_Warnings())
    below = logging.getLogger("e3")
    below.setLevel(logging.DEBUG)
    below.addHandler(_Records())


def hear_errors(*, over_a_bar: bool = False) -> None:
    """Show what the package logs as errors, too: for a command that goes on in spite of them.

    :param over_a_bar: there may be a bar where they are shown, which is cleared away
    """
    _Warnings.most = logging.CRITICAL
    _Lines.over_a_bar = over_a_bar


class _Lines(logging.Handler):
    over_a_bar = False

    def clear(self) -> None:
        """Clear the line that is written to."""
        if self.over_a_bar:
            click.echo("\r\033[2K", nl=False, err=True)


class _Warnings(_Lines):
    most = logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        of_a_relay = (record.threadName or "").startswith("relay")
        if of_a_relay and self.most == logging.WARNING:  # the report has it
            return
        if logging.WARNING <= record.levelno <= self.most:
            self.clear()
            say(record.getMessage())


class _Records(_Lines):
    def emit(self, record: logging.LogRecord) -> None:
        self.clear()
        for line in record.getMessage().splitlines():
            click.echo(plain(line), err=True)
