"""Signals while a command runs: they are for the command, and we outlive it to tell."""

from __future__ import annotations

import os
import signal
import threading

from ._witness import Witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Self

#: Those that are meant to end a process.
ENDING = frozenset((signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM))
#: Those that tell a process to stop, when somebody presses a key or when it reads a terminal of others.
STOPPING = frozenset((signal.SIGTSTP, signal.SIGTTIN))
#: Those that are never the command's: they can't be caught, tell of a fault of our own, or that we wrote to a
#: terminal of others.
_OWN = frozenset(
    (
        *(signal.SIGKILL, signal.SIGSTOP, signal.SIGTTOU, signal.SIGPIPE),
        *(signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV),
        *(signal.SIGSYS, signal.SIGXCPU, signal.SIGXFSZ),
    )
)


class Signals:
    """While it is open, signals that would end this process are collected, to be passed on to the command.

    Signals that were ignored before (`nohup`) stay so, for the command too; but for SIGCHLD, as the kernel
    then forgets how the command ended. Outside of the main thread it does nothing.

    :param all_of_them: collect every other signal that can be for the command as well, and SIGCHLD, which is
        not what it was before afterwards
    :param reads_terminal: but not SIGTTIN, as this process will read a terminal: it has to stop it at once
    :ivar fd: is readable when some came; -1 outside of the main thread
    :ivar ending: how many came that are meant to end a process
    """

    def __init__(self, *, all_of_them: bool = False, reads_terminal: bool = False) -> None:
        self.fd = self._writing = self._waking = -1
        self.ending = 0
        own = _OWN | {signal.SIGTTIN} if reads_terminal else _OWN
        self._all_of_them = all_of_them
        self._wanted = signal.valid_signals() - own if all_of_them else ENDING
        self._before: dict[int, object] = {}
        self._left: list[int] = []
        self._witness: Witness | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self.fd, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            # Python calls its handlers later, perhaps when what we wait for has come. This wakes us at once.
            self._waking = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
            try:
                self._witness = Witness()
            except OSError:  # no descriptors are left
                self.__exit__()
                raise
            self._catch()
        return self

    def _catch(self) -> None:
        for number in self._wanted - {signal.SIGCHLD}:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._count)
        if signal.SIGCHLD in self._wanted:
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._count)
        elif signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def __exit__(self, *_: object) -> None:
        if self._all_of_them:  # where another thread is about to take one, Python would complain of a race
            self._before.pop(signal.SIGCHLD, None)
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal.signal gave
        if self.fd >= 0:
            signal.set_wakeup_fd(self._waking)
            os.close(self.fd)
            os.close(self._writing)
        if self._witness:
            self._witness.close()

    def take(self) -> list[int]:
        """Return those that came since the last time, in order."""
        if self.fd < 0:
            return []
        came, self._left = self._left, []
        try:
            came += [number for number in os.read(self.fd, 1 << 16) if number in self._before]
        except BlockingIOError:  # none came
            pass
        return came

    def forget(self, number: int) -> None:
        """Don't return those of this number that came until now."""
        self._left = [other for other in self.take() if other != number]

    def came_to_group(self, number: int) -> bool:
        """Did this one, which was taken, come to all of our process group?"""
        return self._witness is not None and self._witness.had(number)

    @property
    def witness(self) -> int:
        """The number of the process that knows it; 0: there is none."""
        return self._witness.pid if self._witness else 0

    def stop(self, number: int, *, group: bool) -> None:
        """Stop by this signal, this process or all of its group, until somebody continues it."""
        catches = number != signal.SIGSTOP
        before = signal.signal(number, signal.SIG_DFL) if catches else None
        os.kill(0 if group else os.getpid(), number)
        if catches:
            signal.signal(number, before)

    def _count(self, number: int, _frame: FrameType | None) -> None:
        self.ending += number in ENDING


def is_in_foreground() -> bool:
    """Is this process in the foreground of its terminal?"""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:  # no terminal
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # it has hung up
        return False
    finally:
        os.close(fd)
