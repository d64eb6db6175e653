"""Row 12: no more memory, by a limit of the process and by one of its control group."""

from __future__ import annotations

import os
import re
import resource
import signal
import threading
from typing import TYPE_CHECKING

from e3_event import Event

from .bench import Bench, Outcome
from .space import go_on

if TYPE_CHECKING:
    from e3_event.spool import Spool

    from .child import Child

_MIB = 1 << 20
THREADS = 3
#: Puts of each thread while memory is scarce.
PUTS = 15
#: Have the C library keep nothing that was freed: the limit is to be felt at once.
_FRUGAL = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
#: Where a process died, as faulthandler tells it.
_ENCODING = re.compile(r"Current thread .*\n +File .*spool/_json.py\", line \d+ in _?encode")
#: Where control groups of the first and of the second kind have their limit.
_GROUPS = (
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ("/sys/fs/cgroup", "memory.max"),
)


def starve(bench: Bench) -> Outcome:
    """Limit the memory of a writer, which has to refuse and to go on; or have the kernel kill it."""
    group = _make_group() if bench.number % 4 == 3 else ""
    if not group:
        room = bench.random.uniform(0, 12 * _MIB)
        code = bench.finish(bench.child(put_large, env=_FRUGAL, room=int(room)), exits=None)
        losses = bench.losses()
        if code and not _died_in_msgspec(bench, code):
            losses.append(f"ended with {code}: {bench.stderr()}")
        return Outcome.of([f"{room / _MIB:.1f} MiB: {loss}" for loss in losses])
    try:
        code = bench.finish(bench.child(grow, group=group), exits=None)
        losses = bench.losses()
        if code != -signal.SIGKILL:
            losses.append(f"ended with {code} instead of being killed: {bench.stderr()}")
        return Outcome.of([f"control group: {loss}" for loss in losses])
    finally:
        os.rmdir(group)


def _died_in_msgspec(bench: Bench, code: int) -> bool:
    """Is it the fault of msgspec, whose encoder (0.22) uses memory that it did not get?

    What was acknowledged has to be there all the same.
    """
    with open(bench.path("stderr")) as file:
        return code == -signal.SIGSEGV and _ENCODING.search(file.read()) is not None


def put_large(child: Child) -> None:
    """Put large events from threads while memory is scarce; later go on, in the same process."""
    spool = child.spool()
    go_on(child, spool)
    barrier = threading.Barrier(THREADS + 1)
    sizes = [[child.random.randrange(4 * _MIB) for _ in range(PUTS)] for _ in range(THREADS)]
    threads = [threading.Thread(target=_put, args=(child, spool, barrier, part)) for part in sizes]
    for thread in threads:
        thread.start()
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    limit = used + child.options["room"]
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    barrier.wait()
    for thread in threads:
        thread.join()
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    go_on(child, spool)


def _put(child: Child, spool: Spool, barrier: threading.Barrier, sizes: list[int]) -> None:
    barrier.wait()
    for size in sizes:
        try:
            child.journal.put(spool, Event("x", padding="y" * size))
        except MemoryError:
            pass  # of the event, or of the journal: then nobody was told that it was put


def grow(child: Child) -> None:
    """Put, and take more and more memory, in a group that may have little."""
    with open(os.path.join(child.options["group"], "cgroup.procs"), "w") as file:
        file.write(str(os.getpid()))
    spool, events, hoard = child.spool(), child.events(), []
    while True:
        child.journal.put(spool, next(events))
        hoard.append(os.urandom(_MIB // 2))


def _make_group() -> str:
    """Make a control group of 80 MiB; return its path, or nothing if that can't be done here."""
    for top, limit in _GROUPS:
        group = os.path.join(top, f"e3-fault-{os.getpid()}")
        if os.geteuid() == 0 and os.path.exists(os.path.join(top, "cgroup.procs")):
            os.mkdir(group)
            if os.path.exists(os.path.join(group, limit)):
                with open(os.path.join(group, limit), "w") as file:
                    file.write(str(80 * _MIB))
                return group
            os.rmdir(group)
    return ""
