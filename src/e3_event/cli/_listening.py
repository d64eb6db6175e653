"""What the package logs, shown on stderr."""

from __future__ import annotations

import logging

from e3_event._render import plain

from ._terminal import say


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
            import click

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
        import click

        self.clear()
        for line in record.getMessage().splitlines():
            click.echo(plain(line), err=True)
