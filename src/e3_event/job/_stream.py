"""An output of a command, on its way to our reader and into the log."""

from __future__ import annotations

import os

from ._poll import GONE, READABLE, WRITABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ._log import LogStream
    from ._poll import Poll

    class Output(Protocol):
        """Takes output for our reader, as `Target` does."""

        fd: int
        waits: bool

        @property
        def left(self) -> memoryview: ...
        @property
        def is_gone(self) -> bool: ...
        def give(self, data: bytes) -> None: ...
        def flush(self) -> None: ...
        def lose_reader(self) -> None: ...
        def end(self) -> None: ...


_CHUNK = 1 << 16  # as much as a pipe holds
_MOST = 1 << 20  # as much as a pipe can be made to hold


class Stream:
    """Passes on what comes: to our reader, who is served first, and to the log.

    While the reader takes nothing, nothing is read, so that the command waits as it would without us. When
    the reader is gone, the source is closed, so that the command is told by SIGPIPE.

    :param source: the descriptor that it comes from; closed at its end
    :param target: takes it for our reader; `None`: there is none
    :param ends_target: whether the reader is to see the end when the source ends
    :ivar is_open: whether more may come
    """

    def __init__(
        self, poll: Poll, source: int, target: Output | None, log: LogStream, *, ends_target: bool = False
    ) -> None:
        self.is_open = True
        self._poll = poll
        self._source = source
        self._target = target
        self._log = log
        self._ends_target = ends_target
        self._is_blocked = False
        poll.watch(source, READABLE, self._read)
        if target and target.waits:
            poll.watch(target.fd, GONE, self._heed)

    @property
    def is_done(self) -> bool:
        """Has it ended, and does our reader have everything?"""
        return not self.is_open and not (self._target and self._target.left)

    def drain(self) -> None:
        """Read what is there, without waiting for more."""
        most = _MOST if self.is_open else 0
        if most:
            os.set_blocking(self._source, False)
        while self.is_open and most > 0:
            most -= self._move() or most

    def end(self) -> bool:
        """Read no more, so that our reader may see the end; return whether more could have come."""
        was_open = self.is_open
        self.close()
        self._settle()
        return was_open

    def close(self) -> None:
        """Close the source."""
        if self.is_open:
            self.is_open = False
            self._poll.forget(self._source)
            os.close(self._source)
            self._log.end()

    def _read(self, _is_gone: bool) -> None:
        self._move()

    def _move(self) -> int:
        """Move what is there; return how much it was."""
        try:
            data = os.read(self._source, _CHUNK)
        except BlockingIOError:
            return 0
        except OSError:  # a terminal that has hung up
            data = b""
        if not data:
            self.end()
            return 0
        if self._target:
            self._target.give(data)
        self._log.write(data)
        self._settle()
        return len(data)

    def _heed(self, is_gone: bool) -> None:
        """See to our reader: it takes something, or is gone."""
        target = self._target
        if target is None:
            return
        if is_gone:
            target.lose_reader()
            self._poll.forget(target.fd)
        else:
            target.flush()
        self._settle()

    def _settle(self) -> None:
        """Wait for what has to come next: more output, or a reader who takes it."""
        target = self._target
        if target is None:
            return
        if target.is_gone:
            self._leave(target)
            self.close()
            return
        is_blocked = bool(target.left)
        if is_blocked != self._is_blocked:
            self._is_blocked = is_blocked
            self._poll.watch(target.fd, WRITABLE if is_blocked else GONE, self._heed)
            if is_blocked:
                self._poll.forget(self._source)
            elif self.is_open:
                self._poll.watch(self._source, READABLE, self._read)
        if self.is_done:
            self._leave(target)
            if self._ends_target:
                target.end()

    def _leave(self, target: Output) -> None:
        self._target = None
        self._poll.forget(target.fd)
