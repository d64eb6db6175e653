"""What people decide about deliveries: to try them now, drop them, repeat them, or forget a handler."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from e3_event._errors import SpoolError

from . import _deliveries
from ._deliveries import Delivery, State
from ._pending import NOT_KNOWN, owed, untold
from ._standings import label
from ._subscriptions import Range, load, owed_to, save
from ._walk import first_since, open_seqs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ._database import Database
    from ._standings import Member

    Progress = Callable[[int, int], None]

#: Deliveries that are changed, and events that are looked at, with one commit.
_CHUNK = 500
_SPAN = 5000
#: Nothing stands in its place, as for one that is lost.
_IS_THERE = "body <> x''"


class Decision(enum.Enum):
    """What is to become of deliveries."""

    RETRY = enum.auto()
    DROP = enum.auto()


RETRY, DROP = Decision.RETRY, Decision.DROP


class Selection(NamedTuple):
    """Which deliveries are meant.

    :ivar states: those that are in one of these
    :ivar seqs: only of these events; `None`: of any
    :ivar since: only of events that were put since (seconds since the epoch)
    """

    states: Sequence[State]
    seqs: Sequence[int] | None = None
    since: float = 0.0


def decide(
    database: Database,
    decision: Decision,
    chosen: Iterable[Member],
    wanted: Selection,
    clock: Callable[[], float],
    progress: Progress | None = None,
) -> dict[str, int]:
    """Change deliveries of some subscriptions, with a commit every now and then.

    :return: how many were changed, by subscription
    """
    work = [(one, found) for one in chosen if (found := _find(database, one.id, wanted))]
    total = sum(len(found) for _, found in work)
    done, counts = 0, dict[str, int]()
    for one, found in work:
        for start in range(0, len(found), _CHUNK):
            some = found[start : start + _CHUNK]
            changed = _change(database, decision, one.id, wanted._replace(seqs=some), clock())
            if changed:
                counts[label(one.key)] = counts.get(label(one.key), 0) + changed
            done += len(some)
            if progress:
                progress(done, total)
    return counts


def _find(database: Database, number: int, wanted: Selection) -> Sequence[int]:
    if wanted.seqs is not None:
        return wanted.seqs
    return sorted(seq for state in wanted.states for seq in open_seqs(database, number, state))


def _change(database: Database, decision: Decision, number: int, wanted: Selection, now: float) -> int:
    states = ",".join(str(int(state)) for state in wanted.states)
    put = "(SELECT put FROM event WHERE event.seq = delivery.seq) >= ?"
    condition = (
        "WHERE seq IN (SELECT value FROM json_each(?)) AND subscription = ?"
        f" AND state IN ({states}) AND {put if wanted.since else '? = 0'}"
    )
    values = (msgspec.json.encode(wanted.seqs).decode(), number, wanted.since)
    with database.writing() as connection:
        rows = _deliveries.read(connection, condition, values)
        _deliveries.write(connection, [_decided(row, decision, now) for row in rows])
    return len(rows)


def _decided(delivery: Delivery, decision: Decision, now: float) -> Delivery:
    if decision is RETRY:
        return delivery._replace(state=State.AGAIN, attempts=0, crashes=0, due=now, updated=now)
    return delivery._replace(state=State.DROPPED, updated=now)


def replay(database: Database, member: Member, since: float, progress: Progress | None = None) -> int:
    """Let events of its audience that were put since a time be owed to a subscription again.

    What is owed anyway, out, or to be tried again stays as it is. Each piece of it is one commit.

    :return: how many events are owed that were not before
    :raises SpoolError: its record is damaged
    """
    with database.reading() as connection:
        newest = database.newest()
        start = max(first_since(connection, since) - _SPAN, 1) if since else 1
    count = 0
    for first in range(start, newest + 1, _SPAN):
        part = Range(first, min(first + _SPAN - 1, newest))
        count += _replay(database, member.id, part, since)
        if progress:
            progress(part.last - start + 1, newest - start + 1)
    return count


def _replay(database: Database, number: int, part: Range, since: float) -> int:
    """Likewise for a range."""
    with database.writing() as connection:
        mine = load(connection, number)
        if mine.lane.forgotten:
            return 0
        of_audience = f"seq BETWEEN ? AND ? AND audience IN ({owed_to(connection, mine)}) AND {_IS_THERE}"
        deleted: Any = connection.execute(
            f"DELETE FROM delivery WHERE subscription = ? AND state > {int(State.AGAIN)}"
            f" AND seq IN (SELECT seq FROM event WHERE {of_audience} AND put >= ?) RETURNING seq",
            (number, *part, since),
        ).fetchall()
        again: set[int] = {seq for (seq,) in deleted}
        rows: Any = connection.execute(
            f"SELECT seq, put FROM event WHERE {of_audience} {NOT_KNOWN} ORDER BY seq", (*part, number)
        ).fetchall()
        owed_already = untold(mine.lane, part.last)
        cursor = mine.lane.cursor
        runs: list[list[int]] = [[]]
        for seq, put in rows:
            if seq > cursor:  # it is owed as what is new, now that nothing is known of it
                break
            if seq in again or (put >= since and not _is_within(seq, owed_already)):
                runs[-1].append(seq)
            elif runs[-1]:
                runs.append([])
        found = [Range(run[0], run[-1]) for run in runs if run]
        if found:
            mine.lane.backlog = _joined([*mine.lane.backlog, *found])
            mine.lane.outage = []  # of a sink that is down: what is replayed has its time from now on
            save(connection, mine)
    return sum(map(len, runs)) + len([seq for seq in again if seq > cursor])


def _is_within(seq: int, parts: Iterable[Range]) -> bool:
    return any(first <= seq <= last for first, last in parts)


def _joined(parts: Iterable[Range]) -> list[Range]:
    """The same events, each in one range only, oldest first."""
    joined: list[Range] = []
    for first, last in sorted(parts):
        if joined and first <= joined[-1].last + 1:
            joined[-1] = Range(joined[-1].first, max(last, joined[-1].last))
        else:
            joined.append(Range(first, last))
    return joined


def forget(
    database: Database, member: Member, clock: Callable[[], float], progress: Progress | None = None
) -> int:
    """Drop all that a subscription is owed, dead letters as well; it is owed nothing until it is registered.

    :return: how many deliveries were dropped
    :raises SpoolError: it is served right now, or its record is damaged
    """
    with database.reading() as connection:
        counted = database.newest()
        parts = untold(load(connection, member.id).lane, counted)
    count = sum(_count(database, member.id, part) for part in parts)
    with database.writing() as connection:
        mine = load(connection, member.id)
        lane = mine.lane
        if lane.is_served(clock()):
            raise SpoolError(
                f"a relay serves {label(mine.key)} right now: take it out of its configuration, or stop it",
                database.path,
            )
        newest = database.newest()
        if not lane.forgotten:
            count += len(owed(connection, mine, Range(counted + 1, newest), -1))
            lane.forgotten, lane.cursor, lane.backlog, lane.loan = True, newest, [], []
            lane.lease, lane.down, lane.reason, lane.probe = "", 0.0, "", 0.0
            lane.failures, lane.failed, lane.outage = 0, [], []
            save(connection, mine)
    wanted = Selection((State.LOAN, State.AGAIN, State.DEAD))
    return count + sum(decide(database, DROP, [member], wanted, clock, progress).values())


def _count(database: Database, number: int, part: Range) -> int:
    """How many events of a range are owed and nothing is known of them; read in pieces."""
    count = 0
    for first in range(part.first, part.last + 1, _SPAN):
        with database.reading() as connection:
            mine = load(connection, number)
            count += len(owed(connection, mine, Range(first, min(first + _SPAN - 1, part.last)), -1))
    return count
