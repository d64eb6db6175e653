"""How much a spool holds, and what is removed from it to make room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e3_event._errors import SpoolFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import apsw

    from ._blobs import Blobs
    from ._database import Database
    from ._events import Row
    from ._purge import Progress, Purge, Purged
    from ._subscriptions import Subscriptions

#: Events that are looked at, and removed, with one commit.
CHUNK = 500
#: Seconds after which a search that found nothing to remove is worth another try.
_PATIENCE = 10.0
#: What a row takes besides its body: ids, checksums, indexes and its deliveries, about (bytes).
_OVERHEAD = 400


class Room:
    """Keeps a spool below its cap, and its history as long as it is wished for.

    Settled events make room, oldest first; if these are not enough, dead letters do, which is counted. What
    is owed is never removed.

    :param max_size: the cap, in bytes: database and attachments. The write-ahead log has a cap of its own
    :param retention: seconds that a settled event is kept, if there is room
    :param clock: seconds since the epoch
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        subscriptions: Callable[[], Subscriptions],
        max_size: int,
        retention: float,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._subscriptions = subscriptions
        self._clock = clock
        self.max_size = max_size
        self.retention = retention
        self._budget = 0
        self._vain = float("-inf")
        self._tidied = float("-inf")

    def used(self) -> int:
        """Bytes of the database that are in use, and of the attachments."""
        with self._database.reading() as connection:
            return _used(connection)

    def ensure(self, rows: Sequence[Row]) -> None:
        """Make sure that there is room for *rows*, by removing what may go if need be.

        :raises SpoolFullError: there is not; what is left is owed
        """
        need = sum(row.size + _OVERHEAD for row in rows)
        self._budget -= need
        if self._budget >= 0:
            return
        free = self.max_size - self.used() - need
        if free < 0:
            free = self._make(need)
        self._budget = free // 64  # other processes have budgets too

    def _make(self, need: int) -> int:
        """Remove what may go until *need* fits, and some more, so that not each put has to.

        :return: the room that is left
        """
        goal = self.max_size - need - self.max_size // 50
        from ._deliveries import State

        if self._clock() >= self._vain + _PATIENCE or self._clock() < self._vain:
            for state in (State.DEAD, State.AGAIN):
                for _ in self._purge.pieces(float("inf"), pinned_by=state):
                    if self.used() <= goal:
                        break
                if self.used() <= goal:
                    break
            else:
                self._vain = self._clock()
        free = self.max_size - self.used() - need
        if free < 0:
            raise SpoolFullError(
                f"the spool is full ({self.max_size} bytes) of events that are still owed; see"
                " `e3-event status`, and `max_size` in the configuration",
                self._database.path,
            )
        return free

    @property
    def _purge(self) -> Purge:
        """What removes; loaded when it is needed."""
        from ._purge import Purge

        return Purge(self._database, self._blobs, self._subscriptions(), self._clock)

    def purge(
        self, before: float | None = None, *, most: int | None = None, progress: Progress | None = None
    ) -> Purged:
        """Remove settled events that were put before a time, and give up what is owed to the unseen.

        :param before: seconds since the epoch; by default what the retention says
        :param most: look at so many at most
        :param progress: is called now and then: how many were looked at, of about how many
        """
        old = self._clock() - self.retention
        return self._purge.settled(
            old if before is None else before, unseen=old, most=most, progress=progress
        )

    def tidy(self) -> None:
        """Purge a part of what can go; not again at once if there was nothing."""
        now = self._clock()
        if not self._tidied <= now < self._tidied + _PATIENCE and not self.purge(most=4 * CHUNK).events:
            self._tidied = now


def _used(connection: apsw.Connection) -> int:
    pages = connection.pragma("page_count") - connection.pragma("freelist_count")
    blob_bytes = connection.execute("SELECT blob_bytes FROM spool").get
    return int(pages * connection.pragma("page_size") + blob_bytes)
