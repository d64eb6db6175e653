"""Group commit: callers that come while a commit is under way share the next one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")

#: Seconds after which a caller that waits looks by itself whether anybody writes: the one that should have
#: woken it may have been interrupted.
_LOOK = 0.1


class _Waiting(Generic[_T]):
    """A caller, until somebody has committed its items.

    :ivar is_done: whether its items have their verdict
    :ivar error: which is this, or `None`: they are committed
    """

    def __init__(self, items: Sequence[_T]) -> None:
        self.items = items
        self.is_done = False
        self.error: Exception | None = None
        self._wake = threading.Lock()
        self._wake.acquire()

    def end(self, error: Exception | None) -> None:
        self.error = error
        self.is_done = True

    def wait(self) -> None:
        self._wake.acquire(timeout=_LOOK)

    def wake(self) -> None:
        """Let it look how things are; under the mutex."""
        if self._wake.locked():
            self._wake.release()


class GroupCommit(Generic[_T]):
    """Writes what many threads bring, with one `write` at a time and as few of them as possible.

    A caller that finds nobody writing writes at once, for all who wait. Those that come meanwhile wait; then
    one of them writes for all. There is no thread of its own, so there is nothing to stop, and nobody writes
    for others for ever.

    A caller may be interrupted anywhere, by KeyboardInterrupt or another exception out of nothing; the others
    go on. For that, the right to write is a lock held by a `with`, which Python leaves in any case, never a
    note that somebody would have to take back; and all items stay in the queue until they have their verdict.

    :param write: commits items, all or (raising) none; to write some again that are committed changes nothing
    """

    def __init__(self, write: Callable[[Sequence[_T]], None]) -> None:
        self._write = write
        self._turn = threading.Lock()  # held by the one that writes
        self._mutex = threading.Lock()
        self._queue: list[_Waiting[_T]] = []

    def submit(self, items: Sequence[_T]) -> None:
        """Return once *items* are committed.

        :raises Exception: what `write` raised for these items; the fate of others' items does not matter
        :raises BaseException: the caller was interrupted; whether its items are committed is not known
        """
        me = _Waiting(items)
        try:
            with self._mutex:
                self._queue.append(me)
            while not me.is_done:
                if self._turn.locked():
                    me.wait()
                    continue
                with self._turn:
                    group = self._lead()
                self._wake(group)
        except BaseException:
            self._withdraw(me)
            raise
        if me.error is not None:
            raise me.error

    def _lead(self) -> list[_Waiting[_T]]:
        """Write for all who wait; return them."""
        with self._mutex:
            group = self._queue.copy()
        self._write_all(group)
        for waiting in group:
            if not waiting.is_done:
                self._write_one(waiting)
        with self._mutex:
            self._queue = [waiting for waiting in self._queue if not waiting.is_done]
        return group

    def _write_all(self, group: Sequence[_Waiting[_T]]) -> None:
        """Write for several at once; if that fails, one of them is to blame, and none gets a verdict."""
        if len(group) < 2:
            return
        try:
            self._write([item for waiting in group for item in waiting.items])
        except Exception:  # noqa: BLE001  each gets its own verdict
            return
        for waiting in group:
            waiting.end(None)

    def _write_one(self, waiting: _Waiting[_T]) -> None:
        try:
            self._write(waiting.items)
        except Exception as error:  # noqa: BLE001  raised by the caller whose items these are
            waiting.end(error)
        else:
            waiting.end(None)

    def _wake(self, group: Sequence[_Waiting[_T]] = ()) -> None:
        """Let the first of those that wait write, once nobody else does, and then these go on."""
        with self._mutex:
            for waiting in (*self._queue[:1], *group):
                waiting.wake()

    def _withdraw(self, me: _Waiting[_T]) -> None:
        """Wait no longer, and let another one write if it was our turn."""
        with self._mutex:
            self._queue = [waiting for waiting in self._queue if waiting is not me]
        self._wake()
