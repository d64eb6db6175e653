"""Row 15: forks while threads put, children that end in every way, SIGTERM at any moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from .bench import Bench, Outcome
from .space import go_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from e3_event.spool import Spool

    from .child import Child

THREADS = 4
#: Forks of one trial.
FORKS = 6
#: Seconds within which a child must have done its puts.
PATIENCE = 30.0
#: The same for a variant that is known to hang.
LITTLE_PATIENCE = 1.0


def fork_and_end(bench: Bench) -> Outcome:
    """Have a process with threads fork, and end it by SIGTERM while all of them put.

    One of those that it forked lives on, while another process comes and goes.
    """
    patience = PATIENCE if bench.broken is None else LITTLE_PATIENCE
    parent = bench.child(raise_family, patience=patience)
    bench.hear(parent, "forked")
    time.sleep(bench.random.uniform(0, 0.05))  # the moment is the fault
    os.kill(parent.pid, signal.SIGTERM)
    code = bench.finish(parent, exits=None)
    bench.finish(bench.child(visit))
    bench.tell("visited")
    bench.wait_for("orphan-done", patience)
    losses = bench.losses()
    if code not in (-signal.SIGTERM, 143):
        losses.append(f"ended with {code}: {bench.stderr()}")
    return Outcome.of(losses)


def raise_family(child: Child) -> None:
    """Put from threads and from forked children; then put until SIGTERM comes."""
    if child.random.random() < 0.5:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    spool = child.spool()
    for _ in range(THREADS):
        threading.Thread(target=_put_on, args=(child, spool), daemon=True).start()
    if os.fork() == 0:
        _be_orphan(child, spool)
    forks = [_fork(child, spool, number) for number in range(FORKS)]
    deadline = time.monotonic() + child.options["patience"]
    for has_ended, pid in forks:
        while not has_ended():
            if time.monotonic() > deadline:
                child.journal.note([{"do": "loss", "text": "a forked process hung"}])
                os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.005)
    _interrupt_puts(child, spool)
    go_on(child, spool)
    child.say("forked")
    _put_on(child, spool)


def _be_orphan(child: Child, spool: Spool) -> None:
    """Outlive the parent, go on after other processes were there, and end without closing anything."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _put_little(child, spool)
        child.wait_for("visited")
        _put_little(child, spool)
        child.tell("orphan-done")
    finally:
        os._exit(0)


def visit(child: Child) -> None:
    """Open the spool, put, close it: the last one to close it tidies up."""
    spool = child.spool()
    _put_little(child, spool)
    spool.close()


class InterruptedPutError(BaseException):
    """Raised in the main thread out of nothing, as KeyboardInterrupt is."""


def _interrupt_puts(child: Child, spool: Spool) -> None:
    """Put for a while, and be interrupted anywhere in the code of the spool."""
    folder = os.path.dirname(sys.modules["e3_event.spool"].__file__ or "")

    def interrupt(_signal: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code.co_filename.startswith(folder):
            raise InterruptedPutError

    signal.signal(signal.SIGALRM, interrupt)
    events = child.events()
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
    end = time.monotonic() + 0.08
    while time.monotonic() < end:
        try:
            child.journal.put(spool, next(events))
        except InterruptedPutError:
            pass
    signal.setitimer(signal.ITIMER_REAL, 0)


def _put_on(child: Child, spool: Spool) -> None:
    events = child.events()
    while True:
        child.journal.put(spool, next(events))


def _fork(child: Child, spool: Spool, number: int) -> tuple[Callable[[], bool], int]:
    """Fork a child that puts a little; return what says whether it has ended, and its process id."""
    if number % 2:
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_put_little, args=(child, spool))
        process.start()
        assert process.pid is not None
        return lambda: not process.is_alive(), process.pid
    pid = os.fork()
    if pid == 0:
        try:
            _put_little(child, spool)
        finally:
            os._exit(0)
    return lambda: os.waitpid(pid, os.WNOHANG)[0] != 0, pid


def _put_little(child: Child, spool: Spool) -> None:
    events = child.events()
    for _ in range(3):
        error = child.journal.put(spool, next(events))
        if error is not None:
            child.journal.note([{"do": "loss", "text": f"a forked process can't put: {error}"}])
