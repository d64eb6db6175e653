"""A command as a process of ours: started, told signals, and looked after until it has ended."""

from __future__ import annotations

import os
import resource
import signal
from typing import NamedTuple

from ._signals import STOPPING, is_in_foreground

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._signals import Signals

#: What is reported of a process that has not ended -> how that is asked for.
_CHANGES = {os.CLD_STOPPED: os.WSTOPPED, os.CLD_CONTINUED: os.WCONTINUED}
_ANYTHING = os.WEXITED | os.WSTOPPED | os.WCONTINUED
#: KiB by which the kernel may err about the memory of a process, as it counts for each processor.
_INEXACT = 1 << 10
#: What Python ignores for itself; a command gets them as everybody does.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)


class Usage(NamedTuple):
    """What a command has used, with those of its children that it has waited for.

    :ivar user: seconds of CPU time of its own
    :ivar system: seconds of CPU time in the kernel
    :ivar peak_memory: bytes that the largest of these processes had in memory at once. `None`: less than this
        process had, which the kernel counts in, as it begins as a copy of it
    """

    user: float
    system: float
    peak_memory: int | None

    def plus(self, other: Usage | None) -> Usage:
        """What this and another command have used, which ran after it."""
        if other is None:
            return self
        peaks = [peak for peak in (self.peak_memory, other.peak_memory) if peak is not None]
        return Usage(self.user + other.user, self.system + other.system, max(peaks, default=None))


class Exit(NamedTuple):
    """How a process has ended: with an exit code or by a signal. `None` for both: nobody knows."""

    code: int | None = None
    signal: int | None = None
    usage: Usage | None = None


class Child:
    """A command, started as a process of ours, in our process group.

    :param given: descriptors of ours, and their numbers there; besides, it inherits what we let it
    :param stand_in: whether this process is there for the command alone: it looks after all processes that
        are left to it, and stops when the command is stopped
    :ivar exit: how it has ended, once it has
    :ivar stopped: the signal that has stopped it; 0: it runs
    :ivar helpers: processes that stand between us and the command
    :ivar fd: is readable when it has ended; -1: that can't be had
    :raises OSError: it can't be started
    """

    exit: Exit | None = None
    stopped = 0
    is_interrupted = False
    helpers: tuple[int, ...] = ()

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        given: Sequence[tuple[int, int]] = (),
        *,
        stand_in: bool = False,
    ) -> None:
        self._stands_in = stand_in
        self._before = peak_memory_of(os.getpid())
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for fd, number in given]
        self.pid = os.posix_spawnp(
            command[0], list(command), environment, file_actions=actions, setsigdef=_RESTORED
        )
        try:
            self.fd = os.pidfd_open(self.pid)
        except OSError:  # Linux before 5.3
            self.fd = -1

    def look(self) -> None:
        """Take note of what has become of it."""
        which = (os.P_ALL, 0) if self._stands_in else (os.P_PID, self.pid)
        while self.exit is None:
            try:
                found = os.waitid(*which, _ANYTHING | os.WNOHANG | os.WNOWAIT)
                if found is None:
                    break
                self._note(found)
            except ChildProcessError:  # others in this program wait for all children
                self.exit = Exit()

    def _note(self, found: os.waitid_result) -> None:
        """Take note of what one of our children has become, and have it reported no more."""
        change = _CHANGES.get(found.si_code, os.WEXITED)
        if found.si_pid == self.pid and change == os.WEXITED:
            self.exit = self._reap()
            return
        os.waitid(os.P_PID, found.si_pid, change | os.WNOHANG)
        if found.si_pid == self.pid:
            self.stopped = found.si_status if change == os.WSTOPPED else 0

    def wait(self) -> None:
        """Wait for its end."""
        while self.exit is None:
            try:
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:  # as above
                pass
            self.look()

    def tell(self, number: int, *, was_for_group: bool = False) -> None:
        """Pass on a signal that this process got; one for our process group it has as well."""
        if self.exit is None and not was_for_group:
            try:
                os.kill(self.pid, number)
            except OSError:  # it has become another user's
                pass

    def follow(self, signals: Signals, *, was_told: bool) -> bool:
        """Stop as well, now that it is stopped, so that a shell sees it. Return whether that was done.

        :param was_told: whether this process was told to stop, too. If not, somebody may have stopped the
            command alone, and will continue it alone
        """
        was_told = was_told and self.stopped in STOPPING
        if not (self._stands_in and (was_told or is_in_foreground())):
            return False
        signals.stop(self.stopped, group=False)
        self.stopped = 0
        return True

    def let_go(self) -> None:
        """Nothing of it is left when it has ended."""

    def close(self) -> None:
        """Close what was opened."""
        if self.fd >= 0:
            os.close(self.fd)

    def _reap(self) -> Exit:
        _, status, used = os.wait4(self.pid, 0)
        return exit_of(status, used.ru_utime, used.ru_stime, used.ru_maxrss, self._before)


def peak_memory_of(pid: int) -> int:
    """The most that a process has had in memory as the program that it is now, in KiB (proc(5)).

    It is counted in for a program that it starts.
    """
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            return int(file.read().partition(b"\nVmHWM:")[2].split(maxsplit=1)[0])
    except (OSError, IndexError, ValueError):  # it is not Linux, or over
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def exit_of(status: int, user: float, system: float, peak: int, before: int) -> Exit:
    """What `wait4` says of a process.

    :param peak: its peak memory in KiB
    :param before: the same of its parent, when it was started
    """
    usage = Usage(round(user, 6), round(system, 6), peak << 10 if peak > before + _INEXACT else None)
    code = os.waitstatus_to_exitcode(status)
    return Exit(None, -code, usage) if code < 0 else Exit(code, None, usage)
