"""Row 8: system calls that fail, and writes that are shorter than they should be."""

from __future__ import annotations

import ctypes
import os
import re
from typing import TYPE_CHECKING

import apsw

from e3_event import EventError
from e3_event.spool import Spool

from .bench import Bench, Outcome
from .machine import strace
from .tour import mixed, points, tour

if TYPE_CHECKING:
    from .child import Child

#: What each call is made to answer; `+`: from then on always.
_ANSWERS = {
    "fsync": ("EIO",),
    "fdatasync": ("EIO",),
    "pwrite64": ("EIO", "ENOSPC+", "short"),
    "write": ("EIO", "ENOSPC"),
    "rename": ("EIO",),
    "openat": ("EIO", "EMFILE"),
    "ftruncate": ("EIO",),
    "unlink": ("EIO",),
    "mkdir": ("ENOSPC",),
}
#: Calls that a long tour makes too often.
_OFTEN = ("pwrite64", "write")
#: After one of these nothing may be acknowledged any more.
_SYNCS = ("fsync", "fdatasync")


def _points(bench: Bench) -> list[tuple[str, int, str]]:
    seldom = [call for call in _ANSWERS if call not in _OFTEN]
    found = points(bench, _OFTEN) + points(bench, seldom, is_long=True)
    return [(call, number, answer) for call, number in found for answer in _ANSWERS[call]]


def count(bench: Bench) -> int:
    """How many calls there are, times what each of them may answer."""
    return len(mixed(bench, lambda: _points(bench)))


def fail_a_call(bench: Bench) -> Outcome:
    """Have one system call of a tour fail, then look whether a restart is clean."""
    which = bench.number % count(bench)
    call, number, answer = bench.kept["points"][which]
    what = f"{answer} from {call} number {number}"
    log = bench.path("log")
    if answer == "short":
        child = bench.child(tour_with_a_short_write, number=number)
    else:
        error = answer.rstrip("+")
        when = f"{number}+" if answer.endswith("+") else number
        inject = ("-y", "-s", "80", "-e", f"inject={call}:error={error}:when={when}")
        under = strace(log, (call, "writev"), *inject)
        child = bench.child(tour, under=under, is_long=call not in _OFTEN)
    code = bench.finish(child, exits=None)
    losses = [f"ended with {code}: {bench.stderr()}"] if code else []
    if call in _SYNCS:
        losses += _acknowledged_after(log, bench.spool) + _still_usable(bench)
    repair(bench.spool)
    losses += bench.losses(
        may_leave_out=(call, answer) == ("openat", "EIO")
    )  # it may be that of a file to attach
    return Outcome.of([f"{what}: {loss}" for loss in losses])


def _acknowledged_after(log: str, folder: str) -> list[str]:
    """Say whether anything was acknowledged after the injected failure.

    SQLite ignores a failed fsync of a folder (`unixSync` in os_unix.c), so nobody can stop after that. A new
    folder that can't be synced is taken away again, and made and synced anew.
    """
    with open(log) as file:
        before, _, after = file.read().partition("(INJECTED)")
    failed = before.rpartition("\n")[2]
    if "fdatasync" in failed and f"<{folder}>" in failed:
        return []
    synced = re.search(r" fsync\(\d+<([^>]*)>", failed)
    before_acks = after.partition('do\\": \\"ack')[0]
    if synced and f"{folder}/".startswith(f"{synced[1]}/".replace("//", "/")):
        return [] if f"<{synced[1]}>" in before_acks else [f"{synced[1]} was not synced again"]
    acknowledged = after.count('do\\": \\"ack')
    return [f"acknowledged {acknowledged} puts after a failed fsync"] if acknowledged else []


def _still_usable(bench: Bench) -> list[str]:
    """Say whether another process can use a spool that broke off."""
    if not any("disk has failed" in line["text"] for line in bench.books().refused):
        return []
    try:
        spool = Spool(bench.spool)
    except EventError:
        return []
    spool.close()
    return ["broke off, and another process can use it all the same"]


def repair(folder: str) -> None:
    """Take away what a failed fsync has left behind, as a person does who has looked at the disk."""
    path = os.path.join(folder, "spool.db")
    if os.path.exists(path):
        os.chmod(path, 0o600)
    if os.path.exists(f"{path}.failed"):
        os.unlink(f"{path}.failed")


def tour_with_a_short_write(child: Child) -> None:
    """Go on a tour on which one write of SQLite writes 10 bytes only, and says so."""
    libc = ctypes.CDLL(None)
    libc.pwrite64.restype = ctypes.c_ssize_t
    libc.pwrite64.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64)
    left = child.options["number"]

    def pwrite(fd: int, data: int, size: int, offset: int) -> int:
        nonlocal left
        left -= 1
        written: int = libc.pwrite64(fd, data, min(size, 10) if left == 0 else size, offset)
        return written

    kind = ctypes.CFUNCTYPE(ctypes.c_ssize_t, *libc.pwrite64.argtypes)
    kept = kind(pwrite)  # as long as SQLite may call it
    address = ctypes.cast(kept, ctypes.c_void_p).value or 0
    apsw.VFS("short", "unix").xSetSystemCall("pwrite64", address)
    tour(child)
    if left > 0:
        raise RuntimeError(f"the tour ended {left} writes before the short one")
    apsw.VFS("long", "unix").xSetSystemCall("pwrite64", 0)
