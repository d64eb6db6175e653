"""Row 9: each fsync takes long, and many threads wait for it."""

from __future__ import annotations

import threading

from e3_event import Event

from .bench import Bench, Outcome
from .child import Child
from .machine import strace

#: Seconds that a sync takes, and how long it takes in a short trial.
DELAY, SHORT_DELAY = 0.2, 0.05
#: Seconds that all puts would take if each had a sync of its own.
TOGETHER = 3.2


def put_together(child: Child) -> None:
    """Put from many threads at once."""
    threads = child.options["threads"]
    spool = child.spool()
    child.journal.put(spool, Event("first"))
    barrier = threading.Barrier(threads)

    def work() -> None:
        barrier.wait()
        child.journal.put(spool, Event("x"))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def slow_fsync(bench: Bench) -> Outcome:
    """Have each sync take long. A put waits for its own commit and for the one under way."""
    delay = SHORT_DELAY if bench.is_short else DELAY
    deadline = 4 * delay + 1.0
    inject = f"inject=fsync,fdatasync:delay_exit={delay * 1e6:.0f}"
    under = strace("/dev/null", ("fsync", "fdatasync"), "-e", inject)
    child = bench.child(put_together, under=under, threads=round(TOGETHER / delay))
    bench.finish(child)
    books = bench.books()
    losses = bench.losses()
    if books.slowest > deadline:
        losses.append(f"a put took {books.slowest:.1f} s instead of {deadline:.1f} s at most")
    if books.refused:
        losses.append(f"a put failed: {books.refused[0]['text']}")
    return Outcome.of(losses)
