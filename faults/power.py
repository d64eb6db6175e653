"""Row 4: the power is cut under a file system of its own, which forgets what was not synced."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from typing import TYPE_CHECKING

from .bench import Bench, Outcome
from .kills import put_endlessly
from .machine import copied, make_ext4, mounted
from .promise import Books, broken_promises

if TYPE_CHECKING:
    import subprocess

#: Cuts of one trial; the writer of each goes on where the last one was cut off.
CUTS = 4
#: Seconds at most that a writer lives.
LONGEST = 0.25
#: Bytes of the file system.
SIZE = 64 << 20
#: The request by which ext4 and XFS stop at once, and its argument: the log is not written either.
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, struct.pack("I", 2)


def cut_power(bench: Bench) -> Outcome:
    """Cut the power at random moments of a writer; look at what the disk holds then."""
    image, disk = bench.path("image"), bench.path("disk")
    make_ext4(image, SIZE)
    outcome = Outcome()
    for _ in range(1 if bench.is_short else CUTS):
        with mounted(image, disk, "-o", "loop"):
            writer = bench.child(put_endlessly, spool=os.path.join(disk, "spool"))
            bench.hear(writer, "begins")
            time.sleep(bench.random.uniform(0, LONGEST))  # the moment is the fault
            books = _cut(bench, writer, disk)
        image = copied(image)
        with mounted(image, disk, "-o", "loop"):
            outcome.add(broken_promises(os.path.join(disk, "spool"), books))
    return outcome


def cut(disk: str) -> None:
    """Have a file system forget what was not synced, and take nothing any more."""
    fd = os.open(disk, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, _SHUTDOWN, _NO_LOG_FLUSH)
    finally:
        os.close(fd)


def _cut(bench: Bench, writer: subprocess.Popen[str], disk: str) -> Books:
    """Cut the power under *disk*; return what was acknowledged before."""
    books = bench.books()  # before the cut: what is acknowledged later does not count
    try:
        cut(disk)
    finally:
        bench.kill(writer)
    os.truncate(bench.journal, books.size)  # nor does it count when the power is cut again
    return books
