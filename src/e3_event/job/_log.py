"""What a command prints, in a temporary file on disk."""

from __future__ import annotations

import os


class Log:
    """A temporary file, readable by its owner only, that grows with the output. Never raises.

    :param path: where it is to be; by default in `TMPDIR`, else in `/var/tmp`, as `/tmp` is in memory on many
        machines
    :ivar path: where it is; empty if it could not be made
    :ivar error: why it could not be made, or why it ends before the output does
    """

    def __init__(self, path: str = "") -> None:
        self.path = self.error = ""
        self._fd: int | None = None
        folder = os.path.dirname(path) or os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108
        path = path or os.path.join(folder, f"e3-event-{os.urandom(8).hex()}.log")  # which can't be guessed
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self.path = os.path.abspath(path)
        except OSError as error:
            self.error = f"{error.strerror}: {folder}"

    def write(self, data: bytes) -> None:
        """Append; after an error (the disk is full) nothing more."""
        if self._fd is None:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self.error = error.strerror or "can't be written"
            self.close()

    def close(self) -> None:
        """End writing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def remove(self) -> None:
        """Delete the file."""
        self.close()
        try:
            os.unlink(self.path)
        except OSError:  # never made, or gone already
            pass
