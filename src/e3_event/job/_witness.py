"""A process beside us, by which we know whether a signal was sent to us alone or to our process group."""

from __future__ import annotations

import os
import signal
import sys
import time

#: Seconds that may lie between the signals that somebody sends to each process of a group or a container.
_PATIENCE = 0.02
#: Waits for the end of its input. Where there is no `cat`, there is still Python.
_PROGRAMS = (("cat",), (sys.executable, "-ISc", "import sys; sys.stdin.buffer.read()"))


class Witness:
    """Says whether the signal that we got came to others of our process group as well.

    Nothing tells by the signal itself. So a small process in our group blocks all signals; one that is
    pending there was for the group. It ends with us.

    :ivar pid: its number; 0: it could not be started
    """

    def __init__(self) -> None:
        self._had = 0
        self.pid = 0
        self._reading, self._writing = os.pipe()
        self._start()

    def had(self, number: int) -> bool:
        """Did it get this signal, which we got, too? Each time it did is told once."""
        bit = 1 << number - 1
        deadline = time.monotonic() + _PATIENCE
        while not (had := self._had | self._pending()) & bit:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.001)
        self._had = had & ~bit  # others came as well, and will be asked for
        self._end()
        self._start()
        return True

    def close(self) -> None:
        """End it."""
        self._end()
        os.close(self._reading)
        os.close(self._writing)

    def _start(self) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        actions = [(os.POSIX_SPAWN_DUP2, self._reading, 0)]
        actions += [(os.POSIX_SPAWN_DUP2, null, number) for number in (1, 2)]
        for program in _PROGRAMS:
            try:
                self.pid = os.posix_spawnp(
                    program[0],
                    program,
                    os.environ,
                    file_actions=actions,
                    setsigmask=signal.valid_signals(),
                )
                break
            except OSError:  # not there, or no further process is allowed
                self.pid = 0
        os.close(null)

    def _end(self) -> None:
        if not self.pid:
            return
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except ChildProcessError:  # it was killed, and waited for already: the number may be another one's
            pass
        self.pid = 0

    def _pending(self) -> int:
        """The signals that wait in it, a bit for each."""
        if not self.pid:
            return 0
        try:
            with open(f"/proc/{self.pid}/status", "rb") as file:
                status = file.read()
        except OSError:  # it was killed
            return 0
        return int(status.partition(b"\nShdPnd:\t")[2][:16] or b"0", 16)
