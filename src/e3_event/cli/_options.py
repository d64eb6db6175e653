"""Options that several subcommands have."""

from __future__ import annotations

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def _data(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> dict[str, Any]:
    """Decode `key=text` and `key:=JSON`; of two with one key the last counts."""
    found: dict[str, Any] = {}
    for item in values:
        key, equals, value = item.partition("=")
        typed = key.endswith(":")
        key = key.removesuffix(":") if typed else key
        if not key or not equals:
            raise click.BadParameter(f"{item!r}: write it as key=text or key:=JSON")
        found[key] = _json(item, value) if typed else value
    return found


def _json(item: str, value: str) -> Any:
    import msgspec

    from e3_event._codec import check_strict

    try:
        raw = value.encode()
        found = msgspec.json.decode(raw)
        check_strict(raw, found)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise click.BadParameter(
            f"{item!r}: what stands behind := is no JSON ({error}); key=text takes any text"
        ) from error
    return found


def _attachments(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    """Decode `name=path`; of two with one name the last counts."""
    found = {}
    for item in values:
        name, _, path = item.partition("=")
        if not name or not path:
            raise click.BadParameter(f"{item!r}: write it as name=path")
        found[name] = path
    return found


data = click.option(
    "--data",
    "-d",
    metavar="KEY=TEXT",
    multiple=True,
    callback=_data,
    help="Data of the event; KEY:=JSON for numbers, lists and the like. Can be given several times.",
)
attach = click.option(
    "--attach",
    "-a",
    "attachments",
    metavar="NAME=PATH",
    multiple=True,
    callback=_attachments,
    help="A file to attach to the event under this name. Can be given several times.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
