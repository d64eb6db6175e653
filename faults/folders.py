"""Row 10: a folder that can't be written, a spool that vanishes while it is used, no more descriptors."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import shutil
import tempfile
import time
from typing import TYPE_CHECKING

from e3_event import Event

from .bench import Bench, Outcome
from .machine import mounted, run
from .space import go_on, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from e3_event.spool import Spool

    from .child import Child

#: Seconds within which an error must come.
SOON = 1.0
#: A user that is not root and owns nothing.
NOBODY = 65534


def forbid(bench: Bench) -> Outcome:
    """Take the folder, the right to write or the descriptors away, one after the other."""
    kinds: list[Callable[[Bench], list[str]]] = [_read_only, _no_rights, _vanished, _no_descriptors]
    kind = kinds[bench.number % len(kinds)]
    return Outcome.of([f"{kind.__name__[1:]}: {loss}" for loss in kind(bench)])


def _unclear(bench: Bench, folder: str) -> list[str]:
    """Refusals that come late, or don't name a path."""
    refused = bench.books().refused
    late = [f"took {line['seconds']:.1f} s: {line['text']}" for line in refused if line["seconds"] > SOON]
    unclear = [line for line in refused if folder not in line["text"] and bench.folder not in line["text"]]
    return late + [f"names no path: {line}" for line in unclear]


def _silent(bench: Bench) -> list[str]:
    """A loss if nothing was refused."""
    return [] if bench.books().refused else ["nothing was refused"]


def put_some(child: Child) -> None:
    """Open the spool and put a few events of each kind."""
    spool = opened(child)
    if spool is not None:
        put_each(child, spool)


def put_each(child: Child, spool: Spool) -> None:
    large = Event("large")
    large.attach_file(child.file(32_768), "log")
    for event in (*itertools.islice(child.events(), 10), large):
        child.journal.put(spool, event)


def _read_only(bench: Bench) -> list[str]:
    """The folder lies on a file system that is read-only."""
    bench.finish(bench.child(put_some))
    seen = bench.path("seen")
    losses = []
    with mounted(bench.spool, seen, "--bind"):
        run("mount", "-o", "remount,bind,ro", seen)
        bench.finish(bench.child(put_some, spool=seen))
        losses += _unclear(bench, seen) + _silent(bench)
    return losses + bench.losses()


def put_without_rights(child: Child) -> None:
    """Put as a user whose folders lose their right to be written, and get it back."""
    place = child.options["place"]
    with contextlib.closing(child.spool()) as spool:
        for event in itertools.islice(child.events(), 20):
            spool.put(event)  # all modules are loaded then; the user may not be able to read them
    child.files = os.path.join(place, "files")
    os.setresuid(NOBODY, NOBODY, NOBODY)
    child.folder = os.path.join(place, "spool")
    spool = child.spool()
    put_each(child, spool)
    for folder in (child.folder, os.path.join(child.folder, "blobs")):
        os.chmod(folder, 0o500)
    put_each(child, spool)
    for folder in (child.folder, os.path.join(child.folder, "blobs")):
        os.chmod(folder, 0o700)
    go_on(child, spool)


def _no_rights(bench: Bench) -> list[str]:
    """The folder of a user loses its right to be written, while it is used."""
    place = tempfile.mkdtemp(prefix="fault-")  # that user can reach it, which may not hold for the checkout
    shutil.copytree(bench.files, os.path.join(place, "files"))
    try:
        os.chown(place, NOBODY, NOBODY)
        os.chmod(place, 0o700)
        bench.finish(bench.child(put_without_rights, place=place))
        spool = os.path.join(place, "spool")
        for folder, _, names in os.walk(spool):  # a spool has one owner, and the check is root's
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(path, 0, 0)
        return _unclear(bench, place) + _silent(bench) + bench.losses(spool)
    finally:
        shutil.rmtree(place)


def put_on(child: Child) -> None:
    """Put until the spool has refused several times, or long enough after it vanished."""
    spool, left = child.spool(), 5
    put_each(child, spool)
    child.say("begins")
    events = child.events()
    deadline = time.monotonic() + 5
    while left and time.monotonic() < deadline:
        left -= child.journal.put(spool, next(events)) is not None


def _vanished(bench: Bench) -> list[str]:
    """The spool, or its database, is deleted, moved away or replaced while it is used."""
    writer = bench.child(put_on)
    bench.hear(writer, "begins")
    ways = [_delete, _delete_database, _move_away, _replace]
    ways[bench.number // 4 % len(ways)](bench.spool)
    since = time.monotonic()
    bench.finish(writer)
    books = bench.books()
    vain = [put for put in books.acknowledged if books.tried[put].at > since]
    losses = [f"acknowledged {len(vain)} puts that were begun when it was gone"] if vain else []
    return losses + books.losses + _unclear(bench, bench.spool) + _silent(bench)


def _delete(spool: str) -> None:
    while os.path.exists(spool):  # its writer may make a file meanwhile
        shutil.rmtree(spool, ignore_errors=True)


def _delete_database(spool: str) -> None:
    os.unlink(os.path.join(spool, "spool.db"))


def _move_away(spool: str) -> None:
    os.rename(spool, f"{spool}.moved")


def _replace(spool: str) -> None:
    from e3_event.spool import Spool

    other = Spool(f"{spool}.other")
    other.put(Event("other"))
    other.close()
    os.rename(spool, f"{spool}.moved")
    os.rename(f"{spool}.other", spool)


def put_without_descriptors(child: Child) -> None:
    """Put while all descriptors but a few are taken, then go on."""
    spool = child.spool() if child.options["is_open"] else None
    events = list(itertools.islice(child.events(), 10))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    for fd in taken[: child.options["left"]]:
        os.close(fd)
    spool = spool or opened(child)
    if spool is not None:
        for event in events:
            child.journal.put(spool, event)
    for fd in taken[child.options["left"] :]:
        os.close(fd)
    go_on(child, spool or child.spool())


def _no_descriptors(bench: Bench) -> list[str]:
    """No more than a few descriptors are left."""
    left = bench.number // 4 % 4
    is_open = bench.random.random() < 0.5
    bench.finish(bench.child(put_without_descriptors, left=left, is_open=is_open))
    losses = _unclear(bench, bench.spool) + bench.losses()
    if left == 0:
        losses += _silent(bench)
    return [f"{left} left, {is_open=}: {loss}" for loss in losses]
