"""Waits for descriptors, and calls what is to be done about each."""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

#: What can be waited for. That the other side is gone is told with each of them.
READABLE, WRITABLE, GONE = select.EPOLLIN, select.EPOLLOUT, 0
#: Events that say that the other side is gone.
_GONE = select.EPOLLERR | select.EPOLLHUP


class Poll:
    """Descriptors and what to call when one is ready, the one first that was ready first."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._calls: dict[int, Callable[[bool], None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._poll.close()

    def watch(self, fd: int, event: int, call: Callable[[bool], None]) -> None:
        """Call *call* each time *fd* is ready, with whether the other side is gone.

        :param event: `READABLE`, `WRITABLE` or `GONE`, in place of the one before
        :raises PermissionError: it is a file that is always ready
        """
        if fd in self._calls:
            self._poll.modify(fd, event)
        else:
            self._poll.register(fd, event)
        self._calls[fd] = call

    def forget(self, fd: int) -> None:
        """Watch it no more; to be called before it is closed."""
        if self._calls.pop(fd, None):
            self._poll.unregister(fd)

    def wait(self, seconds: float | None) -> None:
        """Wait until one is ready, so long at most, and make the calls."""
        for fd, events in self._poll.poll(seconds):
            call = self._calls.get(fd)
            if call:  # else it was forgotten in one of the calls
                call(bool(events & _GONE))
