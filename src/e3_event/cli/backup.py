"""`e3-event backup`: a copy of the spool, while it is in use."""

from __future__ import annotations

import click

from e3_event._errors import SpoolError
from e3_event._render import plain

from . import _options
from ._table import Stages
from ._terminal import print_json, say
from ._words import many, size


@click.command(
    short_help="Copy the spool while it is in use.",
    epilog="Exit codes: 0; 1 something is damaged in the copy, as it is in the spool; 2 nothing was copied"
    " (says why), bad usage or configuration.",
)
@click.argument("folder", type=click.Path())
@_options.as_json
def backup(folder: str, as_json: bool) -> int:
    """Copy the spool into FOLDER, as it is at one moment. FOLDER must not be there, or be empty; it becomes a
    spool itself, complete and checked, or nothing. Others may use the spool meanwhile.
    """
    from e3_event.spool._backup import backup as copy

    path = _options.spool_path()
    try:
        with Stages() as progress:
            made = copy(path, folder, progress=progress)
    except OSError as error:
        raise SpoolError(
            f"nothing was copied: {error.strerror or error}", error.filename or folder
        ) from error
    for one in made.findings:
        say(f"{one.kind}: {one.what}")
    if as_json:
        findings = [{"kind": one.kind, "what": one.what} for one in made.findings]
        counts = {"events": made.events, "size": made.size, "purged": made.purged}
        print_json({"path": path, "folder": folder, **counts, "findings": findings})
    else:
        purged = f"; {many(made.purged, 'event')} purged meanwhile" if made.purged else ""
        click.echo(f"{many(made.events, 'event')}, {size(made.size)}, copied to {plain(folder)}{purged}")
    return int(bool(made.findings))
