"""The rows: what is measured, how much of it, and what is to be reached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """What a ratio has to be.

    :ivar limit: the ratio
    :ivar faster: it says how many times as fast as the peer we are (at least *limit*); otherwise it is our
        cost in costs of the peer (at most *limit*)
    """

    limit: float
    faster: bool = False

    def ratio(self, ours: float, peer: float) -> float:
        return peer / ours if self.faster else ours / peer

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.faster else ratio <= self.limit

    def __str__(self) -> str:
        return f">= {self.limit:g}x as fast" if self.faster else f"<= {self.limit:g}x"


@dataclass(frozen=True)
class Row:
    """One line of the table; its work is the function of the same name in `tasks`, `floors` and `peers`.

    :ivar name: its name on the command line
    :ivar what: its name in the table
    :ivar goal: what is to be reached; None: the row informs
    :ivar count: operations in a batch
    :ivar peer_count: those of the peer, if one of its takes as long as a batch of the others; 0: as many
    :ivar seconds: time for the batches of all sides; `--quick` takes a tenth
    :ivar unit: of the values: `s` or `MB`
    :ivar server: the server that it needs
    :ivar floor: is there a raw operation to compare with?
    :ivar peer: the side that it is compared with
    :ivar ours: name of the row whose work ours is, if it is not this one
    """

    name: str
    what: str
    goal: Goal | None
    count: int = 1
    seconds: float = 5.0
    unit: str = "s"
    server: str = ""
    floor: bool = True
    peer: str = "e3"
    ours: str = ""
    peer_count: int = 0

    @property
    def sides(self) -> tuple[str, ...]:
        return ("ours", "floor", self.peer) if self.floor else ("ours", self.peer)

    def batch(self, side: str) -> int:
        """Operations in a batch of *side*."""
        return (side == self.peer and self.peer_count) or self.count

    def function(self, side: str) -> str:
        """Name of the function that does the work of *side*."""
        return ((side == "ours" and self.ours) or self.name).replace("-", "_")


#: Against e3-core.
ROWS = (
    Row("import-time", "import, time", Goal(0.33)),
    Row("import-memory", "import, memory", Goal(0.4), unit="MB"),
    Row("first-event", "import, and a first event to file", None, floor=False),
    Row("create", "create, 5 attributes, close", Goal(0.5), 2000),
    Row("as-dict", "as_dict", None, 3000),
    Row("dump", "dump", Goal(0.8), 20),
    Row("load", "load", Goal(0.5), 500),
    Row("send-file", "create, send to file", Goal(0.6), 20),
    Row("send-logging", "create, send to logging", Goal(0.7), 300),
    Row("send-smtp", "create, send to smtp, TLS", Goal(1.8, faster=True), 10, 8.0, server="smtp"),
    Row("build-mail", "build a mail with 1 MB", Goal(0.4), 2, 6.0),
    Row("send-s3", "create, send to s3", Goal(120, faster=True), 10, 12.0, server="s3", peer_count=1),
    Row(
        "send-s3-log",
        "create, send to s3, 1 MB log",
        Goal(60, faster=True),
        10,
        14.0,
        server="s3",
        peer_count=1,
    ),
    Row("attach", "attach 1 GiB", Goal(1.05), 1, 16.0),
)

_MEMORY = "create, send to a list as JSON"

#: Against others in the same class, on the thread that calls; run with `--peers`.
PEER_ROWS = tuple(
    Row(name, what, Goal(1.0), count, 4.0, floor=False, peer=peer, ours=ours, server=server)
    for name, what, peer, ours, count, server in (
        ("memory-structlog", _MEMORY, "structlog", "send-memory", 500, ""),
        ("memory-cloudevents", _MEMORY, "cloudevents", "send-memory", 500, ""),
        ("memory-opentelemetry", _MEMORY, "opentelemetry", "send-memory", 500, ""),
        ("memory-sentry", _MEMORY, "sentry-sdk", "send-memory", 50, "http"),
        ("logging-structlog", "create, send to logging", "structlog", "send-logging", 300, ""),
        ("file-cloudevents", "create, send to file", "cloudevents", "send-file", 20, ""),
        ("smtp-apprise", "create, send to smtp, TLS", "apprise", "send-smtp", 5, "smtp"),
    )
)
