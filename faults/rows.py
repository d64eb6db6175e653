"""The table of all rows."""

from __future__ import annotations

from . import calls, errors, rows_hostile, rows_relay
from .calls import kill_at_call
from .crowd import read_for_ever
from .errors import fail_a_call
from .family import fork_and_end
from .flips import flip_bits
from .folders import forbid
from .images import crash_anywhere
from .jobs import cut_power_of_jobs, kill_jobs
from .kills import kill_writers
from .machine import EXT4, MOUNT, STRACE
from .memory import starve
from .power import cut_power
from .row import Row
from .slow import slow_fsync
from .space import cap_files, fill_disk

ROWS: tuple[Row, ...] = (
    Row(
        number=1,
        what="kill -9 a writer",
        trial=kill_writers,
        scaled=40,
        full=1000,
        controls=("acknowledges before the commit",),
    ),
    Row(
        number=3,
        what="kill at every system call",
        trial=kill_at_call,
        scaled=60,
        full=calls.count,
        controls=("acknowledges before the commit",),
        needs=STRACE,
        unit="calls",
        short=4,
    ),
    Row(
        number=4,
        what="power cut (ext4)",
        trial=cut_power,
        scaled=40,
        full=500,
        controls=("synchronous=NORMAL", "no fsync of files"),
        needs=EXT4,
    ),
    Row(
        number=5,
        what="torn and dropped writes",
        trial=crash_anywhere,
        scaled=2500,
        full=100_000,
        controls=("synchronous=NORMAL", "no fsync of files", "no fsync of folders"),
        needs=STRACE,
        unit="images",
    ),
    Row(
        number=6,
        what="disk full, inodes used up",
        trial=fill_disk,
        scaled=9,
        full=180,
        controls=("swallows errors",),
        needs=EXT4,
        short=3,
    ),
    Row(
        number=7,
        what="cap on the size of files",
        trial=cap_files,
        scaled=30,
        full=500,
        short=4,
        controls=("swallows errors",),
    ),
    Row(
        number=8,
        what="EIO, ENOSPC, short writes",
        trial=fail_a_call,
        scaled=60,
        full=errors.count,
        controls=("swallows errors", "tries a failed fsync again"),
        needs=STRACE,
        unit="calls",
        tries=100,
        short=5,
    ),
    Row(
        number=9,
        what="slow fsync (0.2 s)",
        trial=slow_fsync,
        scaled=2,
        full=20,
        controls=("a commit for each put",),
        needs=STRACE,
    ),
    Row(
        number=10,
        what="read-only, deleted, no descriptors",
        trial=forbid,
        scaled=16,
        full=320,
        controls=("looks at its file once", "swallows errors"),
        needs=(MOUNT,),
        short=4,
    ),
    Row(
        number=11,
        what="flipped bits, cut files",
        trial=flip_bits,
        scaled=200,
        full=5000,
        controls=("trusts its checksums", "does not look at its mark", "does not verify attachments"),
        unit="hits",
    ),
    Row(
        number=12,
        what="out of memory",
        trial=starve,
        scaled=16,
        full=400,
        short=4,
        controls=("swallows errors",),
    ),
    Row(
        number=15,
        what="forks, os._exit, SIGTERM",
        trial=fork_and_end,
        scaled=30,
        full=1000,
        controls=("no notice of forks",),
    ),
    Row(
        number=16,
        what="a reader that never ends",
        trial=read_for_ever,
        scaled=2,
        full=20,
        controls=("never writes the log back",),
    ),
    Row(
        number="J1",
        what="kill -9 e3-event run, its job, both",
        trial=kill_jobs,
        scaled=40,
        full=500,
        controls=("writes down no runs", "gives a run two ids"),
    ),
    Row(
        number="J2",
        what="power cut while jobs run (ext4)",
        trial=cut_power_of_jobs,
        scaled=40,
        full=500,
        controls=("writes down no runs", "no fsync of files", "no fsync of folders"),
        needs=EXT4,
    ),
    *rows_relay.ROWS,
    *rows_hostile.ROWS,
)
