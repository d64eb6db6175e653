"""Row 5: disks that tore and dropped writes, made of what a writer was seen to write and to sync."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from random import Random
from typing import TYPE_CHECKING

from .bench import Bench, Outcome
from .disk import Disk
from .machine import memory_folder
from .promise import Books, broken_promises
from .recording import Op, record

if TYPE_CHECKING:
    from .child import Child

#: Crash images of one recording.
IMAGES = 250
#: One recording in so many is of a database that is written back on the way.
LONG = 10


def put_awhile(child: Child) -> None:
    """Put some events, alone and in batches; close the spool now and then."""
    events = child.events()
    for _ in range(3):
        spool = child.spool()
        for _ in range(child.random.randint(1, 6)):
            child.journal.put(spool, *[next(events) for _ in range(child.random.choice((1, 1, 3)))])
        if child.options["is_long"]:
            from e3_event import Event

            child.journal.put(spool, *[Event("x", padding="y" * 900_000) for _ in range(5)])
        spool.close()


def crash_anywhere(bench: Bench) -> Outcome:
    """Record a writer; build images of disks on which it was cut off anywhere, and look at each."""
    top = bench.path("disk")
    os.mkdir(top)
    spool = os.path.join(top, "state", "spool")
    ops = record(bench, put_awhile, spool, is_long=bench.number % LONG == LONG - 1)
    _check_model(bench, ops, top)
    images = 60 if bench.is_short else IMAGES
    cuts = sorted(bench.random.randrange(len(ops) + 1) for _ in range(images))
    outcome = Outcome()
    disk, done, told = Disk(top), 0, b""
    with tempfile.TemporaryDirectory(prefix="fault-", dir=memory_folder() or bench.folder) as folder:
        for number, cut in enumerate(cuts):
            for op in ops[done:cut]:
                if op.kind == "tell":
                    told += op.data
                elif op.path.startswith(top):
                    disk.do(op)
            done = cut
            place = os.path.join(folder, "image")
            disk.crash(place, bench.random)
            losses = broken_promises(os.path.join(place, "state", "spool"), Books(told))
            outcome.add([f"image {number}, cut at {cut} of {len(ops)}: {loss}" for loss in losses])
            shutil.rmtree(place)
    return outcome


def _check_model(bench: Bench, ops: list[Op], top: str) -> None:
    """Make sure that the recording is right: played back whole, it gives what the writer left behind."""
    disk = Disk(top)
    for op in ops:
        if op.kind != "tell" and op.path.startswith(top):
            disk.do(op)
    disk.sync()
    copy = bench.path("copy")
    disk.crash(copy, Random(0))
    for place, _, names in os.walk(top):
        for name in names:
            path = os.path.join(place, name)
            if name.endswith(".mark"):  # written through memory, which no trace shows
                continue
            if not filecmp.cmp(path, os.path.join(copy, os.path.relpath(path, top)), shallow=False):
                raise RuntimeError(f"the recording is wrong in {path}")
