"""What people decide about deliveries: each decision is carried out, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from e3_event import Event
from e3_event._errors import SpoolError
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import Delivery, State
from e3_event.spool._events import CONFIGURED, stand_in
from e3_event.spool._find import UnknownError
from e3_event.spool._queue import LeaseLostError
from e3_event.spool._subscriptions import LEASE
from e3_event.spool._taken import Taken
from spool.worker import Clock, by_name, put, work

ARCHIVE, ONCALL = Key("archive"), Key("oncall")
ONE, OTHER = Key("file", "1111aaaa0000"), Key("file", "2222bbbb0000")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Spool:
    spool = Spool(tmp_path / "spool", clock=clock)
    spool.register([ARCHIVE, ONCALL])
    return spool


class Recorded:
    """Judges every delivery as delivered, and keeps their names and counters."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.attempts: list[int] = []

    def __call__(self, one: Taken) -> State:
        assert one.snapshot is not None
        self.names.append(one.snapshot.name)
        self.attempts.append(one.attempts)
        return State.DELIVERED


def test_a_retry_is_tried_now_as_if_for_the_first_time(spool: Spool) -> None:
    put(spool, "a", "b", "c")
    work(spool, ARCHIVE, by_name(a=State.AGAIN, b=State.DEAD))
    assert work(spool, ARCHIVE) == 0  # one waits for its time, one is dead
    assert spool.ledger.retry(handler="archive") == {"archive": 2}
    recorded = Recorded()
    assert work(spool, ARCHIVE, recorded) == 2
    assert sorted(recorded.names) == ["a", "b"]
    assert recorded.attempts == [0, 0]


def test_a_retry_of_an_event_concerns_this_event_only(spool: Spool) -> None:
    uids = put(spool, "a", "b")
    for key in (ARCHIVE, ONCALL):
        work(spool, key, State.DEAD)
    assert spool.ledger.retry(event=uids[0], handler="oncall") == {"oncall": 1}
    assert spool.ledger.retry(event=uids[1]) == {"archive": 1, "oncall": 1}
    recorded = Recorded()
    work(spool, ARCHIVE, recorded)
    work(spool, ONCALL, recorded)
    assert recorded.names == ["b", "a", "b"]


def test_a_retry_can_leave_older_events_alone(spool: Spool, clock: Clock) -> None:
    put(spool, "old")
    clock.now += 100
    put(spool, "new")
    work(spool, ARCHIVE, State.DEAD)
    assert spool.ledger.retry(handler="archive", since=clock.now) == {"archive": 1}
    recorded = Recorded()
    work(spool, ARCHIVE, recorded)
    assert recorded.names == ["new"]


def test_only_dead_letters_are_requeued_if_wished(spool: Spool) -> None:
    put(spool, "a", "b")
    work(spool, ARCHIVE, by_name(a=State.AGAIN, b=State.DEAD))
    assert spool.ledger.retry(dead_only=True) == {"archive": 1}
    recorded = Recorded()
    work(spool, ARCHIVE, recorded)
    assert recorded.names == ["b"]


def test_what_is_delivered_is_not_retried(spool: Spool) -> None:
    (uid,) = put(spool, "a")
    work(spool, ARCHIVE)
    assert spool.ledger.retry(event=uid) == {}
    assert work(spool, ARCHIVE) == 0


def test_a_dropped_dead_letter_is_history(spool: Spool) -> None:
    uids = put(spool, "a", "b")
    work(spool, ARCHIVE, State.DEAD, reason="no such bucket")
    assert spool.ledger.drop(event=uids[0]) == {"archive": 1}
    assert [one.hit.name for one in spool.ledger.dead()] == ["b"]
    standing = spool.ledger.show(uids[0]).hit.standings[0]
    assert standing.state == "dropped"
    assert standing.delivery is not None
    assert standing.delivery.reason == "no such bucket"
    assert spool.ledger.drop(handler="archive") == {"archive": 1}
    assert list(spool.ledger.dead()) == []
    assert work(spool, ARCHIVE) == 0


def test_dropping_leaves_what_is_still_to_be_tried(spool: Spool) -> None:
    put(spool, "a")
    work(spool, ARCHIVE, State.AGAIN)
    assert spool.ledger.drop(handler="archive") == {}
    assert spool.ledger.retry(handler="archive") == {"archive": 1}


def test_thousands_of_dead_letters_are_requeued_with_word_of_how_far_it_is(spool: Spool) -> None:
    spool.put_many([Event("x") for _ in range(2300)])
    work(spool, ARCHIVE, State.DEAD)
    told: list[tuple[int, int]] = []
    assert spool.ledger.retry(progress=lambda *far: told.append(far)) == {"archive": 2300}
    assert told[-1] == (2300, 2300)
    assert len(told) == 5
    assert work(spool, ARCHIVE) == 2300


def test_a_replay_delivers_again_what_was_put_since(spool: Spool, clock: Clock) -> None:
    put(spool, "old")
    clock.now += 100
    put(spool, "a", "b")
    work(spool, ARCHIVE, by_name(b=State.DEAD))
    put(spool, "new")
    assert spool.ledger.replay("archive", clock.now) == {"archive": 2}
    recorded = Recorded()
    work(spool, ARCHIVE, recorded)
    assert sorted(recorded.names) == ["a", "b", "new"]
    assert recorded.attempts == [0, 0, 0]
    assert work(spool, ARCHIVE) == 0


def test_a_replay_gives_a_new_handler_what_was_before_it(spool: Spool) -> None:
    put(spool, "a", "b")
    late = Key("late")
    spool.register([late])
    put(spool, "c")
    put(spool, "job", owed_to=(ONE,))
    assert spool.ledger.replay("late", 0.0) == {"late": 2}
    recorded = Recorded()
    work(spool, late, recorded)
    assert recorded.names == ["c", "a", "b"]


def test_a_replay_concerns_the_handlers_audience_only(spool: Spool) -> None:
    put(spool, "of one", owed_to=(ONE,))
    put(spool, "of other", owed_to=(OTHER,))
    put(spool, "configured")
    for key in (ONE, OTHER, ARCHIVE):
        work(spool, key)
    assert spool.ledger.replay("file@1111", 0.0) == {"file@1111aaaa": 1}
    recorded = Recorded()
    for key in (ONE, OTHER, ARCHIVE):
        work(spool, key, recorded)
    assert recorded.names == ["of one"]


def test_a_replay_leaves_what_waits_for_another_try(spool: Spool) -> None:
    put(spool, "again", "done")
    work(spool, ARCHIVE, by_name(again=State.AGAIN))
    assert spool.ledger.replay("archive", 0.0) == {"archive": 1}
    recorded = Recorded()
    work(spool, ARCHIVE, recorded)
    assert recorded.names == ["done"]


def test_a_replay_sends_nothing_twice_that_is_owed_anyway(spool: Spool) -> None:
    put(spool, *"abc")
    assert spool.ledger.replay("archive", 0.0) == {"archive": 0}
    recorded = Recorded()
    assert work(spool, ARCHIVE, recorded) == 3


def test_a_replay_of_what_was_delivered_before_its_turn_delivers_it_again(spool: Spool) -> None:
    snapshot_ids = [spool.put(Event(name)) for name in "abc"]
    (number,) = spool.register([ARCHIVE])
    queue = spool.queue(number)
    assert queue.acquire()
    (taken,) = queue.turn([], 1, first=snapshot_ids[2])
    queue.turn([Delivery(taken.seq, number, State.DELIVERED, 1, 0, 0.0, 0.0)])
    queue.release()
    assert spool.ledger.replay("archive", 0.0) == {"archive": 1}
    recorded = Recorded()
    work(spool, ARCHIVE, recorded)
    assert recorded.names == ["a", "b", "c"]


def test_two_replays_deliver_once_more_each_at_most(spool: Spool) -> None:
    put(spool, *"abc")
    work(spool, ARCHIVE)
    assert spool.ledger.replay("archive", 0.0) == {"archive": 3}
    assert spool.ledger.replay("archive", 0.0) == {"archive": 0}
    assert work(spool, ARCHIVE) == 3


def test_a_replay_while_a_worker_is_at_it_loses_nothing(spool: Spool) -> None:
    """What is out is delivered once; what it has settled in the same batch is delivered again."""
    put(spool, *"abcdef")
    (number,) = spool.register([ARCHIVE])
    queue = spool.queue(number)
    assert queue.acquire()
    taken = queue.turn([], 4)
    done = [Delivery(one.seq, number, State.DELIVERED, 1, 0, 0.0, 0.0) for one in taken]
    queue.turn(done[:2])  # a and b are settled, c and d are out, e and f are new
    assert spool.ledger.replay("archive", 0.0) == {"archive": 2}
    names: list[str] = []
    rest = done[2:]
    while again := queue.turn(rest, 4):
        names += [str(one.snapshot and one.snapshot.name) for one in again]
        rest = [Delivery(one.seq, number, State.DELIVERED, 1, 0, 0.0, 0.0) for one in again]
    assert sorted(names) == ["a", "b", "e", "f"]
    assert {hit.standings[0].state for hit in spool.ledger.events()} == {"delivered"}


def test_a_replay_of_thousands_is_done_in_pieces_that_join(spool: Spool) -> None:
    for _ in range(3):
        spool.put_many([Event("x") for _ in range(4000)])
    work(spool, ARCHIVE)
    told: list[tuple[int, int]] = []
    assert spool.ledger.replay("archive", 0.0, progress=lambda *far: told.append(far)) == {"archive": 12_000}
    assert told[-1][0] == told[-1][1] == 12_000
    (number,) = spool.register([ARCHIVE])
    assert len(spool.queue(number).lane().backlog) == 1
    assert work(spool, ARCHIVE) == 12_000


def test_a_replay_skips_what_was_put_before_by_a_clock_that_was_ahead(spool: Spool, clock: Clock) -> None:
    late = Key("late")
    for name, step in (("a", 1000), ("old", -900), ("b", 950)):
        clock.now += step
        put(spool, name)
    spool.register([late])
    assert spool.ledger.replay("late", clock.now - 100) == {"late": 2}
    recorded = Recorded()
    work(spool, late, recorded)
    assert recorded.names == ["a", "b"]


def test_what_is_lost_is_not_replayed(spool: Spool) -> None:
    put(spool, *"abc")
    work(spool, ARCHIVE)
    with spool._database.writing() as connection:  # as `fsck --repair` does
        stand_in(connection, 2, "b", "b", CONFIGURED, 0.0)
    assert spool.ledger.replay("archive", 0.0) == {"archive": 2}
    recorded = Recorded()
    work(spool, ARCHIVE, recorded)
    assert recorded.names == ["a", "c"]


def test_a_forgotten_handler_is_owed_nothing(spool: Spool) -> None:
    uids = put(spool, "dead", "again")
    work(spool, ONCALL, by_name(dead=State.DEAD, again=State.AGAIN))
    uids += put(spool, "new")
    assert spool.ledger.forget("oncall") == {"oncall": 3}
    for uid in uids:
        standing = next(one for one in spool.ledger.show(uid).hit.standings if one.key == ONCALL)
        assert standing.state == "dropped"
    put(spool, "later")
    assert spool.ledger.forget("oncall") == {"oncall": 0}
    assert work(spool, ARCHIVE) == 4  # others are owed what they were


def test_a_forgotten_handler_that_comes_back_is_owed_what_is_put_from_then_on(spool: Spool) -> None:
    put(spool, "before")
    spool.ledger.forget("oncall")
    put(spool, "between")
    spool.register([ONCALL])
    put(spool, "after")
    recorded = Recorded()
    work(spool, ONCALL, recorded)
    assert recorded.names == ["after"]


def test_what_a_forgotten_handler_was_owed_does_not_keep_its_events(spool: Spool, clock: Clock) -> None:
    put(spool, "x", "y", owed_to=(ONE,))
    put(spool, "newest is never removed")
    work(spool, ONE, by_name(x=State.DEAD))
    work(spool, ARCHIVE)
    work(spool, ONCALL)
    put(spool, "z", owed_to=(ONE,))
    spool.ledger.forget("file@1111")
    spool.purge(clock.now + 1)
    assert [hit.name for hit in spool.ledger.events()] == ["z"]


def test_forgetting_concerns_every_subscription_of_the_name(spool: Spool) -> None:
    put(spool, "x", owed_to=(ONE, OTHER))
    assert spool.ledger.forget("file") == {"file@1111aaaa": 1, "file@2222bbbb": 1}


def test_a_handler_that_is_served_is_not_forgotten(spool: Spool, clock: Clock) -> None:
    put(spool, "x")
    (number,) = spool.register([ARCHIVE])
    queue = spool.queue(number)
    assert queue.acquire()
    with pytest.raises(SpoolError, match="a relay serves archive right now"):
        spool.ledger.forget("archive")
    clock.now += 2 * LEASE  # it sleeps
    assert spool.ledger.forget("archive") == {"archive": 1}
    with pytest.raises(LeaseLostError):
        queue.turn([], 1)


def test_a_handler_that_is_unknown_is_not_forgotten(spool: Spool) -> None:
    with pytest.raises(UnknownError, match="'none'"):
        spool.ledger.forget("none")


@pytest.mark.parametrize("strict", [False, True])
def test_what_is_replayed_is_delivered_whatever_the_order(spool: Spool, strict: bool) -> None:
    put(spool, "a", "b")
    work(spool, ARCHIVE)
    spool.ledger.replay("archive", 0.0)
    put(spool, "c")
    (number,) = spool.register([ARCHIVE])
    queue = spool.queue(number, strict=strict)
    assert queue.acquire()
    taken = queue.turn([], 10)
    taken += queue.turn([Delivery(one.seq, number, State.DELIVERED, 1, 0, 0.0, 0.0) for one in taken], 10)
    assert sorted(str(one.snapshot and one.snapshot.name) for one in taken) == ["a", "b", "c"]
