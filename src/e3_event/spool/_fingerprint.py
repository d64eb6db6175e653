"""By what a handler's subscription is known: its `Key`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._key import Key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from e3_event._handler import EventHandler


def key_of(name: str, handler: EventHandler, *, is_named: bool = False) -> Key:
    """Return the key of a manager's handler.

    One of the configuration file is known by its name. Any other, of `E3_EVENT_HANDLERS` or of a program, is
    known by its name and what it is configured to, so that what one job could not deliver never goes where
    another job sends its own.

    :param is_named: whether it is of the configuration file
    """
    return Key(name) if is_named else Key(name, _fingerprint(name, handler))


def keys_of(handlers: Mapping[str, EventHandler] | None, named: Collection[str]) -> list[Key] | None:
    """Return the keys of a manager's handlers: of all those that an event is owed to.

    :param handlers: `{name: handler}`. `None`: they are not known
    :param named: the names of those that are of the configuration file
    :return: none if they are not known: nobody gets it by itself. `None` if there are none: then it is owed
        to those of the configuration file
    """
    if handlers is None:
        return []
    return [key_of(name, handler, is_named=name in named) for name, handler in handlers.items()] or None


def _fingerprint(name: str, handler: EventHandler) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of `name=configuration`.

    Where the configuration can't be told, as it holds a secret as such, the handler's class takes its place.
    """
    import hashlib

    try:
        config = handler.encode_config()
    except Exception:  # noqa: BLE001  a foreign handler, which may have none
        config = f"{type(handler).__module__}:{type(handler).__qualname__}"
    return hashlib.sha256(f"{name}={config}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
