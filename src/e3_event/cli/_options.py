"""Options that several subcommands have."""

from __future__ import annotations

import json

import click

from e3_event._config._redaction import SCOPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

    from click.shell_completion import CompletionItem

    from e3_event.spool import Spool


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
    try:
        return json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(
            f"{item!r}: what stands behind := is no JSON ({error}); key=text takes any text"
        ) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _attachments(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    """Decode `name=path`; of two with one name the last counts."""
    found = {}
    for item in values:
        name, _, path = item.partition("=")
        if not name or not path:
            raise click.BadParameter(f"{item!r}: write it as name=path")
        found[name] = path
    return found


def duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Decode a time such as `30s`, `10m` or `2d` (or a number of seconds) into seconds."""
    if value is None:
        return None
    from e3_event import EventError
    from e3_event._config._values import duration as decode

    try:
        return decode(float(value) if value.replace(".", "", 1).isdigit() else value)
    except EventError as error:
        raise click.BadParameter(error.messages[-1]) from error


def _size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Decode a size such as `64MiB` or `10MB` (or a number of bytes, 0 included) into bytes."""
    if value is None or value in ("0", "0B"):
        return None if value is None else 0
    from e3_event import EventError
    from e3_event._config._values import size as decode

    try:
        return decode(float(value) if value.isascii() and value.isdigit() else value)
    except EventError as error:
        raise click.BadParameter(error.messages[-1]) from error


def duration_or_none(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Likewise, or `0`: none at all."""
    return 0.0 if value in ("0", "0s") else duration(ctx, param, value)


def _since(ctx: click.Context, param: click.Parameter, value: str | None) -> float:
    return moment(ctx, param, value) or 0.0


def moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Decode a time into seconds since the epoch: `2h` (ago), or a date or time as ISO 8601 writes it."""
    if value is None:
        return None
    import time
    from datetime import datetime

    from e3_event import EventError
    from e3_event._config._values import duration as decode

    try:
        return time.time() - decode(value)
    except EventError:
        pass
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise click.BadParameter(
            f"{value!r}: a time ago such as 30m, 2h or 3d, or a time such as 2026-11-23T20:15 is needed"
        ) from error


def open_spool() -> Spool:
    """Open the spool of the configuration, else the user's own.

    :raises EventError: the configuration is wrong, or the spool can't be used
    """
    from e3_event._config._place import open_spool as open_configured

    return open_configured(config_file())


def spool_path() -> str:
    """Where that spool lies; it is not opened.

    :raises EventError: the configuration is wrong, or says that there is no spool
    """
    from e3_event._config._place import find_spool

    return find_spool(config_file()).path


def config_file() -> str | None:
    """The file that `--config` names, which is an option of `e3-event` itself."""
    path: str | None = click.get_current_context().find_root().params.get("config")
    return path


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete the name of a file."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


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
flush_timeout = click.option(
    "--flush-timeout",
    metavar="DURATION",
    callback=duration_or_none,
    help="Deliver from the spool for so long at most, such as 10s; 0: leave that to others.  [default: 2s]",
)
max_log = click.option(
    "--max-log",
    metavar="SIZE",
    callback=_size,
    help="Keep so much of the output at most, its beginning and its end; 0: no log.  [default: 64MiB]",
)
redact = click.option(
    "--redact",
    type=click.Choice(SCOPES),
    help="Mask secrets in what is captured (the log, the command line), in --data and --attach as well (all),"
    " or in nothing.  [default: what the configuration says, else captured]",
)
handler = click.option(
    "--handler",
    metavar="HANDLER",
    default="",
    help="Only what is owed to this handler; NAME@FINGERPRINT where several have its name.",
)


def since(text: str, *, required: bool = False) -> Callable[[F], F]:
    """The option `--since`."""
    return click.option("--since", metavar="TIME", callback=_since, required=required, help=text)


def limit(usual: int) -> Callable[[F], F]:
    """The option `--limit`, whose 0 means: all."""
    return click.option(
        "--limit",
        "-n",
        metavar="NUMBER",
        type=click.IntRange(min=0),
        default=usual,
        show_default=True,
        help="How many to show at most; 0: all.",
    )
