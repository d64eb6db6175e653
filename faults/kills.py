"""Rows 1 and 3: a writer killed at a random moment, and at every system call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .bench import Bench, Outcome

if TYPE_CHECKING:
    from .child import Child

#: Kills of one trial; the writer of each goes on where the last one was killed.
KILLS = 5
#: Seconds at most that a writer lives.
LONGEST = 0.08


def put_endlessly(child: Child) -> None:
    """Put, alone and in batches, until somebody ends it."""
    child.say("begins")
    spool, events = child.spool(), child.events()
    while True:
        child.journal.put(spool, *[next(events) for _ in range(child.random.choice((1, 1, 1, 4)))])


def kill_writers(bench: Bench) -> Outcome:
    """Kill one or two writers at a random moment, from their first system call in the spool on."""
    outcome = Outcome()
    for _ in range(2 if bench.is_short else KILLS):
        writers = [bench.child(put_endlessly) for _ in range(bench.random.choice((1, 1, 2)))]
        for writer in writers:
            bench.hear(writer, "begins")
        time.sleep(bench.random.uniform(0, LONGEST))  # the moment is the fault
        for writer in writers:
            bench.kill(writer)
        outcome.add(bench.losses())
    return outcome
