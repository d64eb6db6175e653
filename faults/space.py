"""Rows 6 and 7: no room on the disk, no inodes, and a cap on the size of files."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import time
from typing import TYPE_CHECKING, Any

from e3_event import Event

from .bench import Bench, Outcome
from .machine import make_ext4, mounted
from .promise import Journal, broken_promises, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from e3_event.spool import Spool

    from .child import Child

#: Refusals after which a disk counts as full.
REFUSALS = 5
#: Puts that fill every disk of this row.
PUTS = 1500


def fill(child: Child) -> None:
    """Put until the spool refuses; when there is room again, go on in the same process."""
    spool = opened(child)
    left = REFUSALS
    events = child.events()
    for _ in range(PUTS):
        if spool is None or not left:
            break
        left -= child.journal.put(spool, next(events)) is not None
    child.say("full")
    child.wait_for("room")
    spool = spool or child.spool()
    go_on(child, spool)


def go_on(child: Child, spool: Spool) -> None:
    """Put some events, which has to succeed in the process that saw the fault, too."""
    for number in range(5):
        event = Event("goes-on", number=number)
        if number == 0:
            event.attach_file(child.file(32_768))
        error = child.journal.put(spool, event)
        if error is not None:
            child.journal.note([{"do": "loss", "text": f"did not go on: {error}"}])


def opened(child: Child) -> Spool | None:
    """The spool; `None` if there is no room for one."""
    started = time.monotonic()
    try:
        return child.spool()
    except Exception as error:
        child.journal.note([refusal(error, started)])
        return None


def fill_disk(bench: Bench) -> Outcome:
    """Fill a disk up to its last byte or inode, then free some. Every third disk is full from the start."""
    disk = bench.path("disk")
    with _small_disk(bench, disk):
        spool = os.path.join(disk, "spool")
        ballast = _load(disk, bench)
        writer = bench.child(fill, spool=spool)
        bench.hear(writer, "full")
        books = bench.books()
        losses = [f"refused otherwise: {line}" for line in books.refused if not _is_about_room(line, disk)]
        if not books.refused:
            losses.append("was never full")
        if books.tried:
            losses += broken_promises(spool, books, has_healed=False)
        for path in ballast:
            os.unlink(path)
        bench.tell("room")
        bench.finish(writer)
        losses += bench.losses(spool)
    return Outcome.of(losses)


def _is_about_room(line: dict[str, Any], folder: str) -> bool:
    return folder in line["text"] and (
        "SpoolFullError" in line["kinds"] or ("OSError" in line["kinds"] and "No space left" in line["text"])
    )


@contextlib.contextmanager
def _small_disk(bench: Bench, disk: str) -> Iterator[None]:
    """A tmpfs of 1 MiB, an ext4 of 16 MiB or one of few inodes."""
    kind = bench.number % 3
    if kind == 0:
        with mounted("tmpfs", disk, "-t", "tmpfs", "-o", "size=1m"):
            yield
        return
    image = bench.path("image")
    make_ext4(image, 16 << 20, *(("-N", "64") if kind == 2 else ()))
    with mounted(image, disk, "-o", "loop"):
        yield


def _load(disk: str, bench: Bench) -> list[str]:
    """Take some of the room, or all; return what it is taken by."""
    free = os.statvfs(disk)
    has_few_inodes = bench.number % 3 == 2
    share = 1.0 if bench.number // 3 % 3 == 2 else bench.random.uniform(0.3, 0.7)
    paths = [os.path.join(disk, "ballast")]
    if has_few_inodes:
        paths = [os.path.join(disk, f"ballast-{number}") for number in range(int(free.f_ffree * share))]
    size = 0 if has_few_inodes else int(free.f_bfree * free.f_bsize * share)
    for path in paths:
        with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
            while size > 0:
                size -= file.write(bytes(min(size, 65536)))
    return [path for path in paths if os.path.exists(path)]


def fill_with_capped_files(child: Child) -> None:
    """Put while no file may grow beyond a cap; without it, go on in the same process."""
    child.journal = _UncappedJournal(child.told)
    child.spool().close()
    spool = child.spool() if child.options["is_open"] else None  # with an empty log, which may still grow
    _cap(child.options["cap"])
    spool = spool or opened(child)
    if spool is not None:
        first = Event("x")
        first.attach_file(child.file(32_768), "log")  # a single write, which the cap may cut short
        for event in (first, *itertools.islice(child.events(), 30)):
            child.journal.put(spool, event)
    _cap(resource.RLIM_INFINITY)
    spool = spool or child.spool()
    go_on(child, spool)


class _UncappedJournal(Journal):
    """A journal that the cap does not hold for."""

    def note(self, lines: Iterable[dict[str, Any]]) -> None:
        cap, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        _cap(resource.RLIM_INFINITY)
        super().note(lines)
        _cap(cap)


def _cap(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def cap_files(bench: Bench) -> Outcome:
    """Cap the size of files, from below a page up to several attachments."""
    exponent = bench.random.choice((bench.random.uniform(11, 19), bench.random.uniform(14, 15)))
    cap = int(2**exponent)
    bench.finish(bench.child(fill_with_capped_files, cap=cap, is_open=bench.random.random() < 0.7))
    books = bench.books()
    losses = [
        f"refused otherwise: {line}"
        for line in books.refused
        if bench.spool not in line["text"] or not {"EventError", "OSError"} & set(line["kinds"])
    ]
    return Outcome.of([f"cap {cap}: {loss}" for loss in losses + bench.losses()])
