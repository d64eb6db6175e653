"""`e3-event fsck`: is the spool as it was written?"""

from __future__ import annotations

import click

from e3_event._errors import SpoolError
from e3_event._render import plain

from . import _options
from ._table import Stages
from ._terminal import print_json
from ._words import many

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event.spool._fsck._findings import Finding


@click.command(
    short_help="Check the spool for damage, and repair it.",
    epilog="Exit codes: 0 the spool is sound, 1 something was found (with --repair: put right), 2 it can't"
    " be checked or repaired (says why), bad usage or configuration.",
)
@click.option("--repair", is_flag=True, help="Put right what is found; nothing that is owed is dropped.")
@_options.as_json
def fsck(repair: bool, as_json: bool) -> int:
    """Check all that the spool holds: its database, every event with its attachments, every delivery, and
    what handlers have been given. Others may use it meanwhile. Nothing is changed without --repair.
    """
    from e3_event.spool._check import check

    path = _options.spool_path()
    try:
        with Stages() as progress:
            found = check(path, repair=repair, progress=progress)
    except OSError as error:
        raise SpoolError(f"it can't be checked: {error.strerror or error}", error.filename or path) from error
    if as_json:
        print_json(_as_json(path, found))
    else:
        _print(path, found)
    return int(bool(found))


def _as_json(path: str, found: list[Finding]) -> dict[str, object]:
    findings = [{"kind": one.kind, "what": one.what, "done": one.done} for one in found]
    return {"path": path, "sound": not found, "findings": findings}


def _print(path: str, found: list[Finding]) -> None:
    for one in found:
        done = f"; {one.done}" if one.done else ""
        click.echo(f"{click.style(one.kind, fg='red')}: {plain(one.what)}{plain(done)}")
    if not found:
        click.echo(f"{plain(path)} is {click.style('sound', fg='green')}")
    elif not any(one.done for one in found):
        click.echo(f"{many(len(found), 'finding')}; `e3-event fsck --repair` puts right what can be")
