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
_OUTPUT = 1  # flags in what tcgetattr returns


class Terminal:
    """The terminal that is our stdin, else the one that controls us if our stdout is one.

    While it is held, it is raw, so that all keys go to the command.

    :ivar fd: a descriptor of it; -1: there is none
    """

    def __init__(self) -> None:
        self.fd = 0 if os.isatty(0) else -1
        self._before: list[Any] | None = None
        if self.fd < 0 and os.isatty(1):
            try:
                self.fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError:  # it controls others
                pass

    @property
    def is_stdin(self) -> bool:
        """Is it what the command would read without us?"""
        return self.fd == 0

    def may_be_held(self) -> bool:
        """Are we in its foreground? Where there is none, there is nothing to wait for."""
        if self.fd < 0:
            return True
        try:
            return os.tcgetpgrp(self.fd) == os.getpgrp()
        except OSError:  # it controls others
            return True

    def hold(self) -> None:
        """Make it raw."""
        if self.fd < 0 or self._before is not None:
            return
        try:
            self._before = termios.tcgetattr(self.fd)
            tty.setraw(self.fd, termios.TCSANOW)
            if not os.isatty(1):  # others in the pipeline write to it
                mode = termios.tcgetattr(self.fd)
                mode[_OUTPUT] |= termios.OPOST
                termios.tcsetattr(self.fd, termios.TCSANOW, mode)
        except termios.error:  # it has hung up
            self._before = None

    def give_back(self) -> None:
        """Make it what it was."""
        before, self._before = self._before, None
        if before is not None and self.may_be_held():  # else a shell has it
            try:
                termios.tcsetattr(self.fd, termios.TCSANOW, before)
            except termios.error:  # it has hung up
                pass

    def furnish(self, fd: int) -> None:
        """Give another terminal its mode and its size."""
        if self.fd >= 0:
            termios.tcsetattr(fd, termios.TCSANOW, termios.tcgetattr(self.fd))
        self.resize(fd)

    def resize(self, fd: int) -> None:
        """Give another terminal its size."""
        size = _DEFAULT_SIZE
        for ours in (self.fd, 1, 2):
            try:
                size = fcntl.ioctl(ours, termios.TIOCGWINSZ, bytes(len(size)))
                break
            except (OSError, ValueError):  # that is none
                pass
        fcntl.ioctl(fd, termios.TIOCSWINSZ, size)

    def close(self) -> None:
        """Give it back, and close what was opened."""
        self.give_back()
        if self.fd > 0:
            os.close(self.fd)
