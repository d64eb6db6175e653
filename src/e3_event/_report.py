"""What became of one `send_event` call."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """What one handler did with an event.

    :ivar handler: name of the handler in its manager; `spool` for the spool of `record` and the command
    :ivar delivered: whether the other side has it
    :ivar waiting: not delivered, but kept in a spool, to be delivered later
    :ivar in_front: whether it is the spool in front of the others
    :ivar reason: why not (secrets are masked); empty when delivered, and when it waits for its turn only
    :ivar rejected: whether another try can't help
    :ivar retry_after: seconds that the other side asks to wait before the next try, if it said so
    :ivar duration: seconds that the call took
    """

    handler: str
    delivered: bool
    waiting: bool = False
    in_front: bool = False
    reason: str = ""
    rejected: bool = False
    retry_after: float | None = None
    duration: float = 0.0


class Report(NamedTuple):
    """What became of an event, for each handler.

    :ivar name: the event's name
    :ivar uid: its uid
    :ivar snapshot_id: id of what was sent; `None` if there was nothing to send, as the event can't be read
    :ivar outcomes: one a handler, in the order of the manager, after that of a spool in front of them
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
    def kept(self) -> bool:
        """Is nothing lost: has each handler delivered it, or will it get it from a spool? Where only a spool
        has it, that counts. Without a spool the same as `ok`.
        """
        behind = [outcome for outcome in self.outcomes if not outcome.in_front] or self.outcomes
        return all(outcome.delivered or outcome.waiting for outcome in behind)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes of those that did not deliver it, and won't get it from a spool either."""
        return tuple(outcome for outcome in self.outcomes if not (outcome.delivered or outcome.waiting))

    @property
    def waiting(self) -> tuple[Outcome, ...]:
        """The outcomes of those that will get it from a spool."""
        return tuple(outcome for outcome in self.outcomes if outcome.waiting)

    def __str__(self) -> str:
        from ._render import plain

        outcomes = [f"  {one.handler}: {_told(one)} ({one.duration:.3f} s)" for one in self.outcomes]
        return "\n".join(map(plain, [f"event {self.name} ({self.uid})", *outcomes]))


def _told(outcome: Outcome) -> str:
    if outcome.delivered:
        return "delivered"
    what = "waits in the spool" if outcome.waiting else "not delivered"
    return f"{what}: {outcome.reason}" if outcome.reason else what
