"""The handler interface, and the fields of configuration strings."""

from __future__ import annotations

import abc
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, ClassVar

    from ._event import Event

_CODES = {",": "%2C", "|": "%7C", "%": "%25"}
_CHARS = {code: char for char, code in _CODES.items()}


class EventHandler(abc.ABC):
    """Takes an event to one place. One method has to be written: `send_event`.

    One thread at a time calls an instance. A handler that keeps connections notices a fork (by the process
    id) and opens its own.

    :cvar requires: modules that must be importable, each with what to install for it:
        `{"boto3": "e3-event[s3]"}`
    :cvar in_front: whether a manager gives its events to this handler alone, which keeps them for the others
        (as a spool does: see `Spool.keep`)
    """

    requires: ClassVar[Mapping[str, str]] = {}
    in_front: ClassVar[bool] = False

    @abc.abstractmethod
    def send_event(self, event: Event) -> bool:
        """Send an event.

        :param event: the event; from a manager always a `Snapshot`
        :return: True once the other side has it; False if not, and another try may help
        :raises DeliveryError: it was not delivered, and another try may help; says why
        :raises RejectedError: it was not delivered, and another try can't help; says why
        """

    def send_events(self, events: Sequence[Event]) -> Iterable[bool | Exception]:
        """Send several events; to be overridden where the other side takes many at once faster.

        :return: for each event what `send_event` answers or the exception that it raises, in order
        """
        for event in events:
            try:
                yield self.send_event(event)
            except Exception as error:  # noqa: BLE001  a bad event does not keep the next ones back
                yield error

    def close(self) -> None:  # noqa: B027  most handlers have nothing to let go of
        """Let go of connections. The next `send_event` opens them again; closing twice is allowed."""

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, Any]:
        """Decode a configuration string.

        :param config_str: what stands behind `name=` in `E3_EVENT_HANDLERS`
        :return: keyword arguments for the constructor
        :raises EventError: says which field is wrong, and what would be right
        """
        return {}

    def encode_config(self) -> str:
        """Encode the configuration as a string that `decode_config` understands, without a `|`.

        :raises EventError: it holds a secret as such; only a reference to one can be shared
        """
        return ""


def encode_fields(fields: Iterable[str]) -> str:
    """Join fields by commas; in them `,` `|` `%` become `%2C` `%7C` `%25`."""
    return ",".join(re.sub("[,|%]", lambda match: _CODES[match[0]], field) for field in fields)


def decode_fields(config_str: str, limit: int = -1) -> list[str]:
    """Split a configuration string into its fields: the inverse of `encode_fields`.

    Only `%2C`, `%7C` and `%25` are decoded; every other `%` stays as it is.

    :param limit: split at most so often; -1 is always
    """
    return [
        re.sub("%2C|%7C|%25", lambda match: _CHARS[match[0]], field) for field in config_str.split(",", limit)
    ]
