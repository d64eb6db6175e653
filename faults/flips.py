"""Row 11: one bit of a spool's files is flipped, or one of them is cut, anywhere."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from .attack import attacked, losses_of, tell
from .hits import any_hit
from .machine import memory_folder
from .stock import MAIL, Stock
from .survival import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bench import Bench, Outcome
    from .child import Child

#: Hits of one trial, and of one of `make test`: all of copies of one spool.
HITS, FEW = 25, 8


def _in_the_log(stock: Stock) -> None:
    """Nothing has been written back yet, and the writer died."""


def _partly(stock: Stock) -> None:
    """The log began anew, in front of what was in it before."""
    stock.spool._database.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
    stock.put(20)
    stock.work(MAIL, 8)


def _written_back(stock: Stock) -> None:
    """What is in the log is in the database, too; then the writer died."""
    stock.spool._database.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


def _closed(stock: Stock) -> None:
    """There is no log."""
    stock.close()


#: How a spool lies there.
STATES: tuple[Callable[[Stock], None], ...] = (_in_the_log, _partly, _written_back, _closed)


def flip_bits(bench: Bench) -> Outcome:
    """Make a spool, hit copies of it, and see what becomes of each."""
    hits = FEW if bench.is_short else HITS
    with tempfile.TemporaryDirectory(prefix="fault-", dir=memory_folder() or bench.folder) as folder:
        return attacked(bench, hit_copies, hits=hits, state=bench.number % len(STATES), place=folder)


def hit_copies(child: Child) -> None:
    """Hit copies of a spool; write down for each what is lost."""
    place, state = Path(child.options["place"]), STATES[child.options["state"]]
    stock = Stock(place, child.random.choice((10, 30, 60)))
    state(stock)
    trial = Trial(stock)

    def attack() -> list[str]:
        copy = stock.copy(place / "copy")
        hit = any_hit(copy, child.random)
        hit.apply(copy)
        is_used = child.random.random() < 0.5
        what = f"{state.__name__[1:]}, {hit}{', used' if is_used else ''}"
        losses = losses_of(what, lambda: trial.losses(copy, hit, is_used=is_used))
        shutil.rmtree(copy)
        return losses

    tell(child, (attack() for _ in range(child.options["hits"])))
