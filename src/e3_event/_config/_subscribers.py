"""Configured handlers as a relay serves them: by what their deliveries are known, and how each is made."""

from __future__ import annotations

import functools

from e3_event._manager import HANDLERS_VAR, EventManager
from e3_event._relay import Subscriber
from e3_event.spool import Key, key_of

from . import read_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event._handler import EventHandler

    from ._file import HandlerConfig


def load_subscribers(file: str | None = None) -> tuple[list[Subscriber], str]:
    """Return the handlers that a relay serves: those of the configuration file, else of `E3_EVENT_HANDLERS`.

    :param file: the configuration file, as for `find_config`
    :return: the handlers, and where they come from
    :raises EventError: the configuration is wrong; says what would be right
    """
    config = read_config(file)
    if config is not None and config.handlers:
        return [of_config(handler) for handler in config.handlers.values()], config.document.path
    manager = EventManager()
    manager.load_handlers_from_env(HANDLERS_VAR)
    found = [
        of_handler(name, handler)
        for name, handler in manager.handlers.items()
        if not getattr(handler, "in_front", False)
    ]
    return found, HANDLERS_VAR


def of_config(handler: HandlerConfig) -> Subscriber:
    """A handler of the configuration file, which is known by its name."""
    return Subscriber(
        key=Key(handler.name),
        build=handler.build,
        retry=handler.retry,
        order=handler.order,
        rate=handler.rate,
        deadline=handler.deadline,
    )


def of_handler(name: str, handler: EventHandler) -> Subscriber:
    """A handler of the environment or of a program, which is known by its name and its configuration.

    It is made anew from its configuration string; one that has none, as it holds a secret, is used as it is.
    """
    return Subscriber(key=key_of(name, handler), build=functools.partial(_again, handler))


def _again(handler: EventHandler) -> EventHandler:
    try:
        arguments = type(handler).decode_config(handler.encode_config())
        return type(handler)(**arguments)
    except Exception:  # noqa: BLE001  a foreign handler, whose configuration string may not be all of it
        return handler
