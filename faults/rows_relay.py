"""The rows about relays."""

from __future__ import annotations

from .clocks import jump
from .outage import come_back
from .relays import exit_in_a_handler, kill_relays, put_to_sleep
from .row import Row
from .sequences import try_sequences
from .wire import break_the_wire

ROWS: tuple[Row, ...] = (
    Row(
        number=2,
        what="kill -9 a relay",
        trial=kill_relays,
        scaled=40,
        full=1000,
        controls=("forgets what was out", "settles what it takes"),
    ),
    Row(
        number=13,
        what="a worker asleep past its lease",
        trial=put_to_sleep,
        scaled=10,
        full=200,
        controls=("believes anybody's verdict", "never looks at its lease"),
    ),
    Row(
        number=14,
        what="the clock jumps",
        trial=jump,
        scaled=16,
        full=200,
        controls=("believes times of the future", "has no patience"),
        unit="jumps",
    ),
    Row(
        number=17,
        what="replies lost, resets, silence",
        trial=break_the_wire,
        scaled=3,
        full=100,
        controls=("takes any answer for a yes",),
    ),
    Row(
        number=18,
        what="a sink comes back to 100,000 events",
        trial=come_back,
        scaled=1,
        full=10,
        controls=("knows no limit", "delivers old before new"),
    ),
    Row(
        number=19,
        what="os._exit in a handler",
        trial=exit_in_a_handler,
        scaled=10,
        full=200,
        controls=("counts no deaths", "lets all suspects out at once"),
        tries=40,
    ),
    Row(
        number=22,
        what="random sequences against a model",
        trial=try_sequences,
        scaled=1000,
        full=10_000,
        controls=("forgets what was out", "believes anybody's verdict", "counts no deaths"),
        unit="sequences",
    ),
)
