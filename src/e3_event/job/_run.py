"""A command while it runs: its output is carried, signals are passed on, its time is kept."""

from __future__ import annotations

import signal
import time

from e3_event._logger import logger

from ._poll import READABLE
from ._signals import ENDING, STOPPING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from ._child import Exit
    from ._poll import Poll
    from ._signals import Signals
    from ._stream import Stream
    from ._tree import Tree
    from ._way import Way

    class Process(Protocol):
        """A command that was started, as `Child` does."""

        pid: int
        helpers: tuple[int, ...]
        fd: int
        exit: Exit | None

        @property
        def is_interrupted(self) -> bool: ...

        stopped: int

        def look(self) -> None: ...
        def tell(self, number: int, *, was_for_group: bool = False) -> None: ...
        def follow(self, signals: Signals, *, was_told: bool) -> bool: ...
        def let_go(self) -> None: ...


#: Seconds after which a process is looked at that can't tell us when it ends (Linux before 5.3).
_LOOK_AGAIN = 0.05


class Run:
    """Carries a command that was started to its end.

    :param tree: its processes
    :ivar timed_out: whether it was told to end because its time was over
    """

    def __init__(
        self,
        process: Process,
        tree: Tree,
        streams: Sequence[Stream],
        poll: Poll,
        signals: Signals,
        way: Way,
    ) -> None:
        self.timed_out = False
        self._process = process
        self._tree = tree
        self._streams = streams
        self._poll = poll
        self._signals = signals
        self._kill_after = way.kill_after
        self._grace = way.grace
        self._end_at = None if way.timeout is None else time.monotonic() + way.timeout
        self._kill_at: float | None = None
        self._leave_at: float | None = None
        self._has_ended = False
        self._told_to_stop = False

    @property
    def is_interrupted(self) -> bool:
        """Was this process, or the command at its terminal, told to end?"""
        return self._signals.ending > 0 or self._process.is_interrupted

    def to_end(self) -> None:
        """Return when the command has ended and its output with it.

        Processes that it has left behind are not waited for beyond the grace. A slow reader is, unless
        somebody wanted an end.
        """
        if self._process.fd >= 0:
            self._poll.watch(self._process.fd, READABLE, self._look)
        if self._signals.fd >= 0:
            self._poll.watch(self._signals.fd, READABLE, self._take_signals)
        self._look()  # it may have ended before anything was watched
        while self._goes_on():
            self._poll.wait(self._until_next())
            self._keep_time()
        if self.timed_out:
            self._tree.end(self._kill_at or 0.0)

    def _goes_on(self) -> bool:
        if not self._has_ended:
            return True
        if all(stream.is_done for stream in self._streams):
            return False
        return self._leave_at is not None or not (self.timed_out or self.is_interrupted)

    def _until_next(self) -> float | None:
        """Seconds until there is something to do."""
        times = [at for at in (self._end_at, self._kill_at, self._leave_at) if at is not None]
        waits = [max(0.0, min(times) - time.monotonic())] if times else []
        if self._process.fd < 0 and not self._has_ended:
            waits.append(_LOOK_AGAIN)
        return min(waits, default=None)

    def _keep_time(self) -> None:
        now = time.monotonic()
        if self._process.fd < 0:
            self._look()
        if self._end_at is not None and now >= self._end_at:
            self._end_at = None
            self.timed_out = True
            self._kill_at = now + self._kill_after
            self._tree.tell(signal.SIGTERM, signal.SIGCONT)
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._tree.kill()
        if self._leave_at is not None and now >= self._leave_at:
            self._leave_at = None
            self._leave()

    def _leave(self) -> None:
        """Take what is there, and no more."""
        self._drain()
        open_ones = [stream for stream in self._streams if stream.end()]
        if open_ones:
            logger.warning("not waiting for processes that the command left behind with its output open")

    def _drain(self) -> None:
        """Carry what is there already."""
        for stream in self._streams:
            stream.drain()

    def _look(self, _is_gone: bool = False) -> None:
        """See what has become of the command."""
        if self._has_ended:
            return
        self._process.look()
        if self._process.stopped:
            self._drain()
            if self._process.follow(self._signals, was_told=self._told_to_stop):
                self._told_to_stop = False
                self._pass_on_signals()  # that came before
        if self._process.exit is not None:
            self._has_ended = True
            self._poll.forget(self._process.fd)
            self._end_at = None
            self._leave_at = time.monotonic() + self._grace
            self._drain()
            self._process.let_go()

    def _take_signals(self, _is_gone: bool) -> None:
        self._pass_on_signals()
        self._look()

    def _pass_on_signals(self) -> None:
        for number in self._signals.take():
            if number == signal.SIGCHLD:
                continue
            if not self._has_ended:
                self._told_to_stop = number in STOPPING or (self._told_to_stop and number != signal.SIGCONT)
                was_for_group = self._signals.came_to_group(number)
                self._process.tell(number, was_for_group=was_for_group)
            elif number in STOPPING:
                self._signals.stop(number, group=False)
            elif number in ENDING:
                self._leave_at = time.monotonic()
