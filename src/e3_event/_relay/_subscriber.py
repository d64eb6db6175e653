"""A handler as a relay serves it: whose deliveries it gets, how it is made, how it is tried."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003  msgspec reads the annotations
from typing import Literal

import msgspec

from e3_event._handler import EventHandler  # noqa: TC001
from e3_event._retry import DEADLINE, RetryPolicy
from e3_event.spool import Key  # noqa: TC001


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """A handler as a relay serves it.

    :ivar key: the subscription whose deliveries it gets
    :ivar build: makes the handler; called again when one hangs
    :ivar retry: how long a delivery is tried
    :ivar order: `strict`: an event that can't be delivered blocks those behind it
    :ivar rate: deliveries a second at most; `None`: as many as it takes
    :ivar deadline: seconds that a call of the handler may take before it is taken to hang
    """

    key: Key
    build: Callable[[], EventHandler]
    retry: RetryPolicy = RetryPolicy()
    order: Literal["strict", "live"] = "live"
    rate: float | None = None
    deadline: float = DEADLINE

    @property
    def name(self) -> str:
        """The handler's name."""
        return self.key.name
