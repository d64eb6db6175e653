"""Broken variants of the relay, as controls; made as those of the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _forget() -> None:
    """Forget what was out with a worker that died."""
    from e3_event.spool._queue import Queue

    def nothing(self: Any, connection: Any, mine: Any, now: float) -> bool:
        mine.lane.loan = []
        return False

    Queue._return_lost = nothing  # type: ignore[method-assign]


def _settle_early() -> None:
    """Write down that it is delivered when it is taken."""
    from e3_event.spool._deliveries import Delivery, State
    from e3_event.spool._queue import Queue

    turn = Queue.turn

    def early(self: Any, done: Any, limit: int = 0, **options: Any) -> Any:
        taken = turn(self, done, limit, **options)
        now = self._clock()
        turn(self, [Delivery(one.seq, self.number, State.DELIVERED, 1, 0, 0.0, now) for one in taken])
        return taken

    Queue.turn = early  # type: ignore[method-assign]


def _believe_anybody() -> None:
    """Take verdicts of whoever had the lease once."""
    from e3_event.spool._queue import Queue
    from e3_event.spool._subscriptions import load

    Queue._mine = lambda self, connection: load(connection, self.number)  # type: ignore[method-assign]


def _never_look_at_the_lease() -> None:
    """Go on with what was taken, however long ago."""
    from e3_event.spool._queue import Queue

    Queue.may_be_lost = lambda self, now: False  # type: ignore[method-assign]


def _count_no_deaths() -> None:
    """Try what kills its worker again and again."""
    from e3_event.spool import _queue

    _queue.MOST_CRASHES = 10**9


def _suspect_all() -> None:
    """Let all that was out at a death be out at the next one, too."""
    from e3_event._relay._worker import Worker

    Worker._be_alone = lambda self: True  # type: ignore[method-assign]


def _believe_old_times() -> None:
    """Wait for the times that a clock wrote down which has been set back since."""
    from e3_event._relay._worker import Worker
    from e3_event.spool import _queue

    Worker.take_anew = lambda self: None  # type: ignore[method-assign]
    _queue._CLOCK_SLACK = float("inf")


def _no_patience() -> None:
    """Try again at once."""
    from e3_event._relay._sink import Sink
    from e3_event._retry import RetryPolicy

    RetryPolicy.delay = lambda self, *_, **__: 0.0  # type: ignore[method-assign]
    Sink.wait = lambda self, now: 0.0  # type: ignore[method-assign]


def _believe_in_success() -> None:
    """Take any answer for a yes."""
    from e3_event._relay import _worker
    from e3_event._retry import Delivered

    vars(_worker)["judge"] = lambda *_, **__: Delivered()


def _no_rate() -> None:
    """Know no limit."""
    from e3_event._relay._rate import Rate

    Rate.allowed = lambda self, now: 1e9  # type: ignore[method-assign]


def _old_before_new() -> None:
    """Let new events wait behind a backlog."""
    from e3_event.spool._queue import Queue

    Queue._behind_new = lambda self, mine, live: mine.lane.backlog  # type: ignore[method-assign]


VARIANTS: dict[str, Callable[[], None]] = {
    "forgets what was out": _forget,
    "settles what it takes": _settle_early,
    "believes anybody's verdict": _believe_anybody,
    "never looks at its lease": _never_look_at_the_lease,
    "counts no deaths": _count_no_deaths,
    "lets all suspects out at once": _suspect_all,
    "believes times of the future": _believe_old_times,
    "has no patience": _no_patience,
    "takes any answer for a yes": _believe_in_success,
    "knows no limit": _no_rate,
    "delivers old before new": _old_before_new,
}
