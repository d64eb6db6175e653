"""Row 3: a writer killed at each of its system calls."""

from __future__ import annotations

import signal

from .bench import Bench, Outcome
from .machine import strace
from .tour import mixed, points, tour

_OFTEN = ("pwrite64", "write")
_SELDOM = (
    "fsync",
    "fdatasync",
    "rename",
    "openat",
    "ftruncate",
    "unlink",
    "unlinkat",
    "mkdir",
    "rmdir",
    "chmod",
)


def _points(bench: Bench) -> list[tuple[str, int, bool]]:
    """The calls, and for each whether it is one of the long tour."""
    return [
        *((call, number, False) for call, number in points(bench, _OFTEN)),
        *((call, number, True) for call, number in points(bench, _SELDOM, is_long=True)),
    ]


def count(bench: Bench) -> int:
    """How many system calls there are."""
    return len(mixed(bench, lambda: _points(bench)))


def kill_at_call(bench: Bench) -> Outcome:
    """Kill a writer when it enters one of its system calls."""
    which = bench.number % count(bench)
    call, number, is_long = bench.kept["points"][which]
    under = strace("/dev/null", (call,), "-e", f"inject={call}:signal=KILL:when={number}")
    code = bench.finish(bench.child(tour, under=under, is_long=is_long), exits=None)
    losses = bench.losses()
    if code not in (0, -signal.SIGKILL):
        losses.append(f"ended with {code}: {bench.stderr()}")
    return Outcome.of([f"killed at {call} number {number}: {loss}" for loss in losses])
