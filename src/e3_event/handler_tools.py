"""Helpers for those who write handlers; the built-in ones use nothing else.

Events are given as `Snapshot` by a manager; every function here takes any `Event`.
"""

from __future__ import annotations

import mimetypes
import os
from typing import TYPE_CHECKING, Any

from ._dump import encode
from ._errors import EventError
from ._files import open_regular, safe_name, write_atomic
from ._handler import decode_fields, encode_fields
from ._plugins import require
from ._redact import describe, redact
from ._render import message_text

if TYPE_CHECKING:
    from ._attachment import Attachment
    from ._event import Event

__all__ = [
    "Secret",
    "attachments",
    "content_type",
    "decode_fields",
    "describe",
    "encode_fields",
    "event_json",
    "message_text",
    "open_regular",
    "redact",
    "require",
    "safe_name",
    "snapshot_id",
    "write_atomic",
]


def snapshot_id(event: Event) -> str:
    """Return the id of a snapshot, the idempotency key: it is the same when the same snapshot comes again."""
    return event.snapshot()._snapshot_id


def attachments(event: Event) -> tuple[Attachment, ...]:
    """Return the attachments that are there, each with `name`, `path`, `sha1` and `open()`."""
    return tuple(event.snapshot()._attachments.values())


def event_json(event: Event, *, indent: int = 0, sort_keys: bool = False) -> bytes:
    """Return `as_dict()` as JSON, in ASCII.

    :param indent: spaces a level; 0 writes one line without spaces
    """
    return encode(event.snapshot()._shown, indent=indent, sort_keys=sort_keys)


def content_type(path: str) -> tuple[str | None, str | None]:
    """Guess what a file holds from its name.

    :return: media type and encoding (such as `gzip`), `None` where unknown
    """
    return mimetypes.guess_type(path, strict=False)


class Secret:
    """A secret by reference: an environment variable or a file, read when it is needed. Never printed.

    :param env: name of the variable
    :param file: path of the file; white space around its content does not count
    :param value: the secret as such; such a one can't be shared with other processes
    """

    __slots__ = ("_value", "env", "file")

    def __init__(self, *, env: str = "", file: str = "", value: str = "") -> None:
        if bool(env) + bool(file) + bool(value) != 1:
            raise EventError("a secret is given by exactly one of env, file and value")
        self.env = env
        self.file = file
        self._value = value

    def get(self) -> str:
        """Read the secret.

        :raises EventError: the variable is not set, or the file can't be read or is empty; says which
        """
        if self._value:
            return self._value
        if self.env:
            found = os.environ.get(self.env, "")
            if not found:
                raise EventError(
                    f"the environment variable {self.env}, which should hold a secret, is not set"
                )
            return found
        try:
            with open_regular(self.file) as file:
                found = file.read().decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise EventError(
                f"the file {self.file}, which should hold a secret, can't be read: {error}"
            ) from None
        if not found:
            raise EventError(f"the file {self.file}, which should hold a secret, is empty")
        return found

    @property
    def shareable(self) -> bool:
        """Is it a reference, which other processes may know?"""
        return not self._value

    def __repr__(self) -> str:
        where = (
            f"env={self.env!r}" if self.env else f"file={self.file!r}" if self.file else "value=[redacted]"
        )
        return f"Secret({where})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.env, self.file, self._value) == (
            other.env,
            other.file,
            other._value,
        )

    def __hash__(self) -> int:
        return hash((self.env, self.file, self._value))

    def __reduce__(self) -> Any:
        if self._value:
            raise EventError("a secret given as such can't be pickled; use env or file")
        return _secret, (self.env, self.file)


def _secret(env: str, file: str) -> Secret:
    return Secret(env=env, file=file)
