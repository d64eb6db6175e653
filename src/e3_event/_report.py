"""What became of one `send_event` call."""

from __future__ import annotations

import msgspec


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one handler did with an event.

    :ivar handler: name of the handler in its manager
    :ivar delivered: whether the other side has it
    :ivar reason: why not (secrets are masked); empty when delivered
    :ivar rejected: whether another try can't help
    :ivar retry_after: seconds that the other side asks to wait before the next try, if it said so
    :ivar duration: seconds that the call took
    """

    handler: str
    delivered: bool
    reason: str = ""
    rejected: bool = False
    retry_after: float | None = None
    duration: float = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an event, for each handler.

    :ivar name: the event's name
    :ivar uid: its uid
    :ivar snapshot_id: id of what was sent; `None` if there was nothing to send, as the event can't be read
    :ivar outcomes: one a handler, in the order of the manager
    """

    name: str
    uid: str
    snapshot_id: str | None
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """Did all handlers deliver? True as well when there is none, as documented."""
        return all(outcome.delivered for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes of those that did not deliver."""
        return tuple(outcome for outcome in self.outcomes if not outcome.delivered)

    def __str__(self) -> str:
        from ._render import plain

        lines = [f"event {self.name} ({self.uid})"]
        for outcome in self.outcomes:
            what = "delivered" if outcome.delivered else f"not delivered: {outcome.reason}"
            lines.append(f"  {outcome.handler}: {what} ({outcome.duration:.3f} s)")
        return "\n".join(map(plain, lines))
