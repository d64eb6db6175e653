"""Puts right what a check has found in a database: what is intact stays, what is owed is not forgotten."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import apsw

from e3_event._ids import unique_id
from e3_event.spool import _deliveries, _totals
from e3_event.spool._database import NOBODY
from e3_event.spool._deliveries import Delivery, State
from e3_event.spool._disk import sync_folder
from e3_event.spool._events import AWAY, CONFIGURED, NOBODY_AT_ALL, UNREADABLE, Audience, Found, stand_in
from e3_event.spool._key import Key
from e3_event.spool._pending import is_untold
from e3_event.spool._subscriptions import (
    LOST_MEMBERS,
    Lane,
    Subscription,
    audience_checksum,
    audiences,
    checked,
    has_origin,
    members_of,
    save,
)
from e3_event.spool._totals import Totals

from ._findings import Kind
from ._inspect import Seen, gaps, known_members, problem_of_event, read_event
from ._remains import free_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ._findings import Finding

#: In this order: what is owed can only be told once it is known how far the handlers have come.
ORDER = (
    Kind.HANDLER,
    Kind.ATTACHMENT,
    Kind.EVENT,
    Kind.MISSING,
    Kind.AUDIENCE,
    Kind.DELIVERY,
    Kind.UNKNOWN,
    Kind.TOTALS,
    Kind.LOST,
)


def in_order(found: Iterable[Finding]) -> list[Finding]:
    """What can be put right in a database, in the order in which that is to be done."""
    return sorted((one for one in found if one.kind in ORDER), key=lambda one: ORDER.index(one.kind))


class Mender:
    """Puts right what was found. Each call is to be one transaction, during which nobody else writes.

    :param connection: of the database
    :param path: of the spool
    :param now: seconds since the epoch
    """

    def __init__(self, connection: apsw.Connection, path: str, now: float) -> None:
        self._connection = connection
        self._path = path
        self._now = now

    def mend(self, finding: Finding) -> Finding:
        """Put it right; return it with what was done."""
        ways: dict[Kind, Callable[..., str]] = {
            Kind.HANDLER: self._handler,
            Kind.EVENT: self._event,
            Kind.MISSING: self._missing,
            Kind.AUDIENCE: self._audience,
            Kind.ATTACHMENT: self._attachment,
            Kind.DELIVERY: self._delivery,
            Kind.UNKNOWN: self._unknown,
            Kind.TOTALS: self.recount,
            Kind.LOST: self._lost,
        }
        return finding._replace(done=ways[finding.kind](*finding.key) or "gone by what else was put right")

    def _rows(self, sql: str, *values: object) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    def _handler(self, number: int) -> str:
        """Make the record again, of the copy of `since` or of the rest, and of the deliveries."""
        (row,) = self._rows("SELECT * FROM subscription WHERE id = ?", number)
        subscription = checked(row)
        if subscription is not None:
            save(self._connection, subscription)
            return "put right"
        key = Key(str(row[1]), str(row[2]))
        since = row[3] if has_origin(row) else 0
        states = f"WHERE subscription = ? AND state = {int(State.DELIVERED)}"
        (delivered,) = self._rows(f"SELECT count(*) FROM delivery {states}", number)[0]
        lane = Lane(since=since, cursor=since, seen=self._now, delivered=delivered)
        save(self._connection, Subscription(number, key, lane))
        return "made again of its deliveries; of what it was owed, what is not known to be done comes again"

    def _event(self, seq: int) -> str:
        """Keep what is left of an event for a person, and give dead letters to those that were owed it."""
        known = known_members(self._connection)
        found = read_event(self._connection, seq)
        problem = problem_of_event(self._connection, Seen(os.path.join(self._path, "blobs"), known), found)
        if not problem:
            return ""
        small = self._small(seq)
        if isinstance(found, Found) and not found.is_intact(known.get(found.audience), small):
            for number in known:
                whole = found._replace(audience=number)
                if whole.is_intact(known[number], small):
                    self._connection.execute("UPDATE event SET audience = ? WHERE seq = ?", (number, seq))
                    return "put right: its audience was told by its checksum"
        place = self._keep(seq, found, small, problem)
        reason = f"{problem}; what is left of it lies in {place}"
        dead = self._give_up(seq, found, known, reason)
        self._stand_in(seq, found, known)
        self._connection.execute("DELETE FROM attachment WHERE seq = ?", (seq,))
        self.recount()
        return f"moved to {place}; {_letters(dead)}"

    def _small(self, seq: int) -> dict[int, bytes]:
        try:
            return dict(self._rows("SELECT place, content FROM attachment WHERE seq = ?", seq))
        except UNREADABLE:
            return {}

    def _stand_in(self, seq: int, found: Found | int, known: dict[int, str | None]) -> None:
        uid, snapshot_id, audience, put = "", unique_id(), NOBODY_AT_ALL, self._now
        if isinstance(found, Found):
            uid, snapshot_id = str(found.uid), str(found.snapshot_id)
            put = found.put if type(found.put) is float and found.put else put
            members = known.get(found.audience)
            if members is not None:
                audience = Audience(found.audience, members)
        try:
            stand_in(self._connection, seq, uid, snapshot_id, audience, put)
        except apsw.ConstraintError:  # what is damaged in it looks like the name of another one
            stand_in(self._connection, seq, uid, unique_id(), audience, put)

    def _give_up(self, seq: int, found: Found | int, known: dict[int, str | None], reason: str) -> int:
        """Make dead letters for those that were owed an event; return how many."""
        rows = _deliveries.read(self._connection, "WHERE seq = ?", (seq,))
        told = {row.subscription: row for row in rows}
        dead = []
        for subscription in self._owed(found, known):
            row = told.get(subscription.id)
            if row is None and _is_owed(subscription.lane, seq):
                row = Delivery(seq, subscription.id, State.AGAIN, 0, 0, 0.0, self._now)
            if row is not None and row.state in (State.LOAN, State.AGAIN):
                dead.append(row._replace(state=State.DEAD, due=0.0, updated=self._now, reason=reason))
        _deliveries.write(self._connection, dead)
        return len(dead)

    def _owed(self, found: Found | int, known: dict[int, str | None]) -> Iterator[Subscription]:
        """The subscriptions in the audience of an event; all of them if nobody knows which that is."""
        number = found.audience if isinstance(found, Found) else NOBODY
        members = None if number == NOBODY else known.get(number)
        if members is not None and members.startswith(LOST_MEMBERS):
            members = None
        for row in self._rows("SELECT * FROM subscription"):
            subscription = checked(row)
            if subscription is None:
                continue
            if number == CONFIGURED.id:
                is_member = not subscription.key.fingerprint
            else:
                is_member = members is None or subscription.id in members_of(members)
            if is_member:
                yield subscription

    def _keep(self, seq: int, found: Found | int, small: dict[int, bytes], problem: str) -> str:
        """Keep what is left of an event in the quarantine; return where."""
        folder = free_place(self._path, f"event-{seq}")
        os.mkdir(folder, 0o700)
        record: dict[str, Any] = {"seq": seq, "problem": problem, "noticed": self._now}
        if isinstance(found, Found):
            record |= {
                name: repr(value) for name, value in found._asdict().items() if name not in ("seq", "body")
            }
            _write(os.path.join(folder, "body"), found.body)
            blobs = os.path.join(self._path, "blobs", str(found.snapshot_id))
            if found.snapshot_id and os.path.basename(blobs) == found.snapshot_id and os.path.isdir(blobs):
                os.rename(blobs, os.path.join(folder, "blobs"))
        for place, content in small.items():
            _write(os.path.join(folder, f"attachment-{place}"), content)
        _write(os.path.join(folder, "record.json"), json.dumps(record, indent=2).encode())
        sync_folder(folder)
        return os.path.relpath(folder, self._path)

    def _missing(self, missing: int) -> str:
        """Give dead letters for events that are not there, if it is known which they are."""
        holes = gaps(self._connection)
        owed: set[tuple[int, int]] = set()
        for row in self._rows("SELECT * FROM subscription"):
            subscription = checked(row)
            if subscription is not None:
                for first, last in holes:
                    part = range(first, last + 1)[: missing + 1]
                    owed.update((seq, row[0]) for seq in part if _is_owed(subscription.lane, seq))
        seqs = {seq for seq, _ in owed}
        is_known = 0 < len(seqs) <= missing
        if is_known:
            for seq in seqs:
                stand_in(self._connection, seq, "", unique_id(), NOBODY_AT_ALL, self._now)
            lost = Delivery(0, 0, State.DEAD, 0, 0, 0.0, self._now, reason=AWAY)
            _deliveries.write(
                self._connection, [lost._replace(seq=seq, subscription=number) for seq, number in owed]
            )
        self.recount()
        return _letters(len(owed)) if is_known else "nothing says which they were"

    def _audience(self, number: int) -> str:
        """Take the copy of the index; if that is damaged too, its events have been given up by now."""
        members = audiences(self._connection).get(number)
        done = "put right" if members is not None else "emptied: its events went to quarantine"
        if number == CONFIGURED.id:
            members = CONFIGURED.members
        kept = members if members is not None else f"{LOST_MEMBERS}{number}]"
        sql = "UPDATE audience SET members = ?, checksum = ? WHERE id = ?"
        self._connection.execute(sql, (kept, audience_checksum(number, kept), number))
        return done

    def _attachment(self, seq: int) -> str:
        """Keep small attachments whose event is not there."""
        if self._rows("SELECT 1 FROM event WHERE seq = ?", seq):
            return ""
        place = self._keep(seq, seq, self._small(seq), "only its attachments are there")
        self._connection.execute("DELETE FROM attachment WHERE seq = ?", (seq,))
        return f"moved to {place}"

    def _delivery(self, seq: int, number: int) -> str:
        """Try a delivery again of which nobody knows what became; remove one that is none."""
        condition = "WHERE seq = ? AND subscription = ?"
        stored = self._rows(f"SELECT * FROM delivery {condition}", seq, number)
        if not stored:
            return ""
        (row,) = _deliveries.read(self._connection, condition, (seq, number))
        is_open = row.state in (State.LOAN, State.AGAIN, State.DEAD) and _deliveries.is_intact(stored[0])
        if is_open and not self._rows("SELECT 1 FROM event WHERE seq = ?", seq):
            stand_in(self._connection, seq, "", unique_id(), NOBODY_AT_ALL, self._now)
        found = read_event(self._connection, seq)
        owed = self._owed(found, known_members(self._connection)) if isinstance(found, Found) else ()
        if not any(one.id == number for one in owed):
            self._connection.execute(f"DELETE FROM delivery {condition}", (seq, number))
            return "removed: there is no such delivery"
        if isinstance(found, Found) and found.stands_in and row.state != State.DEAD:
            row = row._replace(state=State.DEAD, due=0.0, reason=AWAY)
        _deliveries.write(self._connection, [row._replace(updated=self._now)])
        return "a dead letter: its event is lost" if row.state == State.DEAD else "to be tried again"

    def _unknown(self, number: int, *seqs: int) -> str:
        """Let events be tried again of which nobody knows what became."""
        reason = "what became of it is not known"
        again = [Delivery(seq, number, State.AGAIN, 0, 0, 0.0, self._now, reason=reason) for seq in seqs]
        known = "SELECT 1 FROM delivery WHERE seq = ? AND subscription = ?"
        again = [one for one in again if not self._rows(known, one.seq, number)]
        _deliveries.write(self._connection, again)
        return "to be tried again" if again else ""

    def recount(self) -> str:
        """Count anew what the spool keeps sums of."""
        found = _totals.read(self._connection)
        ((blob_bytes,),) = self._rows("SELECT coalesce(sum(blob_bytes), 0) FROM event")
        ((gone,),) = self._rows("SELECT coalesce(max(seq), 0) - count(*) FROM event")
        totals = Totals(unique_id(), self._now, blob_bytes, 0, gone)
        if found is not None:
            totals = found[0]._replace(blob_bytes=blob_bytes, gone=gone)
        _totals.create(self._connection, totals)
        return "counted anew"

    def _lost(self, number: int) -> str:
        self._connection.execute("DELETE FROM damage WHERE id = ?", (number,))
        return "acknowledged"


def _is_owed(lane: Lane, seq: int) -> bool:
    """Is an event owed of which no delivery is known?"""
    return not lane.forgotten and (seq > lane.since or is_untold(lane, seq))


def _letters(count: int) -> str:
    return f"{count} dead letter" + "s" * (count != 1)


def _write(path: str, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
