"""Broken variants of the spool, as controls: a row that does not catch its own proves nothing.

Each is made from outside, in the process that is to use it, before the spool is imported there.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Any

from . import broken_hostile, broken_relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def break_it(name: str | None) -> None:
    """Break the spool of this process.

    :param name: one of `VARIANTS`; `None`: leave it as it is
    """
    if name is not None:
        VARIANTS[name]()


def _acknowledge_early() -> None:
    """Acknowledge at once, commit with the next put."""
    from e3_event.spool import Spool

    commit = Spool.put_many

    def put_many(self: Any, events: Iterable[Any]) -> list[str]:
        late = self.__dict__.setdefault("_late", [])
        if late:
            commit(self, late)
        late[:] = [event.snapshot() for event in events]
        return [snapshot.snapshot_id for snapshot in late]

    _replace_put(put_many)


def _swallow_errors() -> None:
    """Acknowledge what failed."""
    from e3_event.spool import Spool

    commit = Spool.put_many

    def put_many(self: Any, events: Iterable[Any]) -> list[str]:
        snapshots = [event.snapshot() for event in events]
        try:
            return commit(self, snapshots)
        except Exception:
            return [snapshot.snapshot_id for snapshot in snapshots]

    _replace_put(put_many)


def _replace_put(put_many: Callable[[Any, Any], list[str]]) -> None:
    from e3_event.spool import Spool

    def put(self: Any, event: Any) -> str:
        return put_many(self, [event])[0]

    Spool.put_many = put_many  # type: ignore[assignment,method-assign]
    Spool.put = put  # type: ignore[assignment,method-assign]


def _no_sync(is_kind: Callable[[int], bool]) -> Callable[[], None]:
    """Leave out `fsync` of what is of a kind."""

    def apply() -> None:
        fsync = os.fsync

        def sometimes(fd: int) -> None:
            if not is_kind(os.fstat(fd).st_mode):
                fsync(fd)

        os.fsync = sometimes  # type: ignore[assignment]

    return apply


def _sync_again() -> None:
    """Take a second fsync after a failed one for good."""
    fsync = os.fsync

    def twice(fd: int) -> None:
        try:
            fsync(fd)
        except OSError:
            fsync(fd)

    os.fsync = twice  # type: ignore[assignment]


def _commit_alone() -> None:
    """Let each caller commit for itself."""
    from e3_event.spool._commit import GroupCommit

    mutex = threading.Lock()

    def submit(self: Any, items: Any) -> None:
        with mutex:
            self._write(items)

    GroupCommit.submit = submit  # type: ignore[method-assign]


def _look_once() -> None:
    """Look at a file once, and believe ever after that it is as it was."""
    look, seen = os.stat, {}

    def stat_(path: Any, **options: Any) -> os.stat_result:
        if not str(path).endswith("spool.db"):
            return look(path, **options)
        if path not in seen:
            seen[path] = look(path, **options)
        return seen[path]

    os.stat = stat_


def _no_fork_hooks() -> None:
    """Have a forked process share the connection of its parent, whatever its threads were at."""
    os.register_at_fork = lambda **_: None
    pid = os.getpid()
    os.getpid = lambda: pid


def _write_down_no_runs() -> None:
    """Keep nothing of what runs until it ends."""
    from e3_event.handler.spool import SpoolHandler

    del SpoolHandler.begin


def _two_ids() -> None:
    """Give the event of a run another id than the one that is written down."""
    from e3_event import unique_id
    from e3_event.spool._runs import Run

    other = property(lambda _: unique_id(), lambda *_: None)
    Run.snapshot_id = other  # type: ignore[assignment]  # each time another one
    end = Run.end

    def end_later(self: Run) -> None:
        time.sleep(0.2)  # which is long enough to be killed in it
        end(self)

    Run.end = end_later  # type: ignore[method-assign]


def _never_write_back() -> None:
    """Leave everything in the write-ahead log, for ever."""
    import apsw

    class Hoarding(apsw.Connection):
        def wal_checkpoint(self, *_: Any, **__: Any) -> tuple[int, int]:
            return 0, 0

    apsw.Connection = Hoarding  # type: ignore[misc]


def _change_pragmas(change: dict[str, object]) -> Callable[[], None]:
    """Have pragmas of the database get other values than the spool gives them."""

    def apply() -> None:
        import apsw

        class Loose(apsw.Connection):
            def pragma(self, name: str, value: Any = None, **options: Any) -> Any:
                if value is None:
                    return super().pragma(name, **options)
                return super().pragma(name, change.get(name, value), **options)

        apsw.Connection = Loose  # type: ignore[misc]

    return apply


VARIANTS: dict[str, Callable[[], None]] = {
    "acknowledges before the commit": _acknowledge_early,
    "swallows errors": _swallow_errors,
    "synchronous=NORMAL": _change_pragmas({"synchronous": "normal"}),
    "tries a failed fsync again": _sync_again,
    "looks at its file once": _look_once,
    "no notice of forks": _no_fork_hooks,
    "writes down no runs": _write_down_no_runs,
    "gives a run two ids": _two_ids,
    "never writes the log back": _never_write_back,
    "a commit for each put": _commit_alone,
    "no fsync of files": _no_sync(stat.S_ISREG),
    "no fsync of folders": _no_sync(stat.S_ISDIR),
    **broken_relay.VARIANTS,
    **broken_hostile.VARIANTS,
}
