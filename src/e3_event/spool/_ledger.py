"""The ledger: what a spool holds, what became of it, and what people decide about it."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from e3_event._codec import as_text
from e3_event._errors import SpoolError

from . import _decisions
from ._database import NOBODY
from ._deliveries import State
from ._events import UNREADABLE
from ._filter import ALL
from ._find import AmbiguousError, UnknownError, abbreviated, find, rows_of_snapshot
from ._hits import read_hits
from ._search import Search
from ._shown import read_content, read_shown
from ._standings import Standings, is_called, label, members
from ._walk import open_seqs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    import apsw

    from ._blobs import Blobs
    from ._database import Database
    from ._filter import Filter
    from ._hits import Hit
    from ._room import Room
    from ._shown import Shown
    from ._standings import Member, Standing
    from ._status import Status

    #: Is called now and then: how much is done, of how much.
    Progress = Callable[[int, int], None]

_SOME = 500


class DeadLetter(NamedTuple):
    """A delivery that was given up."""

    hit: Hit
    standing: Standing


class Ledger:
    """What a spool holds and what became of it, for people. Damaged records are shown as such.

    Nothing here reads for long at once, so that nobody who writes waits for it.

    :param clock: seconds since the epoch
    """

    def __init__(self, database: Database, blobs: Blobs, room: Room, clock: Callable[[], float]) -> None:
        self._database = database
        self._blobs = blobs
        self._room = room
        self._clock = clock

    def events(
        self, wanted: Filter = ALL, limit: int | None = None, *, progress: Progress | None = None
    ) -> Iterator[Hit]:
        """Yield the snapshots that fit, the newest first, at most so many.

        :param wanted: its `parent` may be the beginning of a uid
        :raises UnknownError: there is no such handler, or the beginning fits several events
        """
        if wanted.handler:
            self._called(wanted.handler)
        if wanted.parent and (parent := self._meant(wanted.parent)):
            wanted = wanted._replace(parent=parent.uid)
        return Search(self._database, wanted, progress).hits(limit)

    def latest(self, uid: str) -> Hit | None:
        """The newest snapshot of an event; `None`: there is none here."""
        try:
            found = self._meant(uid)
        except AmbiguousError:  # the beginning of others
            return None
        return found if found and found.uid == as_text(uid) else None

    def _meant(self, text: str) -> Hit | None:
        """The snapshot that `show` shows, or `None`.

        :raises AmbiguousError: there are several that could be meant
        """
        try:
            seqs = self.find(text)
        except AmbiguousError:
            raise
        except UnknownError:
            return None
        with self._reading() as connection:
            hits = read_hits(connection, seqs[:1])
        return hits[0] if hits else None

    def newest(self) -> int:
        """The seq of the newest event; 0 if there never was one."""
        with self._reading():
            return self._database.newest()

    def tail(self, after: int, limit: int = _SOME) -> list[Hit]:
        """The snapshots that were put behind *after* (a seq), in their order, at most so many."""
        with self._reading() as connection:
            try:
                rows: Any = connection.execute(
                    f"SELECT seq FROM event WHERE seq > ? AND audience <> {NOBODY} ORDER BY seq LIMIT ?",
                    (after, limit),
                ).fetchall()
                seqs = [seq for (seq,) in rows]
            except UNREADABLE:
                seqs = list(range(after + 1, min(self._database.newest(), after + limit) + 1))
            return sorted(read_hits(connection, seqs), key=lambda hit: hit.seq)

    def find(self, text: str) -> list[int]:
        """The snapshots that are meant by a uid, a snapshot_id, or the beginning of either.

        :return: their seqs, the newest first: all of a uid, or the one of a snapshot_id
        :raises UnknownError: there is none, or the beginning fits several
        """
        with self._reading() as connection:
            return find(connection, as_text(text))

    def abbreviated(self, uid: str) -> str:
        """The beginning of a uid that is enough to find it."""
        try:
            with self._reading() as connection:
                return abbreviated(connection, as_text(uid))
        except (SpoolError, *UNREADABLE):
            return uid

    def show(self, text: str) -> Shown:
        """All that is known of a snapshot; of the newest one, if *text* is a uid.

        :param text: a uid, a snapshot_id, or the beginning of either
        :raises UnknownError: there is none, or the beginning fits several
        """
        seqs = self.find(text)
        with self._reading() as connection:
            return read_shown(connection, self._blobs, seqs[:_SOME])

    def open(self, shown: Shown, name: str) -> BinaryIO:
        """Open an attachment at its start.

        :raises UnknownError: there is none of this name
        :raises OSError: it is missing or damaged
        """
        place, captured = shown.attachment(name)
        if captured.file:
            return self._blobs.open(self._blobs.path(shown.hit.snapshot_id, captured, None), captured)
        with self._reading() as connection:
            return io.BytesIO(read_content(connection, shown.hit, place))

    def deliveries_of(self, snapshot_id: str) -> list[Standing]:
        """What became of a snapshot with each subscription that it is owed to.

        :raises UnknownError: there is no such snapshot
        """
        with self._reading() as connection:
            rows = rows_of_snapshot(connection, snapshot_id)
            if not rows:
                raise UnknownError(f"there is no snapshot {snapshot_id}")
            return list(Standings(connection).of(rows)[rows[0][0]])

    def handlers(self) -> list[Member]:
        """All subscriptions by name, the damaged and the forgotten ones as well."""
        with self._reading() as connection:
            return members(connection)

    def dead(self, *, event: str = "", handler: str = "", since: float = 0.0) -> Iterator[DeadLetter]:
        """Yield the dead letters, those of the newest events first.

        :param event: only of this one: a uid, a snapshot_id, or the beginning of either
        :param handler: only of these subscriptions: a name, or `name@` and the beginning of a fingerprint
        :param since: only of events that were put since (seconds since the epoch)
        :raises UnknownError: there is no such event or handler
        """
        chosen = self._called(handler)
        wanted = frozenset(self.find(event)) if event else None
        dead = [
            (seq, one)
            for one in chosen
            for seq in open_seqs(self._database, one.id, State.DEAD)
            if wanted is None or seq in wanted
        ]
        dead.sort(key=lambda letter: (-letter[0], letter[1].key))
        return self._dead(dead, since)

    def _dead(self, letters: Sequence[tuple[int, Member]], since: float) -> Iterator[DeadLetter]:
        for start in range(0, len(letters), _SOME):
            some = letters[start : start + _SOME]
            with self._reading() as connection:
                hits = {hit.seq: hit for hit in read_hits(connection, sorted({seq for seq, _ in some}))}
            for seq, member in some:
                hit = hits.get(seq)
                if hit is not None and hit.put >= since:
                    mine = [one for one in hit.standings if one.subscription == member.id]
                    yield from (DeadLetter(hit, standing) for standing in mine)

    def status(self) -> Status:
        """What waits, for whom and since when, and what needs a person."""
        from ._status import read_status  # lists do without it

        return read_status(self._database, self._room, self._clock())

    def retry(
        self,
        *,
        event: str = "",
        handler: str = "",
        since: float = 0.0,
        dead_only: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, int]:
        """Let what was to be tried again, or was given up, be tried now, as if for the first time.

        :param event: a uid, a snapshot_id, or the beginning of either; empty: any
        :param handler: only of these subscriptions
        :param since: only of events that were put since (seconds since the epoch)
        :param dead_only: only what was given up
        :return: how many deliveries, by subscription
        :raises UnknownError: there is no such event or handler
        """
        return self._decide(_decisions.RETRY, event, handler, since, dead_only, progress)

    def drop(
        self, *, event: str = "", handler: str = "", since: float = 0.0, progress: Progress | None = None
    ) -> dict[str, int]:
        """Let dead letters be: they are kept as history. Otherwise as `retry`."""
        return self._decide(_decisions.DROP, event, handler, since, True, progress)

    def _decide(
        self,
        decision: _decisions.Decision,
        event: str,
        handler: str,
        since: float,
        dead_only: bool,
        progress: Progress | None,
    ) -> dict[str, int]:
        chosen = self._called(handler)
        seqs = self.find(event) if event else None
        states = (State.DEAD,) if dead_only else (State.AGAIN, State.DEAD)
        wanted = _decisions.Selection(states, seqs, since)
        with self._damage():
            return _decisions.decide(self._database, decision, chosen, wanted, self._clock, progress)

    def replay(self, handler: str, since: float, *, progress: Progress | None = None) -> dict[str, int]:
        """Let the events of its audience that were put since a time be delivered again, dead letters as well.

        :return: how many events, by subscription
        :raises UnknownError: there is no such handler
        """
        return {
            label(one.key): _decisions.replay(self._database, one, since, progress)
            for one in self._called(handler)
        }

    def forget(self, handler: str, *, progress: Progress | None = None) -> dict[str, int]:
        """Drop all that handlers are owed; they are owed nothing more until they are configured again.

        :return: how many deliveries, by subscription
        :raises UnknownError: there is no such handler
        :raises SpoolError: one is served right now
        """
        return {
            label(one.key): _decisions.forget(self._database, one, self._clock, progress)
            for one in self._called(handler)
        }

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        """As that of the database; a text that is damaged is an error of the spool, too."""
        with self._damage(), self._database.reading() as connection:
            yield connection

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            raise SpoolError(
                f"a record is damaged ({error}); run `e3-event fsck`", self._database.path
            ) from error

    def _called(self, handler: str) -> list[Member]:
        """The subscriptions that a name means; all, if it is empty."""
        known = self.handlers()
        chosen = [one for one in known if not handler or is_called(one.key, handler)]
        if handler and not chosen:
            names = ", ".join(dict.fromkeys(label(one.key) for one in known)) or "none"
            raise UnknownError(f"nobody called {handler!r} was ever owed an event here; there are: {names}")
        return chosen
