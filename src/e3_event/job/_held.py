"""Output that is kept back until it is known whether anybody wants to see it."""

from __future__ import annotations

import os
import select
import struct

from e3_event._logger import logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._target import Target

#: Before each piece: which target it is for, and its length.
_HEAD = struct.Struct("=BI")
_LOOK_UP = 200  # milliseconds


class HeldTarget:
    """Stands in for a target, and keeps what it is given as long as that can be done."""

    waits = False

    def __init__(self, held: Held, number: int, target: Target) -> None:
        self._held = held
        self._number = number
        self._target = target
        self.fd = target.fd
        self.flush = target.flush
        self.lose_reader = target.lose_reader

    @property
    def left(self) -> memoryview:
        """What the target could not write yet."""
        return self._target.left

    @property
    def is_gone(self) -> bool:
        """Is the target's reader gone?"""
        return self._target.is_gone

    def give(self, data: bytes) -> None:
        """Keep it, else pass it on."""
        if not self._held.keep(self._number, data):
            self._target.give(data)

    def end(self) -> None:
        """The reader sees the end when it has seen what is kept, if that is to be."""


class Held:
    """Keeps what is for several targets in a file without a name, in the order in which it came.

    If it can't be kept (the disk is full), all of it is passed on at once, and what comes later as it comes.

    :param targets: what it is for
    """

    def __init__(self, *targets: Target) -> None:
        self._targets = targets
        self._file: int | None = None
        try:
            self._file = _nameless()
        except OSError as error:
            self._tell(error)

    def outputs(self) -> list[HeldTarget]:
        """A stand-in for each target, that keeps what it is given."""
        return [HeldTarget(self, number, target) for number, target in enumerate(self._targets)]

    def keep(self, number: int, data: bytes) -> bool:
        """Keep this for the target of this number; False: it can't be kept, and nothing is kept any more."""
        if self._file is None:
            return False
        piece = memoryview(_HEAD.pack(number, len(data)) + data)
        end = os.lseek(self._file, 0, os.SEEK_CUR)
        try:
            while piece:
                piece = piece[os.write(self._file, piece) :]
        except OSError as error:
            os.ftruncate(self._file, end)
            self._tell(error)
            self.release(lambda: False)
            return False
        return True

    def release(self, is_over: Callable[[], bool]) -> None:
        """Pass all of it on; wait for slow readers until *is_over*."""
        for number, data in self._pieces():
            target = self._targets[number]
            target.give(data)
            while target.left and not is_over():
                ready = select.poll()
                ready.register(target.fd, select.POLLOUT)
                if ready.poll(_LOOK_UP):
                    target.flush()
        self.close()

    def close(self) -> None:
        """Forget what is kept."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _pieces(self) -> Iterator[tuple[int, bytes]]:
        if self._file is None:
            return
        with open(os.dup(self._file), "rb") as file:
            file.seek(0)
            while head := file.read(_HEAD.size):
                number, length = _HEAD.unpack(head)
                yield number, file.read(length)

    @staticmethod
    def _tell(error: OSError) -> None:
        logger.warning("the output can't be kept back, it is shown as it comes: %s", error.strerror)


def _nameless() -> int:
    """Open a new file that has no name: in `TMPDIR`, else in `/var/tmp`, as `/tmp` is in memory on many
    machines.
    """
    folder = os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108  it has no name
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # not every file system can
        path = os.path.join(folder, f"e3-event-{os.urandom(8).hex()}.held")
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.unlink(path)
        return file
