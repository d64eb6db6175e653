"""Forks: a process forks while nobody is inside of SQLite, and its child drops the connections it inherits.

If the handler of a signal raises in one of the hooks, Python prints that and goes on as if the hook had
ended. So each hook goes on by itself, can be called again, and is called twice: the first call may be
interrupted before its first step.
"""

from __future__ import annotations

import os
import threading
from itertools import chain, islice, repeat
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Connection(NamedTuple):
    """One that was opened; what its fields mean is said in `watch`, but for the process that opened it."""

    lock: threading.Lock
    settle: Callable[[], None]
    drop: Callable[[], None]
    pid: int


class _Held(threading.local):
    """What this thread holds while it forks; in the child, the thread that forked goes on."""

    def __init__(self) -> None:
        self.locks: list[threading.Lock] = []


#: Held while a connection is opened or closed, and while a thread forks.
opening = threading.Lock()
_connections: dict[threading.Lock, _Connection] = {}
_held = _Held()


def watch(lock: threading.Lock, settle: Callable[[], None], drop: Callable[[], None]) -> None:
    """Take notice of a connection that was opened; hold `opening`.

    :param lock: held by a thread that uses the connection
    :param settle: called before a fork, with the lock held: end what a child must not inherit
    :param drop: called in a child: close what it has inherited; may be called again after it was interrupted
    """
    _connections[lock] = _Connection(lock, settle, drop, os.getpid())


def forget(lock: threading.Lock) -> None:
    """Take no more notice of a connection, which was closed; hold `opening`."""
    _connections.pop(lock, None)


def _before() -> None:
    """Wait until no thread is inside of SQLite, whose locks a child would inherit held for ever.

    What is held is noted in one go with getting it: inside of `extend`, the handler of a signal is only
    called where it waits for a lock.
    """
    try:
        held = _held.locks
        held.extend(filter(methodcaller("acquire"), islice(chain([opening], _connections), len(held), None)))
    except BaseException:
        _before()
        raise
    _for_each(iter([*_connections.values()]), lambda connection: connection.settle())


def _after() -> None:
    """Release what this thread holds.

    Each lock is released in one go with taking it out of the list: nothing is called in between, and none is
    released a second time, when another thread may hold it.
    """
    try:
        held = _held.locks
        list(map(methodcaller("release"), map(held.pop, repeat(-1, len(held)))))
    except BaseException:
        _after()
        raise


def _after_in_child() -> None:
    """Drop what is inherited; what can't be dropped is left for the second call."""
    try:
        pid = os.getpid()
        _for_each(iter([one for one in _connections.values() if one.pid != pid]), _drop)
    finally:
        _after()


def _drop(connection: _Connection) -> None:
    connection.drop()
    forget(connection.lock)


def _for_each(connections: Iterator[_Connection], act: Callable[[_Connection], None]) -> None:
    """Go on after one for which it raises; what was raised gets out at the end."""
    try:
        for connection in connections:
            act(connection)
    except BaseException:
        _for_each(connections, act)
        raise


if hasattr(os, "register_at_fork"):
    for _ in range(2):
        os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after_in_child)
