"""Group commit: callers that come while a commit is under way share the next one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")


class _Waiting(Generic[_T]):
    """A caller that waits: until somebody has committed its items, or until it is its turn to commit."""

    def __init__(self, items: Sequence[_T]) -> None:
        self.items = items
        self.leads = False
        self.error: BaseException | None = None
        self._wake = threading.Lock()
        self._wake.acquire()

    def wait(self) -> None:
        self._wake.acquire()

    def wake(self) -> None:
        self._wake.release()


class GroupCommit(Generic[_T]):
    """Writes what many threads bring, with one `write` at a time and as few of them as possible.

    A caller that finds nobody writing writes at once, without any hand-over. Those that come meanwhile wait;
    then the first of them writes for all, and wakes the others when it is done. There is no thread of its
    own, so there is nothing to stop, and nobody writes for others for ever.

    :param write: commits items, all or (raising) none
    """

    def __init__(self, write: Callable[[Sequence[_T]], None]) -> None:
        self._write = write
        self._mutex = threading.Lock()
        self._queue: list[_Waiting[_T]] = []
        self._busy = False

    def submit(self, items: Sequence[_T]) -> None:
        """Return once *items* are committed.

        :raises Exception: what `write` raised for these items; the fate of others' items does not matter
        """
        with self._mutex:
            if self._busy:
                me = _Waiting(items)
                self._queue.append(me)
            else:
                self._busy = True
                me = None
        if me is None:
            try:
                self._write(items)
            finally:
                self._hand_over()
            return
        me.wait()
        if me.leads:
            self._lead(me)
        if me.error is not None:
            raise me.error

    def _lead(self, me: _Waiting[_T]) -> None:
        """Write for all who wait."""
        with self._mutex:
            group, self._queue = [me, *self._queue], []
        try:
            try:
                self._write([item for waiting in group for item in waiting.items])
            except Exception:  # noqa: BLE001  one of them is to blame, so each gets its own verdict
                for waiting in group:
                    self._write_one(waiting)
        finally:
            self._hand_over()
            for waiting in group:
                if waiting is not me:
                    waiting.wake()

    def _write_one(self, waiting: _Waiting[_T]) -> None:
        try:
            self._write(waiting.items)
        except Exception as error:  # noqa: BLE001  raised by the caller whose items these are
            waiting.error = error

    def _hand_over(self) -> None:
        with self._mutex:
            if self._queue:
                first = self._queue.pop(0)
                first.leads = True
                first.wake()
            else:
                self._busy = False
