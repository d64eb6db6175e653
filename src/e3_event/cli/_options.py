"""Options that several subcommands have."""

from __future__ import annotations

import click

from e3_event import EventError

from ._arguments import ATTACH, DATA, FLUSH_TIMEOUT, REDACT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

    from click.shell_completion import CompletionItem

    from e3_event.spool import Spool

    from ._arguments import Option


def option(one: Option) -> Callable[[F], F]:
    """An option as click has it."""

    def decode(_ctx: click.Context, _param: click.Parameter, value: Any) -> Any:
        try:
            return value if one.take is None else one.take(value)
        except EventError as error:
            raise click.BadParameter(error.messages[-1]) from error

    further: dict[str, Any] = {"is_flag": True} if one.is_flag else {"metavar": one.metavar}
    if one.choices:
        further["type"] = click.Choice(one.choices)
    if one.default is not None:
        further |= {"default": one.default, "show_default": True}
    return click.option(*one.names, one.key, help=one.help, multiple=one.is_list, callback=decode, **further)


def options(several: Sequence[Option]) -> Callable[[F], F]:
    """Likewise several, in their order."""

    def decorate(function: F) -> F:
        for one in reversed(several):
            function = option(one)(function)
        return function

    return decorate


def _since(ctx: click.Context, param: click.Parameter, value: str | None) -> float:
    return moment(ctx, param, value) or 0.0


def moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Decode a time into seconds since the epoch: `2h` (ago), or a date or time as ISO 8601 writes it."""
    if value is None:
        return None
    import time
    from datetime import datetime

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


data, attach, redact, flush_timeout = map(option, (DATA, ATTACH, REDACT, FLUSH_TIMEOUT))
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
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
