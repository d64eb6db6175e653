"""Secrets masked in what is told of an event: in what we capture, or in all of it."""

from __future__ import annotations

import os
import re

from ._attachment import Attachment
from ._event import Snapshot
from ._redact import MASK, SECRET_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from tempfile import TemporaryDirectory
    from typing import Any

    from ._config._redaction import RedactConfig
    from ._event import Event
    from ._redaction import Redactor

#: Data keys by which events are found again; we make them.
_IDS = ("uid", "parent_uid", "trace_id", "span_id", "parent_span_id")
_CHUNK = 1 << 16


class Masking:
    """Masks secrets of one event, as the configuration says.

    :param settings: in what they are masked; `None`: as usual
    :param scope: in what, whatever the settings say; one of `SCOPES`
    :ivar is_for_all: whether also in the data that the program sets and the files that it attaches
    :ivar captured: paths of attachments that we have made of what we captured
    """

    def __init__(self, settings: RedactConfig | None, scope: str | None = None) -> None:
        from ._config._redaction import RedactConfig

        usual = settings or RedactConfig()
        self._settings = usual if scope is None else RedactConfig(scope=scope, env=usual.env)  # type: ignore[arg-type]
        self.is_for_all = self._settings.scope == "all"
        self.captured: set[str] = set()
        self._redactor: Redactor | None = None
        self._folder: TemporaryDirectory[str] | None = None

    @property
    def redactor(self) -> Redactor | None:
        """Masks secrets in what we capture; `None`: that is not wanted."""
        if self._redactor is None and self._settings.scope != "nothing":
            from ._config._redaction import make_redactor

            self._redactor = make_redactor(self._settings)
        return self._redactor

    def text(self, text: str) -> str:
        """Return a text that we captured, without secrets."""
        return self.redactor.text(text) if self.redactor else text

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the arguments of a command that we captured, without secrets."""
        from ._redact import redact_command

        return [self.text(word) for word in redact_command(command)] if self.redactor else list(command)

    def data(self, event: Event, snapshot_id: str = "") -> Event:
        """Return an event with its data as they are told, for now or as a snapshot with this id."""
        if not (self.is_for_all and self.redactor):
            return Snapshot(event, snapshot_id) if snapshot_id else event
        snapshot = Snapshot(event, snapshot_id or None)
        for part in _parts(snapshot):
            for key, value in part.items():
                if key not in _IDS:
                    part[key] = _masked(value, self.redactor, key)
        return snapshot

    def whole(self, event: Event, snapshot_id: str = "", copies: str = "") -> Event:
        """Likewise, with the files as they are told: masked copies. One that can't be made is left out, and
        named in the data key `attachments_left_out`.

        :param copies: how the paths of copies begin; by default they are there until `close`
        """
        told = self.data(event, snapshot_id)
        if not (self.is_for_all and self.redactor and isinstance(told, Snapshot)):
            return told
        attachments: dict[str, Attachment] = told.__dict__["_attachments"]
        left_out = {}
        for number, (name, attachment) in enumerate(list(attachments.items())):
            if attachment.path in self.captured:
                continue
            try:
                path = f"{copies or self._make_folder()}{number}"
                _copy(attachment, self.redactor.another(), path)
                attachments[name] = Attachment.of_file(path, name, attachment.given)
            except OSError as error:
                del attachments[name]
                left_out[name] = f"secrets in it can't be masked: {error.strerror or error}"
        for part in _parts(told) if left_out else ():
            part["attachments_left_out"] = {**part.get("attachments_left_out", {}), **left_out}
        return told

    def close(self) -> None:
        """Remove what was made."""
        if self._folder:
            self._folder.cleanup()

    def _make_folder(self) -> str:
        from tempfile import TemporaryDirectory

        self._folder = self._folder or TemporaryDirectory(prefix="e3-event-", ignore_cleanup_errors=True)
        return os.path.join(self._folder.name, "")


def _parts(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The data of a snapshot, and what is shown of them where that is something else."""
    state = snapshot.__dict__
    return [state[part] for part in ("_data", "_apart") if state[part] is not None]


def _masked(value: Any, redactor: Redactor, name: str) -> Any:
    """Mask secrets in texts, and texts that are called as a secret is."""
    if isinstance(value, str):
        return MASK if value and re.fullmatch(SECRET_NAME, name) else redactor.text(value)
    if isinstance(value, list):
        return [_masked(member, redactor, name) for member in value]
    if isinstance(value, dict):
        return {key: _masked(member, redactor, key) for key, member in value.items()}
    return value


def _copy(attachment: Attachment, redactor: Redactor, path: str) -> None:
    """Write a masked copy of what is attached.

    :raises OSError: it can't be read, or the copy can't be written
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as copy, attachment.open() as source:
        while data := source.read(_CHUNK):
            copy.write(redactor.feed(data))
        copy.write(redactor.finish())
