"""A process beside us, by which we know whether a signal was sent to us alone or to our process group."""

from __future__ import annotations

import os
import signal
import sys
import time

#: Seconds that may lie between the signals that somebody sends to one process of a group after the other.
_PATIENCE = 0.02
#: Where they wait, a later one of one kind takes an earlier one of the other away.
_STOPS, _CONTINUES = 1 << signal.SIGTSTP - 1 | 1 << signal.SIGTTIN - 1, 1 << signal.SIGCONT - 1
#: Waits for the end of its input. Where there is no `cat`, there is still Python.
_PROGRAMS = (("cat",), (sys.executable, "-ISc", "import sys; sys.stdin.buffer.read()"))


class Witness:
    """Says whether a signal that we got came to others of our process group as well.

    Nothing tells by the signal itself. So a small process in our group blocks all signals; those that wait
    there were for the group. As they wait for ever, another one takes its place when it has told of one. It
    ends with us.

    :ivar pid: its number; 0: it could not be started
    """

    def __init__(self) -> None:
        self._had = 0  # those that came to earlier ones, a bit for each
        self._reading, self._writing = os.pipe()
        try:
            self._null = os.open(os.devnull, os.O_WRONLY)
        except OSError:
            os.close(self._reading)
            os.close(self._writing)
            raise
        self.pid = self._start()

    def had(self, number: int) -> bool:
        """Did it get this signal, which we got, too? Of each one that it got this is told once."""
        bit = 1 << number - 1
        deadline = time.monotonic() + _PATIENCE
        while not (self._had | (waiting := _pending(self.pid))) & bit:
            if (bit & _STOPS and waiting & _CONTINUES) or (bit & _CONTINUES and waiting & _STOPS):
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.001)
        if not self._had & bit:
            self._change()
        self._had &= ~bit
        return True

    def close(self) -> None:
        """End it."""
        _end(self.pid)
        for fd in (self._reading, self._writing, self._null):
            os.close(fd)

    def _change(self) -> None:
        """Let another one take its place, so that each signal that comes meanwhile is told once."""
        old, waiting = self.pid, _pending(self.pid)
        self.pid = self._start()
        meanwhile = _pending(old) & ~waiting
        self._had |= waiting | (meanwhile & ~_pending(self.pid))
        _end(old)

    def _start(self) -> int:
        given = ((self._reading, 0), (self._null, 1), (self._null, 2))
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for fd, number in given]
        for program in _PROGRAMS:
            try:
                return os.posix_spawnp(
                    program[0],
                    program,
                    os.environ,
                    file_actions=actions,
                    setsigmask=signal.valid_signals(),
                )
            except OSError:  # not there, or no further process is allowed
                pass
        return 0


def _pending(pid: int) -> int:
    """The signals that wait in a process, a bit for each (proc(5))."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            status = file.read()
    except OSError:  # there is none
        return 0
    return int(status.partition(b"\nShdPnd:\t")[2][:16] or b"0", 16)


def _end(pid: int) -> None:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except ChildProcessError:  # it was killed, and waited for already: the number may be another one's by now
        pass
