"""Row 16: a reader that never ends, while eight processes write: the write-ahead log stays under its cap."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING

from e3_event import Event
from e3_event.spool import Spool, _database

from .bench import Bench, HangError, Outcome
from .promise import HEALED

if TYPE_CHECKING:
    from .child import Child

WRITERS = 8
#: Pages that the log may have in a short trial.
SHORT_CAP = 1500
#: Bytes of a page in the log, with its header.
PAGE = 4096 + 24
#: Bytes of the body of an event.
BODY = 200_000
#: All writers together put so much more than the cap.
SHARE, SHORT_SHARE = 1.4, 3.0


def put_a_share(child: Child) -> None:
    """Put large events, until three are refused."""
    _database.WAL_CAP = child.options["cap"]
    spool = child.spool()
    child.say("begins")
    child.wait_for("all")
    left = 3
    for number in range(child.options["puts"]):
        left -= child.journal.put(spool, Event("x", number=number, padding="y" * BODY)) is not None
        if not left:
            break


def read_for_ever(bench: Bench) -> Outcome:
    """Hold a transaction open while writers put more than the write-ahead log may hold."""
    spool = Spool(bench.spool)
    spool.put(Event("first"))
    spool.close()
    cap = SHORT_CAP if bench.is_short else _database.WAL_CAP
    puts = round(cap * PAGE * (SHORT_SHARE if bench.is_short else SHARE) / BODY / WRITERS)
    writers = [bench.child(put_a_share, puts=puts, cap=cap) for _ in range(WRITERS)]
    for writer in writers:
        bench.hear(writer, "begins")
    database = os.path.join(bench.spool, "spool.db")
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        bench.tell("all")
        largest, deadline = 0, time.monotonic() + 120
        while any(writer.poll() is None for writer in writers):
            largest = max(largest, os.path.getsize(f"{database}-wal"))
            if time.monotonic() > deadline:
                raise HangError("the writers took more than 120 s")
            time.sleep(0.002)
    for writer in writers:
        bench.finish(writer)
    return Outcome.of(_judge(bench, largest, cap * PAGE))


def _judge(bench: Bench, largest: int, cap: int) -> list[str]:
    books = bench.books()
    losses = bench.losses()
    most = cap + WRITERS * 2 * BODY
    if largest > most:
        losses.append(f"the write-ahead log grew to {largest} bytes instead of {most} at most")
    if not books.acknowledged:
        losses.append("nothing was acknowledged")
    if other := [line["text"] for line in books.refused if "SpoolFullError" not in line["kinds"]]:
        losses.append(f"{len(other)} puts were refused otherwise: {other[0]}")
    if books.slowest > HEALED:
        losses.append(f"a put took {books.slowest:.0f} s")
    return losses
