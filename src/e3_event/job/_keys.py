"""The keys that are pressed at our terminal, on their way to the command's."""

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


class Keys:
    """Passes them on while that is wanted, and as fast as the command's terminal takes them.

    :param ours: a descriptor of our terminal; -1: there is none
    :param theirs: one of our side of the command's, non-blocking
    :ivar have_interrupted: whether one was pressed that interrupts the command
    """

    def __init__(self, poll: Poll, ours: int, theirs: int) -> None:
        self.have_interrupted = False
        self._poll = poll
        self._ours = ours
        self._theirs = theirs
        self._left = b""
        self._are_wanted = False

    def go_on(self) -> None:
        """Pass them on from now on."""
        self._are_wanted = self._ours >= 0
        self._settle()

    def pause(self) -> None:
        """Leave them to others."""
        self._are_wanted = False
        self._settle()

    def _settle(self) -> None:
        """Wait for what has to come next: a key, or that the command's terminal takes it."""
        if self._left:
            self._poll.forget(self._ours)
            self._poll.watch(self._theirs, WRITABLE, self._write)
            return
        self._poll.forget(self._theirs)
        if self._are_wanted:
            self._poll.watch(self._ours, READABLE, self._read)
        else:
            self._poll.forget(self._ours)

    def _read(self, _is_gone: bool) -> None:
        try:
            self._left = os.read(self._ours, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # our terminal has hung up
            self._left = b""
        if not self._left:
            self.pause()
            return
        self._note_interrupts()
        self._write(False)

    def _note_interrupts(self) -> None:
        try:
            mode = termios.tcgetattr(self._theirs)
        except termios.error:  # it has hung up
            return
        keys = {mode[_KEYS][key] for key in (termios.VINTR, termios.VQUIT)} - {_NO_KEY}
        if mode[_LOCAL] & termios.ISIG and any(key in self._left for key in keys):
            self.have_interrupted = True

    def _write(self, is_gone: bool) -> None:
        try:
            self._left = b"" if is_gone else self._left[os.write(self._theirs, self._left) :]
        except BlockingIOError:
            pass
        except OSError:  # the command's terminal has hung up
            self._left = b""
        self._settle()
