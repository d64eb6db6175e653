"""Ways to do a batch and to say what it cost: on things made beforehand, by threads, by processes."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from .worker import Setting

_fresh = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Made:
    """An operation on things that are made beforehand. Making and removing them does not count.

    :ivar make: makes so many
    :ivar work: the operation on one of them
    :ivar clean: removes what the operations have left
    """

    make: Callable[[int], list[Any]]
    work: Callable[[Any], object]
    clean: Callable[[], object] = lambda: None

    def do(self, things: list[Any]) -> None:
        work = self.work
        for thing in things:
            work(thing)

    def batch(self, count: int) -> float:
        things = self.make(count)
        started = time.perf_counter()
        self.do(things)
        took = time.perf_counter() - started
        self.clean()
        return took


class Threads:
    """The same, the operations shared out to so many threads."""

    def __init__(self, number: int, made: Made) -> None:
        self._number = number
        self._made = made
        self._pool = ThreadPoolExecutor(number)

    def batch(self, count: int) -> float:
        things = self._made.make(count)
        shares = [things[first :: self._number] for first in range(self._number)]
        started = time.perf_counter()
        list(self._pool.map(self._made.do, shares))
        return time.perf_counter() - started


class Processes:
    """The same, the operations shared out to so many processes.

    :param prepare: makes the operation, in each process
    """

    def __init__(self, number: int, prepare: Callable[[Setting], Made], setting: Setting) -> None:
        self._pipes = []
        for _ in range(number):
            ours, theirs = _fresh.Pipe()
            _fresh.Process(target=_serve, args=(theirs, prepare, setting), daemon=True).start()
            theirs.close()
            self._pipes.append(ours)

    def batch(self, count: int) -> float:
        for pipe in self._pipes:
            pipe.send(max(1, count // len(self._pipes)))
        self._await()
        started = time.perf_counter()
        for pipe in self._pipes:
            pipe.send(0)
        self._await()
        return time.perf_counter() - started

    def _await(self) -> None:
        for pipe in self._pipes:
            pipe.recv()


def _serve(pipe: Connection, prepare: Callable[[Setting], Made], setting: Setting) -> None:
    """Make things when told how many, and do them when told to; say when."""
    made = prepare(setting)
    while True:
        try:
            things = made.make(pipe.recv())
        except EOFError:
            return
        pipe.send("made")
        pipe.recv()
        made.do(things)
        pipe.send("done")


class Peak:
    """By how many MB an operation raises the peak memory of a fresh process.

    :param prepare: makes the operation, in that process
    """

    def __init__(self, prepare: Callable[[Setting], Callable[[], object]], setting: Setting) -> None:
        self._prepare = prepare
        self._setting = setting

    def batch(self, count: int) -> float:
        with ProcessPoolExecutor(1, mp_context=_fresh, max_tasks_per_child=1) as fresh:
            return sum(fresh.map(_growth, [self._prepare] * count, [self._setting] * count))


def _growth(prepare: Callable[[Setting], Callable[[], object]], setting: Setting) -> float:
    once = prepare(setting)
    before = _memory("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak is what is used now
    once()
    return _memory("VmHWM") - before


def _memory(what: str) -> float:
    """A line of `/proc/self/status` in MB."""
    with open("/proc/self/status") as file:
        found = next(line for line in file if line.startswith(f"{what}:"))
    return int(found.split()[1]) * 1024 / 1e6
