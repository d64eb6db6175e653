"""What is typed at our terminal, or comes from our stdin, on its way to the command's terminal."""

from __future__ import annotations

import os
import termios

from ._poll import READABLE, WRITABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._poll import Poll

_CHUNK = 4096
_LOCAL, _KEYS = 3, 6  # flags and characters in what tcgetattr returns
_NO_KEY = b"\0"


class Input:
    """Reads our stdin while it is wanted, and as fast as the command's terminal takes it.

    :param terminal: the side of the command's terminal where keys are pressed, non-blocking
    :ivar has_interrupted: whether a key was pressed that interrupts the command
    """

    def __init__(self, poll: Poll, terminal: int) -> None:
        self.has_interrupted = False
        self._poll = poll
        self._terminal = terminal
        self._left = b""
        self._is_wanted = False
        self._has_ended = False
        self._is_always_ready = False  # a file
        self._ends_a_line = True

    def go_on(self) -> None:
        """Read from now on."""
        self._is_wanted = True
        self._settle()

    def pause(self) -> None:
        """Leave our stdin to others."""
        self._is_wanted = False
        self._settle()

    def _settle(self) -> None:
        """Wait for what has to come next: input, or the terminal that takes it."""
        reads = self._is_wanted and not self._has_ended and not self._left
        if reads and not self._is_always_ready:
            try:
                self._poll.watch(0, READABLE, self._read)
            except PermissionError:
                self._is_always_ready = True
            except OSError:  # it is closed
                reads, self._has_ended = False, True
        else:
            self._poll.forget(0)
        if self._left or (reads and self._is_always_ready):
            self._poll.watch(self._terminal, WRITABLE, self._heed)
        else:
            self._poll.forget(self._terminal)

    def _read(self, _is_gone: bool) -> None:
        try:
            data = os.read(0, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # our terminal has hung up
            data = b""
        self._has_ended = not data
        self._left = self._as_typed(data)
        self._write()
        self._settle()

    def _as_typed(self, data: bytes) -> bytes:
        """Return the keys for this input. The end of a file is a key, too: once at the end of a line."""
        try:
            mode = termios.tcgetattr(self._terminal)
        except termios.error:  # it has hung up
            return b""
        keys = mode[_KEYS]
        if not data:
            return b"" if os.isatty(0) else keys[termios.VEOF] * (1 if self._ends_a_line else 2)
        if mode[_LOCAL] & termios.ISIG:
            ending = {keys[termios.VINTR], keys[termios.VQUIT]} - {_NO_KEY}
            self.has_interrupted = self.has_interrupted or any(key in data for key in ending)
        self._ends_a_line = data.endswith(b"\n")
        return data

    def _heed(self, is_gone: bool) -> None:
        """See to the terminal: it takes something, or is gone."""
        if is_gone:
            self._left, self._has_ended = b"", True
        elif self._left:
            self._write()
        else:
            self._read(False)
        self._settle()

    def _write(self) -> None:
        try:
            self._left = self._left[os.write(self._terminal, self._left) :]
        except BlockingIOError:
            pass
        except OSError:  # the command's terminal has hung up
            self._left = b""
