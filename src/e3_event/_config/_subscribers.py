"""Configured handlers as a relay serves them: by what their deliveries are known, and how each is made."""

from __future__ import annotations

import functools
import hashlib
import os

from e3_event import _plugins
from e3_event._errors import EventError
from e3_event._manager import HANDLERS_VAR, EventManager
from e3_event._relay import Subscriber
from e3_event.spool import Key

from . import find_config

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
    path = find_config(file)
    if path is not None:
        from ._file import load_config

        if handlers := load_config(path).handlers:
            return [of_config(handler) for handler in handlers.values()], path
    manager = EventManager()
    if os.environ.get(HANDLERS_VAR):
        manager.load_handlers_from_env(HANDLERS_VAR)
    return [of_handler(name, handler) for name, handler in manager.handlers.items()], HANDLERS_VAR


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


def key_of(name: str, handler: EventHandler) -> Key:
    """The subscription of a handler of the environment or of a program."""
    try:
        config = handler.encode_config()
    except EventError:  # it holds a secret, which is in no fingerprint either
        config = _plugins.type_of(type(handler)) or type(handler).__qualname__
    return Key(name, hashlib.sha256(f"{name}={config}".encode()).hexdigest()[:16])


def _again(handler: EventHandler) -> EventHandler:
    try:
        arguments = type(handler).decode_config(handler.encode_config())
        return type(handler)(**arguments)
    except Exception:  # noqa: BLE001  a foreign handler, whose configuration string may not be all of it
        return handler
