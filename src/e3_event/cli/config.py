"""`e3-event config`: is the configuration file right, and what is in force?"""

from __future__ import annotations

import json

import click
import msgspec

from e3_event import EventError, EventManager
from e3_event._config import find_config, handlers_source, load_handlers, usual_files
from e3_event._manager import HANDLERS_VAR
from e3_event._redact import redact
from e3_event._render import plain
from e3_event.handler_tools import Secret

from . import _options
from ._terminal import print_json, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from e3_event._config._file import Config, HandlerConfig

    #: A key, its value, and where that comes from.
    Entry = tuple[tuple[str, ...], Any, str]


@click.group(
    short_help="Check the configuration file, or show what is in force.",
    epilog="Exit codes: 0, or 2 for bad usage or a wrong configuration.",
)
def config() -> None:
    """Check the configuration file, or show what is in force, and where each value comes from."""


@config.command(epilog="Exit codes: 0 it is right, or there is none; 2 bad usage or a wrong configuration.")
@click.argument("file", required=False, type=click.Path())
def check(file: str | None) -> None:
    """Validate the configuration file, or FILE: say every problem with its line, key and remedy.

    A secret that can't be read here and now is told as well. Nothing is sent.
    """
    path = find_config(file or _options.config_file())
    if path is None:
        click.echo(f"there is no configuration file; looked for {plain(' and '.join(usual_files()))}")
        return
    found = _load(path)
    for handler in found.handlers.values():
        for name, argument in handler.arguments.items():
            _try_secret(found, ("handlers", handler.name, name), argument)
    names = ", ".join(found.handlers) or "none"
    click.echo(f"{plain(path)}: {click.style('right', fg='green')}; handlers: {plain(names)}")


@config.command(epilog="Exit codes: 0, or 2 for bad usage or a wrong configuration.")
@_options.as_json
def show(as_json: bool) -> None:
    """Show the configuration in force and where each value comes from, with secrets masked."""
    path = find_config(_options.config_file())
    found = _load(path) if path else None
    entries = [*_spool(found), *_redaction(found), *_handlers(found)]
    if as_json:
        shown = [{"key": list(key), "value": value, "source": source} for key, value, source in entries]
        print_json({"file": path, "entries": shown})
        return
    from e3_event._config._document import dotted

    lines = [(plain(f"{dotted(key)} = {_as_toml(value)}"), source) for key, value, source in entries]
    width = min(max(len(line) for line, _ in lines), 60)
    for line, source in lines:
        click.echo(f"{line:<{width}}  {click.style(f'# {plain(source)}', dim=True)}")


def _load(path: str) -> Config:
    from e3_event._config._file import load_config

    return load_config(path)


def _try_secret(found: Config, key: tuple[str, ...], argument: Any) -> None:
    from e3_event._config._document import dotted

    if isinstance(argument, Secret):
        try:
            argument.get()
        except EventError as error:
            say(f"{found.document.where(key)}: {dotted(key)}: {error.messages[-1]}")


def _spool(found: Config | None) -> Iterator[Entry]:
    """The spool that is used, and where it really lies."""
    from e3_event._config._place import SpoolConfig, named_spool

    named = named_spool()
    spool = found.spool if found else SpoolConfig()
    if spool is None and named is None:
        yield ("spool",), "none", _where(found, ("spool",))
        return
    for key, value, source in _values(found, ("spool",), (spool or SpoolConfig())._asdict()):
        if key[-1] != "path":
            yield key, value, source
        elif named is not None:
            yield key, named.path, HANDLERS_VAR
        elif value is not None:
            yield key, value, source
        else:
            yield key, *_usual_place(source)


def _usual_place(source: str) -> tuple[str | None, str]:
    """Where the user's own spool lies, and who says so; where there is none, why."""
    from e3_event._config._place import usual_place

    try:
        return usual_place(), source
    except EventError as error:
        return None, str(error).strip()


def _redaction(found: Config | None) -> Iterator[Entry]:
    from e3_event._config._redaction import RedactConfig

    return _values(found, ("redact",), (found.redact if found else RedactConfig())._asdict())


def _handlers(found: Config | None) -> Iterator[Entry]:
    """The handlers of events that are sent here: `E3_EVENT_HANDLERS` takes the place of those of the file."""
    if found and found.handlers and handlers_source(found.document.path) != HANDLERS_VAR:
        for handler in found.handlers.values():
            yield from _handler(found, handler)
        return
    manager = EventManager()
    source = load_handlers(manager, found.document.path if found else None) or "default"
    for name, made in manager.handlers.items():
        yield ("handlers", name), redact(made.encode_config()), source


def _handler(found: Config, handler: HandlerConfig) -> Iterator[Entry]:
    table = ("handlers", handler.name)
    yield (*table, "type"), handler.kind, _where(found, (*table, "type"))
    for name, value in handler.shown.items():
        yield (*table, name), value, _where(found, (*table, name))
    yield from _values(found, (*table, "retry"), msgspec.structs.asdict(handler.retry))
    for name in ("order", "rate", "deadline"):
        yield (*table, name), getattr(handler, name), _where(found, (*table, name))


def _values(found: Config | None, table: tuple[str, ...], values: dict[str, Any]) -> Iterator[Entry]:
    for name, value in values.items():
        yield (*table, name), value, _where(found, (*table, name))


def _where(found: Config | None, key: tuple[str, ...]) -> str:
    """The file and line that say a key; `default` if none does."""
    value: Any = found.document.data if found else {}
    for part in key:
        if not isinstance(value, dict) or part not in value:
            return "default"
        value = value[part]
    return found.document.where(key) if found else "default"


def _as_toml(value: Any) -> str:
    """Return a value about as TOML writes it; what is not set says so."""
    if value is None:
        return "(not set)"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_as_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_as_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)
