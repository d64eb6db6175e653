"""The rows about hostile input."""

from __future__ import annotations

from .foreign import trespass
from .row import Row

ROWS: tuple[Row, ...] = (
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
