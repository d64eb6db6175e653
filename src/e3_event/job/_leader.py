"""Leads the session of a command that has a terminal of its own: starts it there, and tells of it.

`_pty` runs this file as a program. The keys of a terminal stop only processes whose parent is in the same
session, as a shell is; so somebody has to be there.

Arguments: descriptors to read orders from, to report to, and of the terminal; which standard streams of the
command it becomes, as in `012`; whether the command begins in the foreground, `fg` or `bg`; the command.

Orders: `signal NUMBER group|alone`, and `go fg|bg`: continue it, in the foreground or not. When they end, all
is over. Reports: `failed ERRNO` or `started`, `stopped NUMBER` (0: it was continued), and `ended STATUS USER
SYSTEM PEAK`: what wait4 says.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

#: What Python ignores for itself; a command gets them as everybody does.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)


class Leader:
    """Leads the session on a terminal, with the command as its only child."""

    def __init__(self, orders: int, reports: int, terminal: int) -> None:
        self._orders = orders
        self._reports = reports
        self._terminal = terminal
        self._left = b""
        for fd in (orders, reports, terminal):
            os.set_inheritable(fd, False)
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        self._woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waking)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # With it blocked we may say who is in the foreground when we are not.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})

    def start(self, command: list[bytes], streams: list[int], *, foreground: bool) -> bool:
        """Start the command, as a process group of its own; False: that failed."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        self._pid = self._group = os.fork()
        if not self._pid:
            self._become(command, streams, writing, foreground=foreground)
        os.close(writing)
        failure = os.read(reading, 16)  # ends when the command is there
        self._report(b"failed " + failure if failure else b"started")
        return not failure

    def lead(self) -> None:
        """Look after it until there are no more orders."""
        while True:
            ready, _, _ = select.select([self._orders, self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 1 << 16)
                self._look()
            if self._orders in ready:
                data = os.read(self._orders, 1 << 16)
                if not data:
                    return
                *orders, self._left = (self._left + data).split(b"\n")
                for order in orders:
                    self._obey(*order.split())

    def _become(
        self, command: list[bytes], streams: list[int], failure: int, *, foreground: bool
    ) -> NoReturn:
        """Turn this forked process into the command."""
        try:
            os.setpgid(0, 0)
            if foreground:
                os.tcsetpgrp(self._terminal, os.getpid())
            for fd in streams:
                os.dup2(self._terminal, fd)
            for number in _RESTORED:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            os.execvpe(command[0], command, _environment())  # noqa: S606  that is the purpose
        except OSError as error:
            os.write(failure, b"%d" % (error.errno or 0))
        finally:
            os._exit(127)

    def _look(self) -> None:
        """Report what has become of it."""
        while self._pid:
            pid, status, used = os.wait4(self._pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if not pid:
                break
            if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
                self._report(b"stopped %d" % (0 if os.WIFCONTINUED(status) else os.WSTOPSIG(status)))
            else:
                self._pid = 0
                times = b"%f %f" % (used.ru_utime, used.ru_stime)
                self._report(b"ended %d %b %d" % (status, times, used.ru_maxrss))

    def _obey(self, order: bytes, *words: bytes) -> None:
        if not self._pid:  # it has ended
            return
        try:
            if order == b"signal":
                kill = os.killpg if words[1] == b"group" else os.kill
                kill(self._pid, int(words[0]))
            else:
                self._put(foreground=words[0] == b"fg")
                os.killpg(self._pid, signal.SIGCONT)
        except OSError:  # another user's, or the terminal has hung up
            pass

    def _put(self, *, foreground: bool) -> None:
        """Put into the foreground who was there last, or ourselves."""
        ours = os.getpgrp()
        now = os.tcgetpgrp(self._terminal)
        if foreground and now == ours:
            os.tcsetpgrp(self._terminal, self._group)
        elif not foreground and now != ours:
            self._group = now
            os.tcsetpgrp(self._terminal, ours)

    def _report(self, line: bytes) -> None:
        os.write(self._reports, line + b"\n")


def _environment() -> dict[bytes, bytes]:
    """What we were given: Python may have changed `LC_CTYPE` (PEP 538)."""
    with open("/proc/self/environ", "rb") as file:
        return dict(item.split(b"=", 1) for item in file.read().split(b"\0") if b"=" in item)


def main(orders: str, reports: str, terminal: str, streams: str, ground: str, *command: str) -> None:
    """Lead a session."""
    leader = Leader(int(orders), int(reports), int(terminal))
    words = [os.fsencode(word) for word in command]
    if leader.start(words, [int(stream) for stream in streams], foreground=ground == "fg"):
        leader.lead()


if __name__ == "__main__":
    main(*sys.argv[1:])
