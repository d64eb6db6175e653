"""The rows: what is measured, how much of it, and what is to be reached."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Goal:
    """What a ratio has to be.

    :ivar limit: the ratio
    :ivar faster: it says how many times as fast as the other side we are (at least *limit*); otherwise it is
        our cost in costs of the other side (at most *limit*)
    """

    limit: float
    faster: bool = False

    def ratio(self, ours: float, other: float) -> float:
        return other / ours if self.faster else ours / other

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.faster else ratio <= self.limit

    def __str__(self) -> str:
        return f">= {self.limit:g}x as fast" if self.faster else f"<= {self.limit:g}x"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    :ivar name: its name on the command line
    :ivar what: its name in the table, with `{size}` or `{bytes}` for its size
    :ivar goal: what is to be reached; None: the row informs
    :ivar works: side -> module and function of its work, `ours` first. Ours is compared with the last one:
        another product, ours again in another situation, or the floor
    :ivar count: operations in a batch
    :ivar other_count: those of the side that ours is compared with, if one of its takes as long as a batch of
        the others; 0: as many
    :ivar seconds: time for the batches of all sides; `--quick` takes a tenth
    :ivar unit: of the values: `s` or `MB`
    :ivar server: the server that it needs
    :ivar sizes: of what the operation works on: as it should be, and with `--quick`
    :ivar kept: it needs a spool that keeps so many events
    """

    name: str
    what: str
    goal: Goal | None
    works: Mapping[str, str]
    count: int = 1
    seconds: float = 5.0
    unit: str = "s"
    server: str = ""
    other_count: int = 0
    sizes: tuple[int, int] = (0, 0)
    kept: bool = False

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(self.works)

    @property
    def other(self) -> str:
        """The side that ours is compared with."""
        return self.sides[-1]

    @property
    def size(self) -> int:
        return self.sizes[0]

    def quick(self) -> Row:
        """The same with `--quick`: a tenth of the time, a smaller size."""
        return replace(self, seconds=self.seconds / 10, sizes=(self.sizes[1],) * 2)

    def title(self) -> str:
        """Its name in the table."""
        return self.what.format(size=_number(self.size), bytes=_bytes(self.size))

    def batch(self, side: str) -> int:
        """Operations in a batch of *side*."""
        return (side == self.other and self.other_count) or self.count


def _number(number: int) -> str:
    """A number as people say it: `5 M`, `200 k`."""
    for factor, unit in ((1_000_000, " M"), (1_000, " k")):
        if number >= factor:
            return f"{number / factor:g}{unit}"
    return str(number)


def _bytes(number: int) -> str:
    return f"{number >> 30} GiB" if number >= 1 << 30 else f"{number >> 20} MiB"


def _beside_e3(
    name: str,
    what: str,
    goal: Goal | None,
    count: int = 1,
    seconds: float = 5.0,
    floor: bool = True,
    **options: Any,
) -> Row:
    """A row of the same program with ours and with e3-core."""
    function = name.replace("-", "_")
    works = {"ours": f"tasks.{function}", "floor": f"floors.{function}", "e3": f"tasks.{function}"}
    if not floor:
        del works["floor"]
    return Row(name, what, goal, works, count, seconds, **options)


#: Against e3-core.
ROWS = (
    _beside_e3("import-time", "import, time", Goal(0.33)),
    _beside_e3("import-memory", "import, memory", Goal(0.4), unit="MB"),
    _beside_e3("first-event", "import, and a first event to file", None, floor=False),
    _beside_e3("create", "create, 5 attributes, close", Goal(0.5), 2000),
    _beside_e3("as-dict", "as_dict", None, 3000),
    _beside_e3("dump", "dump", Goal(0.8), 20),
    _beside_e3("load", "load", Goal(0.5), 500),
    _beside_e3("send-file", "create, send to file", Goal(0.6), 20),
    _beside_e3("send-logging", "create, send to logging", Goal(0.7), 300),
    _beside_e3("send-smtp", "create, send to smtp, TLS", Goal(1.8, faster=True), 10, 8.0, server="smtp"),
    _beside_e3("build-mail", "build a mail with 1 MB", Goal(0.4), 2, 6.0),
    _beside_e3("send-s3", "create, send to s3", Goal(120, faster=True), 10, 12.0, server="s3", other_count=1),
    _beside_e3(
        "send-s3-log",
        "create, send to s3, 1 MB log",
        Goal(60, faster=True),
        10,
        14.0,
        server="s3",
        other_count=1,
    ),
    _beside_e3("attach", "attach 1 GiB", Goal(1.05), 1, 16.0),
)


_MEMORY = "create, send to a list as JSON"

#: Against others in the same class, on the thread that calls; run with `--peers`.
PEER_ROWS = tuple(
    Row(
        name,
        what,
        Goal(1.0),
        {"ours": f"tasks.{ours}", peer: f"peers.{name.replace('-', '_')}"},
        count,
        4.0,
        server=server,
    )
    for name, what, peer, ours, count, server in (
        ("memory-structlog", _MEMORY, "structlog", "send_memory", 500, ""),
        ("memory-cloudevents", _MEMORY, "cloudevents", "send_memory", 500, ""),
        ("memory-opentelemetry", _MEMORY, "opentelemetry", "send_memory", 500, ""),
        ("memory-sentry", _MEMORY, "sentry-sdk", "send_memory", 50, "http"),
        ("logging-structlog", "create, send to logging", "structlog", "send_logging", 300, ""),
        ("file-cloudevents", "create, send to file", "cloudevents", "send_file", 20, ""),
        ("smtp-apprise", "create, send to smtp, TLS", "apprise", "send_smtp", 5, "smtp"),
    )
)


def _of_spool(
    name: str,
    what: str,
    goal: Goal,
    count: int = 1,
    seconds: float = 5.0,
    *,
    floor: str | None = None,
    again: tuple[str, str] = ("", ""),
    **options: Any,
) -> Row:
    """A row of the spool or the relay, which e3-core has nothing like.

    :param floor: the function that is its floor, if it is not that of its name; empty: there is none
    :param again: ours is compared not with the floor but with ours again: the side's name, its function
    """
    function = name.replace("-", "_")
    topic = "relay" if name.startswith("relay-") else "spool"
    works = {"ours": f"{topic}_tasks.{function}"}
    if floor != "":
        works["floor"] = f"{topic}_floors.{floor or function}"
    if again[0]:
        works[again[0]] = f"{topic}_tasks.{again[1]}"
    return Row(name, what, goal, works, count, seconds, **options)


#: The spool and the relay.
SPOOL_ROWS = (
    _of_spool("put", "durable put", Goal(1.1), 100),
    _of_spool("put-first", "the first 1,000 into a new spool", Goal(1.7), 1000, 6.0),
    _of_spool(
        "put-many",
        "put_many of 100",
        Goal(25, faster=True),
        2000,
        again=("one by one", "put"),
        other_count=100,
    ),
    _of_spool(
        "put-threads",
        "put by 16 threads",
        Goal(3, faster=True),
        1600,
        again=("one thread", "put"),
        other_count=100,
    ),
    _of_spool(
        "put-processes",
        "put by 4 processes",
        Goal(0.85, faster=True),
        1200,
        8.0,
        again=("one process", "put_process"),
    ),
    _of_spool(
        "put-kept",
        "put, {size} events kept",
        Goal(1.2),
        100,
        floor="put",
        again=("none kept", "put"),
        sizes=(5_000_000, 100_000),
        kept=True,
    ),
    _of_spool("capture", "put, an attachment of {bytes}", Goal(1.3), 1, 12.0, sizes=(2**30, 2**26)),
    _of_spool(
        "capture-memory",
        "put, {bytes} attached, peak memory",
        Goal(1.5),
        1,
        4.0,
        floor="",
        again=("1/16 of it", "capture_memory_small"),
        unit="MB",
        sizes=(2**29, 2**26),
    ),
    _of_spool(
        "ls",
        "e3-event ls, {size} events kept",
        Goal(3),
        1,
        8.0,
        floor="",
        again=("1 k kept", "ls_few"),
        sizes=(1_000_000, 100_000),
        kept=True,
    ),
    _of_spool("relay-one", "relay, a handler that counts", Goal(0.4, faster=True), 20_000, 6.0),
    _of_spool("relay-eight", "relay, 8 handlers that count", Goal(0.4, faster=True), 24_000, 6.0),
    _of_spool(
        "relay-kept",
        "relay, {size} events kept",
        Goal(1.2),
        10_000,
        6.0,
        floor="relay_one",
        again=("1 k kept", "relay_kept_few"),
        sizes=(5_000_000, 100_000),
        kept=True,
    ),
    _of_spool(
        "relay-dead",
        "relay, 7 beside a dead handler",
        Goal(0.95, faster=True),
        21_000,
        6.0,
        floor="",
        again=("7 alone", "relay_seven"),
    ),
)
