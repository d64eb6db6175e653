"""A tour: all that a writer does, once; and the system calls that it consists of."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from e3_event import Event

from .machine import strace
from .promise import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from e3_event.spool import Spool

    from .bench import Bench
    from .child import Child

_T = TypeVar("_T")
_CALL = re.compile(r"^(\d+) +(\w+)\(")
#: What is put together: for each event the sizes of its attachments.
_BATCHES: list[list[list[int]]] = [[[]], [[20_000]], [[32_768]], [[70_000, 32_769]], [[], [100], [70_000]]]
_AFTERWARDS: list[list[list[int]]] = [[[70_000]], [[]]]


def tour(child: Child) -> None:
    """Make a spool, put events of every kind, close it, open it again. Errors end nothing."""
    for batches in (_BATCHES, _AFTERWARDS):
        spool = _tried(child, child.spool) or _tried(child, child.spool)
        if spool is None:
            return
        for batch in batches:
            _tried(child, _put, child, spool, batch)
        _tried(child, _put_again, child, spool)
        if child.options.get("is_long"):  # so much that the log is written back
            _tried(child, _put, child, spool, [[]] * 5, 900_000)
        _tried(child, spool.close)


def _tried(child: Child, work: Callable[..., _T], *arguments: Any) -> _T | None:
    """Do something; note it if it fails."""
    started = time.monotonic()
    try:
        return work(*arguments)
    except Exception as error:
        child.journal.note([refusal(error, started)])
        return None


def _put(child: Child, spool: Spool, batch: Sequence[Sequence[int]], padding: int = 0) -> None:
    """Put one event for each entry of *batch*: the sizes of its attachments."""
    events = []
    for sizes in batch:
        event = Event("x", sizes=list(sizes), padding="y" * padding)
        for size in sizes:
            event.attach_file(child.file(size), f"log-{size}")
        events.append(event)
    if any(batch):
        events = [event.snapshot() for event in events]
    child.journal.put(spool, *events)


def _put_again(child: Child, spool: Spool) -> None:
    """Put a snapshot twice. Once it is acknowledged its file may change: the second put changes nothing."""
    path = f"{child.folder}.grows"
    shutil.copyfile(child.file(70_000), path)
    event = Event("x", number=1)
    event.attach_file(path, "log")
    snapshot = event.snapshot()
    if child.journal.put(spool, snapshot) is None:
        with open(path, "ab") as file:
            file.write(b"grown")
    child.journal.put(spool, snapshot)


def points(bench: Bench, calls: Sequence[str], *, is_long: bool = False) -> list[tuple[str, int]]:
    """Go on a tour, and return its system calls: the name of each and which of that name it is (from 1).

    What happens before the journal is opened is left out: there Python starts. So are other threads: strace
    counts for each of its own, and none of them gets as far as the first has got by then.
    """
    log = bench.path("points")
    spool = bench.path("counted")
    names = {*calls, "openat"}
    bench.finish(bench.child(tour, under=strace(log, sorted(names)), spool=spool, is_long=is_long))
    seen: Counter[str] = Counter()
    found = []
    has_begun, main = False, ""
    with open(log) as file:
        for line in file:
            match = _CALL.match(line)
            main = main or line.partition(" ")[0]
            if match is None or match[1] != main:
                continue
            call = match[2]
            seen[call] += 1
            if has_begun and call in calls:
                found.append((call, seen[call]))
            has_begun = has_begun or bench.journal in line
    os.unlink(bench.journal)  # the tour that counts is none that is harmed
    return found


def mixed(bench: Bench, make: Callable[[], Iterable[tuple[Any, ...]]]) -> list[Any]:
    """The points that *make* gives, in random order, yet so that all kinds come early.

    A kind is the first entry of a point. They are made once for all trials of a row.
    """
    if "points" not in bench.kept:
        points = list(make())
        Random(bench.seed).shuffle(points)
        seen: Counter[Any] = Counter()
        rounds = []
        for point in points:
            rounds.append((seen[point[0]], point))
            seen[point[0]] += 1
        bench.kept["points"] = [point for _, point in sorted(rounds, key=lambda entry: entry[0])]
    kept: list[Any] = bench.kept["points"]
    return kept
