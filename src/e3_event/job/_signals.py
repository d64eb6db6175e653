"""Signals while a command runs: they end the command, and we outlive it to tell."""

from __future__ import annotations

import os
import signal
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from types import FrameType
    from typing import Self

_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
#: Those that a terminal sends to every process in its foreground, the command included.
_FROM_KEYS = (signal.SIGINT, signal.SIGQUIT)


class Signals:
    r"""While it is open, signals that would end this process go to the command instead.

    Ctrl-C and Ctrl-\ at a terminal reach the command by themselves and are not sent twice. Signals that were
    ignored before (`nohup`) stay so, for the command too; but for SIGCHLD, as the kernel then forgets how the
    command ended. Outside of the main thread it does nothing.

    :ivar received: the numbers of the signals that came, in order
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._take)
            if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
                self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal.signal gave

    def go_to(self, process: subprocess.Popen[bytes]) -> None:
        """Pass on to *process*, also what came while it was being started."""
        self._process = process
        for number in self.received:
            process.send_signal(number)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(number)
        if self._process is not None and not (number in _FROM_KEYS and _in_foreground()):
            self._process.send_signal(number)


def _in_foreground() -> bool:
    """Is this process in the foreground of a terminal, so that its keys signal the command as well?"""
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
