"""`e3-event run`: a command as an event."""

from __future__ import annotations

import click

from . import _options, _run
from ._arguments import RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@click.command(
    short_help="Run a command and send an event about it, with its output.",
    context_settings={"allow_interspersed_args": False},
    epilog="\b\nExamples:\n  e3-event run -- make -j4"
    "\n  e3-event run --name nightly --data branch=main --attach report=out.xml -- ./nightly.sh"
    "\n\nExit codes: those of COMMAND, whatever becomes of the event. Where a signal kills it, e3-event dies"
    " of the same one. 124: the time given with --timeout was over. 75: it did not run, as another process"
    " has the lock given with --lock. 127 and 126: COMMAND was not found or can't be executed. 1: also what"
    " --require-delivery says. 2: bad usage, nothing ran.",
)
@_options.options(RUN)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, shell_complete=_options.files)
def run(command: tuple[str, ...], **arguments: Any) -> int:
    """Run COMMAND and send one event about it: how it ended, how long it took, and its output as the
    attachment `log`.

    Its output passes through as it comes. Files given with --attach are looked for when COMMAND has ended, so
    that it can make them.
    """
    return _run.run(command, config=_options.config_file(), **arguments)
