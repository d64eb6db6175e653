"""The table of all rows."""

from __future__ import annotations

from .kills import kill_writers
from .machine import EXT4
from .power import cut_power
from .row import Row

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
        number=4,
        what="power cut (ext4)",
        trial=cut_power,
        scaled=40,
        full=500,
        controls=("synchronous=NORMAL", "no fsync of files"),
        needs=EXT4,
    ),
)
