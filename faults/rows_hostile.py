"""The rows about hostile input."""

from __future__ import annotations

from .betrayal import betray
from .foreign import trespass
from .odd_files import attach_oddities
from .odd_json import feed
from .row import Row

ROWS: tuple[Row, ...] = (
    Row(
        number="H1",
        what="a dump that names a secret",
        trial=betray,
        scaled=60,
        full=1000,
        controls=("opens whatever a dump names",),
        unit="attacks",
    ),
    Row(
        number="H4",
        what="a FIFO, device, socket or link",
        trial=attach_oddities,
        scaled=60,
        full=1000,
        controls=("opens whatever there is",),
        unit="attacks",
    ),
    Row(
        number="H5",
        what="JSON that is too much, or none",
        trial=feed,
        scaled=75,
        full=1000,
        controls=("reads any JSON",),
        unit="attacks",
    ),
    Row(
        number="H13",
        what="a spool that is open to others",
        trial=trespass,
        scaled=60,
        full=1000,
        controls=("does not look at its folder",),
        unit="attacks",
    ),
)
