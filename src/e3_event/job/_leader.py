"""Leads the session of a command that has a terminal of its own: starts it there, and tells of it.

`_pty` runs this file as a program. The keys of a terminal stop only processes whose parent is in the same
session, as that of a shell's commands is; so somebody has to be there.

Arguments: descriptors to read orders from, to report to, and of the terminal; `fg` or `bg`; the command.

Orders: `signal NUMBER group|alone`, and `go fg|bg`: continue it, in the foreground or not. Where they end, all
is over. Reports: `failed ERRNO` or `started`, `stopped NUMBER`, and `ended STATUS USER SYSTEM PEAK BEFORE`:
what wait4 says, and our own peak memory when we started it.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import sys
import termios

#: What Python ignores for itself.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)


class Leader:
    """Leads the session, with the command as its only child."""

    def __init__(self, orders: int, reports: int, terminal: int) -> None:
        self._orders = orders
        self._reports = reports
        self._terminal = terminal
        self._is_over = False
        for fd in (orders, reports, terminal):
            os.set_inheritable(fd, False)
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        self._woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waking)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def lead(self, command: list[bytes], *, foreground: bool) -> None:
        """Start the command, and stay until our parent wants no more of it."""
        self._before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reading, writing = os.pipe2(os.O_CLOEXEC)
        self._pid = self._group = os.fork()
        if not self._pid:
            self._become(command, writing, foreground=foreground)
        os.close(writing)
        failure = os.read(reading, 16)  # ends when it was replaced by the command
        self._report(b"failed " + failure if failure else b"started")
        left = b""
        while not failure:
            select.select([self._orders, self._woken], [], [])
            self._look()
            ...
