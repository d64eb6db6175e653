"""Limits of time for what may hang: foreign code in this thread, and the end of this process."""

from __future__ import annotations

import os
import signal
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


class TooLongError(BaseException):
    """It went on in spite of every `TimeoutError`."""


class Limit:
    """What takes longer inside gets a `TimeoutError`, also where it waits for the system.

    If it goes on, it gets another one each time as many seconds have passed, and at last `TooLongError`.
    To be used in the main thread, as it is done by SIGALRM. A timer of that signal goes on behind it.

    :param seconds: how long it may take
    :param text: of the error
    :param times: how many `TimeoutError` there are
    """

    def __init__(self, seconds: float, text: str, times: int = 1) -> None:
        self._seconds = seconds
        self._text = f"{text} within {seconds:g} s"
        self._left = times

    def __enter__(self) -> None:
        self._started = time.monotonic()
        self._before = signal.signal(signal.SIGALRM, self._end)
        self._timer = signal.setitimer(signal.ITIMER_REAL, self._seconds, self._seconds)
        self._blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)
        signal.signal(signal.SIGALRM, self._before)
        left, interval = self._timer
        if left:
            passed = time.monotonic() - self._started
            signal.setitimer(signal.ITIMER_REAL, max(left - passed, 1e-6), interval)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        if time.monotonic() - self._started < self._seconds:  # somebody else's, which was blocked before
            return
        self._left -= 1
        if self._left < 0:
            raise TooLongError(self._text)
        raise TimeoutError(self._text)


def exit_within(seconds: float, code: int) -> None:
    """Have this process exit with this code in time, even if its threads or what runs at its end hang."""

    def end() -> None:
        time.sleep(seconds)
        os._exit(code)

    try:
        threading.Thread(target=end, daemon=True).start()
    except RuntimeError:  # no further threads are allowed
        pass
