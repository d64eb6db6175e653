"""A descriptor of ours that a command's output is passed on to."""

from __future__ import annotations

import os
import stat

from e3_event._logger import logger

_PIECE = 4096  # so much a pipe takes without waiting if it takes anything (PIPE_BUF)


class Target:
    """Takes output without ever waiting for its reader.

    The descriptor may be shared with other processes, so that it can't be made non-blocking: what is behind
    it is opened once more. Where that is not allowed, small pieces are written when it says that it takes
    some.

    :ivar fd: the descriptor to watch
    :ivar waits: whether it may take nothing for a while, so that it can be watched
    :ivar left: what could not be written yet
    :ivar is_gone: whether its reader is gone
    """

    def __init__(self, fd: int) -> None:
        self.left = memoryview(b"")
        self.is_gone = False
        self._shared = fd
        mode = os.fstat(fd).st_mode
        self._is_pipe = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        self.waits = self._is_pipe or os.isatty(fd)
        own = _open_again(fd) if self.waits else None
        self.fd = fd if own is None else own
        self._takes_all = not self.waits or own is not None
        self._is_lost = False

    def give(self, data: bytes) -> None:
        """Write, or keep for `flush` what can't be written now."""
        if self.is_gone or self._is_lost:
            return
        self.left = memoryview(bytes(self.left) + data if self.left else data)
        if self._takes_all:
            self.flush()

    def flush(self) -> None:
        """Write what is left, or a part of it. To be called when the descriptor takes something."""
        try:
            while self.left:
                piece = self.left if self._takes_all else self.left[:_PIECE]
                self.left = self.left[os.write(self.fd, piece) :]
                if not self._takes_all:
                    break
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self.lose_reader()
        except OSError as error:
            self.left = memoryview(b"")
            self._is_lost = True
            logger.warning("the output is only logged from here on, it can't be written: %s", error.strerror)

    def lose_reader(self) -> None:
        """Note that the other side is gone: the reader of a pipe, or a terminal that has hung up."""
        self.left = memoryview(b"")
        self.is_gone, self._is_lost = self._is_pipe, True

    def end(self) -> None:
        """Let the reader see the end, for good: what is still written to the descriptor goes nowhere."""
        self.close()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._shared)
        os.close(null)

    def close(self) -> None:
        """Close what was opened."""
        if self.fd != self._shared:
            os.close(self.fd)
            self.fd = self._shared


def _open_again(fd: int) -> int | None:
    """Open what a descriptor leads to once more, non-blocking; `None`: that can't be done."""
    try:  # not through /proc for a terminal: the other side of a pseudo-terminal would be another one
        path = os.ttyname(fd) if os.isatty(fd) else f"/proc/self/fd/{fd}"
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
