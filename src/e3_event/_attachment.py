"""Named files that belong to an event, and what became of them since they were attached."""

from __future__ import annotations

import os
import time

from ._errors import EventError
from ._files import open_regular, sha1_of
from ._logger import logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import BufferedReader

    from ._event import Event

    #: What tells that a file is untouched: device, inode, size in bytes, mtime in ns.
    Stamp = tuple[int, int, int, int]

#: A file changed less than this (in ns) before it was hashed may change again without a new mtime.
_MTIME_GRAIN = 50_000_000


class Attachment:
    """A named file that belongs to an event. Immutable.

    :ivar name: name of the attachment
    :ivar path: absolute path of the file
    :ivar given: the path as it was given
    :ivar sha1: SHA-1 (hex) of the bytes when they were last looked at
    :ivar trusted: whether this process attached the file itself. One from a dump is only ever opened if its
        bytes have the SHA-1 that the dump says.
    """

    __slots__ = ("_stamp", "given", "name", "path", "sha1", "trusted")

    def __init__(
        self, name: str, given: str, sha1: str, *, stamp: Stamp | None, trusted: bool, path: str = ""
    ) -> None:
        self.name = name
        self.given = given
        self.path = path or os.path.abspath(given)
        self.sha1 = sha1
        self.trusted = trusted
        self._stamp = stamp

    @classmethod
    def of_file(cls, path: str, name: str, given: str = "") -> Attachment:
        """Look at a file and hash it.

        :raises OSError: it is no regular file or can't be read
        """
        path = os.path.abspath(path)
        with open_regular(path) as file:
            started = time.time_ns()
            status = os.fstat(file.fileno())
            settled = started - status.st_mtime_ns > _MTIME_GRAIN
            sha1 = sha1_of(file)
        stamp = stamp_of(status) if settled else None
        return cls(name, given or path, sha1, stamp=stamp, trusted=True, path=path)

    def open(self) -> BufferedReader:
        """Open the file for reading, at its start.

        :raises OSError: it is gone, no regular file, or (from a dump) its bytes are not those dumped
        """
        file = open_regular(self.path)
        if not self.trusted:
            try:
                if sha1_of(file) != self.sha1:
                    raise OSError(f"not what was dumped (its SHA-1 differs): {self.path}")
                file.seek(0)
            except BaseException:
                file.close()
                raise
        return file

    def current(self) -> Attachment:
        """This attachment as its file is now: itself if nothing changed.

        :raises OSError: as `open`
        """
        if self.trusted:
            if self.is_untouched(os.stat(self.path)):
                return self
            return Attachment.of_file(self.path, self.name, self.given)
        self.open().close()
        return self

    def is_untouched(self, status: os.stat_result) -> bool:
        """Is the file with this status the one that was looked at, and as it was?"""
        return self._stamp is not None and stamp_of(status) == self._stamp

    def __repr__(self) -> str:
        return f"Attachment({self.name!r}, {self.given!r})"


def stamp_of(status: os.stat_result) -> Stamp:
    """What tells that a file is untouched."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def look_at(
    attachments: dict[str, Attachment],
) -> tuple[dict[str, Attachment], list[str], dict[str, str]]:
    """Return the attachments that are there, the names of changed ones, and why others are left out."""
    present: dict[str, Attachment] = {}
    changed: list[str] = []
    left_out: dict[str, str] = {}
    for name, attachment in attachments.items():
        try:
            present[name] = now = attachment.current()
        except OSError as error:
            left_out[name] = f"{error.strerror or error}"
            logger.warning("attachment %r (%r) is left out: %s", name, attachment.given, left_out[name])
            continue
        if now.sha1 != attachment.sha1:
            changed.append(name)
    return present, changed, left_out


def attach_files(event: Event, paths: Mapping[str, str], left_out: Mapping[str, str] | None = None) -> None:
    """Attach files that may be there by now; those that are not are named in `attachments_left_out`.

    :param paths: by name
    :param left_out: why others can't be had, by name
    """
    missing = dict(left_out or {})
    for name, path in paths.items():
        try:
            event.attach_file(path, name)
        except EventError as error:
            missing[name] = getattr(error.__cause__, "strerror", None) or "not a regular file"
    if missing:
        event.attachments_left_out = missing
    for name, reason in missing.items():
        logger.warning("attachment %r is left out: %s", name, reason)
