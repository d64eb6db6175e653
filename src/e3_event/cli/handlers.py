"""`e3-event handlers`: what there is and what is used."""

from __future__ import annotations

import shutil
import textwrap
from typing import Any

import click

from e3_event import EventError, EventManager, _plugins
from e3_event._config import configure, handlers_source
from e3_event._manager import HANDLERS_VAR
from e3_event._redact import describe, redact
from e3_event._render import plain

from . import _options
from ._terminal import print_json, say


@click.command(
    short_help="Show the installed handlers and the configured ones.",
    epilog="Exit codes: 0, or 2 for a wrong configuration (the installed handlers are shown all the same).",
)
@_options.as_json
def handlers(as_json: bool) -> int:
    """Show which handlers are installed, with their distribution, what they still need and how they are
    configured, and which ones are configured, with secrets masked.
    """
    found: dict[str, Any] = {
        "installed": [_installed(name, source) for name, source in sorted(_plugins.installed().items())],
        "configured": [],
        "spool": None,
        "configured_by": handlers_source(_options.config_file()) or "default",
    }
    manager = EventManager()
    error = ""
    try:
        found["configured_by"] = configure(manager, _options.config_file()) or "default"
        _, front = manager._setup.front or manager._front()
        found["spool"] = getattr(front, "path", None)
    except EventError as problem:
        error = found["error"] = str(problem).strip()
    found["configured"] = [
        {"name": name, "configuration": _configuration(handler)} for name, handler in manager.handlers.items()
    ]
    if as_json:
        print_json(found)
    else:
        _show(found)
    for line in error.splitlines():
        say(line)
    return 2 if error else 0


def _installed(name: str, source: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": name, "distribution": source, "ready": False}
    try:
        cls = _plugins.find(name)
    except EventError as error:
        return {**shown, "error": str(error)}
    needs = _plugins.missing(cls)
    return {**shown, "ready": not needs, "needs": needs, "configuration": _documented(cls)}


def _documented(cls: type) -> str:
    """The paragraph of a handler's docstring that says how its configuration string is written."""
    paragraphs = textwrap.dedent(f"    {cls.__doc__ or ''}").split("\n\n")
    for paragraph in paragraphs:
        head, colon, text = " ".join(paragraph.split()).partition("Configuration string:")
        if colon and not head:
            return text.strip()
    return ""


def _configuration(handler: Any) -> str:
    try:
        return redact(handler.encode_config())
    except Exception as error:  # noqa: BLE001  a foreign handler
        return f"not shown: {describe(error)}"


def _show(found: dict[str, Any]) -> None:
    click.secho("Installed", bold=True)
    width = max(len(handler["name"]) for handler in found["installed"])
    for handler in found["installed"]:
        click.echo(f"  {plain(handler['name']):<{width}}  {_state(handler)}")
        if handler.get("configuration"):
            _wrapped(plain(handler["configuration"]), " " * (width + 4))
    by = plain(found["configured_by"])
    if by == "default":
        by = f"neither {HANDLERS_VAR} nor a configuration file names any"
    click.echo()
    click.secho(f"Configured ({by})", bold=True)
    width = max((len(handler["name"]) for handler in found["configured"]), default=0)
    for handler in found["configured"]:
        click.echo(f"  {plain(handler['name']):<{width}}  {plain(handler['configuration'])}".rstrip())
    if not found["configured"]:
        click.echo("  none")
    click.echo()
    click.secho("Spool", bold=True)
    click.echo(f"  {plain(found['spool'] or 'none: events go directly to their handlers')}")


def _state(handler: dict[str, Any]) -> str:
    origin = f"({plain(handler['distribution'])})"
    if "error" in handler:
        return f"{click.style('broken', fg='red')} {origin}: {plain(handler['error'])}"
    if handler["needs"]:
        what = " ".join(f"'{what}'" for what in dict.fromkeys(handler["needs"].values()))
        modules = ", ".join(handler["needs"])
        return f"{click.style('needs', fg='yellow')} {plain(modules)} {origin}: pip install {plain(what)}"
    return f"{click.style('ready', fg='green')} {origin}"


def _wrapped(text: str, indent: str) -> None:
    columns = min(shutil.get_terminal_size().columns, 110)
    click.echo(textwrap.fill(text, max(columns, 60), initial_indent=indent, subsequent_indent=indent))
