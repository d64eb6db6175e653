"""The terminal that we were started at, while the command has one of its own."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import tty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Rows, columns, and the same in pixels: ioctl_tty(2).
_DEFAULT_SIZE = struct.pack("HHHH", 24, 80, 0, 0)
_OUTPUT, _LOCAL = 1, 3  # flags in what tcgetattr returns


class Terminal:
    """Our stdin, if it is a terminal. While it is held, it is raw, so that all keys go to the command.

    :ivar is_there: whether it is a terminal
    """

    def __init__(self) -> None:
        self.is_there = os.isatty(0)
        self._before: list[Any] | None = None

    def may_be_held(self) -> bool:
        """Are we in its foreground? Where there is none, there is nothing to wait for."""
        if not self.is_there:
            return True
        try:
            return os.tcgetpgrp(0) == os.getpgrp()
        except OSError:  # it controls others
            return True

    def hold(self) -> None:
        """Make it raw."""
        if not self.is_there or self._before is not None:
            return
        try:
            self._before = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSANOW)
            if not os.isatty(1):  # somebody else writes to it
                mode = termios.tcgetattr(0)
                mode[_OUTPUT] |= termios.OPOST
                termios.tcsetattr(0, termios.TCSANOW, mode)
        except termios.error:  # it has hung up
            self._before = None

    def give_back(self) -> None:
        """Make it what it was."""
        before, self._before = self._before, None
        if before is not None and self.may_be_held():  # else it is in a shell's hands
            try:
                termios.tcsetattr(0, termios.TCSANOW, before)
            except termios.error:  # it has hung up
                pass

    def furnish(self, fd: int) -> None:
        """Give another terminal the mode of this one, and its size."""
        if self.is_there:
            mode = termios.tcgetattr(0)
        else:
            mode = termios.tcgetattr(fd)
            mode[_LOCAL] &= ~termios.ECHO  # what comes from a file is not to be shown
        termios.tcsetattr(fd, termios.TCSANOW, mode)
        self.resize(fd)

    def resize(self, fd: int) -> None:
        """Give another terminal the size of ours."""
        size = _DEFAULT_SIZE
        for ours in (0, 1, 2):
            try:
                size = fcntl.ioctl(ours, termios.TIOCGWINSZ, bytes(len(size)))
                break
            except OSError:  # no terminal
                pass
        fcntl.ioctl(fd, termios.TIOCSWINSZ, size)
