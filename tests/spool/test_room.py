"""How much a spool holds: what makes room, what never does, how long history is kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e3_event import Event
from e3_event._errors import SpoolError, SpoolFullError
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import Delivery, State
from e3_event.spool._key import REFRESH
from e3_event.spool._purge import Purge
from e3_event.spool._queue import Queue
from e3_event.spool._room import _PATIENCE
from e3_event.testing import Clock

MIB = 1 << 20
DAY = 86400.0


def is_full(call: Callable[[], object]) -> bool:
    try:
        call()
    except SpoolFullError:
        return True
    return False


class Store:
    """A spool of one MiB with one handler."""

    def __init__(self, folder: Path, **options: float) -> None:
        self.clock = Clock()
        self.folder = folder / "spool"
        self.options = options
        self.spool = self.open()
        self.number, self.queue = self.serve("h")
        self.count = 0

    def open(self) -> Spool:
        return Spool(self.folder, max_size=MIB, clock=self.clock, **self.options)

    def serve(self, name: str) -> tuple[int, Queue]:
        (number,) = self.spool.register([Key(name)])
        queue = self.spool.queue(number)
        assert queue.acquire()
        return number, queue

    def put(self, size: int = 5000) -> str:
        self.count += 1
        return self.spool.put(Event(str(self.count), data="x" * size))

    def fill(self) -> list[str]:
        """Put until the spool is full; return the ids of what was taken."""
        ids: list[str] = []
        while not is_full(lambda: ids.append(self.put())):
            assert len(ids) < 1000
        return ids

    def settle(self, state: State = State.DELIVERED, most: int = 10_000, queue: Queue | None = None) -> int:
        """Let so many deliveries come to an end; return how many there were."""
        queue = queue or self.queue
        count = 0
        done: list[Delivery] = []
        while taken := queue.turn(done, min(50, most - count)):
            now = self.clock()
            done = [Delivery(one.seq, queue.number, state, 1, 0, now, now) for one in taken]
            count += len(taken)
            if count == most:
                break
        queue.turn(done)
        return count

    def purge(self) -> None:
        """What a relay does now and then; what is missed twice is given up."""
        for _ in range(2):
            self.queue.renew()
            self.spool.purge()
            self.clock.advance(REFRESH)

    def has(self, snapshot_id: str) -> bool:
        try:
            self.spool.read(snapshot_id)
        except SpoolError:
            return False
        return True

    def dropped(self) -> int:
        with self.spool._database.reading() as connection:
            return int(connection.execute("SELECT dropped FROM spool").get)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_spool_of_owed_events_is_full_and_says_so(store: Store) -> None:
    ids = store.fill()
    assert 100 < len(ids) < 220
    assert all(map(store.has, ids))
    assert store.spool._room.used() <= MIB
    with pytest.raises(SpoolFullError, match=r"is full \(1048576 bytes\) of events that are still owed"):
        store.put()


def test_what_is_owed_never_makes_room(store: Store) -> None:
    ids = store.fill()
    for _ in range(3):
        store.clock.advance(_PATIENCE)
        with pytest.raises(SpoolFullError):
            store.put()
    assert store.settle() == len(ids)


def test_settled_events_make_room_oldest_first(store: Store) -> None:
    settled = [store.put() for _ in range(50)]
    store.settle()
    owed = store.fill()
    assert len(owed) > 100
    assert all(map(store.has, owed))
    kept = [store.has(one) for one in settled]
    assert kept == sorted(kept)  # those that are gone stand before those that are left
    assert not kept[0]
    assert store.dropped() == 0


def test_dead_letters_make_room_when_nothing_settled_is_left_and_are_counted(store: Store) -> None:
    dead = [store.put() for _ in range(30)]
    store.settle(State.DEAD)
    settled = [store.put() for _ in range(30)]
    store.settle()
    while all(map(store.has, settled)):
        store.put()
    assert all(map(store.has, dead))
    owed = store.fill()
    assert all(map(store.has, owed))
    assert not any(map(store.has, [*settled, *dead[:25]]))
    assert store.dropped() == sum(not store.has(one) for one in dead) > 0


def test_what_one_of_two_handlers_is_owed_stays(store: Store) -> None:
    _, other = store.serve("other")
    ids = store.fill()
    store.settle()
    store.clock.advance(_PATIENCE)
    with pytest.raises(SpoolFullError):
        store.put()
    assert all(map(store.has, ids))
    store.settle(queue=other)
    store.clock.advance(_PATIENCE)
    store.put()


@pytest.mark.parametrize("state", [State.LOAN, State.AGAIN])
def test_what_is_out_or_to_be_tried_again_stays(store: Store, state: State) -> None:
    waiting = [store.put() for _ in range(10)]
    if state is State.AGAIN:
        store.settle(State.AGAIN, 10)
        store.clock.now -= 1  # not due
    else:
        store.queue.turn([], 10)
    for _ in range(3):
        store.clock.advance(_PATIENCE)
        store.fill()
    assert all(map(store.has, waiting))


def test_a_full_spool_can_be_drained_and_takes_events_again(store: Store) -> None:
    ids = store.fill()
    assert store.settle(State.AGAIN, len(ids)) == len(ids)  # a long row for each of them
    store.clock.advance(1)
    assert store.settle() == len(ids)
    store.clock.advance(_PATIENCE)
    store.put()


def test_a_full_spool_opens_and_drains_in_another_process(store: Store) -> None:
    ids = store.fill()
    store.queue.release()
    store.spool.close()
    store.spool = store.open()
    _, store.queue = store.serve("h")
    assert store.settle() == len(ids)
    store.clock.advance(_PATIENCE)
    store.put()


def test_attachments_count(store: Store, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(os.urandom(100_000))

    def put() -> None:
        event = Event("x")
        event.attach_file(str(tmp_path / "log"))
        store.spool.put(event)

    count = 0
    while not is_full(put):
        count += 1
    assert 8 <= count <= 10
    assert len(os.listdir(store.folder / "blobs")) == count  # nothing is left of the refused one
    store.settle()
    store.clock.advance(_PATIENCE)
    put()
    assert len(os.listdir(store.folder / "blobs")) <= count


def test_an_event_larger_than_the_spool_is_refused_and_costs_no_history_twice(store: Store) -> None:
    store.put()
    store.settle()
    with pytest.raises(SpoolFullError):
        store.put(2 * MIB)
    store.put()


def test_other_puts_of_a_group_do_not_pay_for_one_that_is_too_large(store: Store) -> None:
    with pytest.raises(SpoolFullError):
        store.spool.put_many([Event("small"), Event("large", data="x" * 2 * MIB)])
    store.put()
    assert store.settle() == 1


def test_settled_events_are_kept_as_long_as_it_is_wished_for(tmp_path: Path) -> None:
    store = Store(tmp_path, retention=30 * DAY)
    old = [store.put() for _ in range(5)]
    store.settle()
    store.clock.advance(20 * DAY)
    young = [store.put() for _ in range(5)]
    store.settle()
    assert store.spool.purge().events == 0
    store.clock.advance(15 * DAY)
    store.queue.renew()
    assert store.spool.purge().events == 5
    assert [store.has(one) for one in (*old, *young)] == [False] * 5 + [True] * 5


@pytest.mark.parametrize("state", [None, State.AGAIN, State.DEAD])
def test_what_is_not_settled_is_kept_for_ever_while_it_is_served(tmp_path: Path, state: State | None) -> None:
    store = Store(tmp_path, retention=30 * DAY)
    waiting = [store.put() for _ in range(5)]
    if state:
        store.settle(state, 5)
    store.put()
    for _ in range(10):
        store.clock.advance(20 * DAY)
        store.queue.renew()
        store.spool.purge()
    assert all(map(store.has, waiting))


def test_what_nobody_serves_any_more_is_given_up_after_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path, retention=30 * DAY)
    _, gone = store.serve("gone")
    gone.release()
    waiting = [store.put() for _ in range(5)]
    store.settle()
    store.clock.advance(29 * DAY)
    store.purge()
    with store.spool._database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM delivery WHERE state = 3").get == 0
    store.clock.advance(2 * DAY)
    store.purge()
    with store.spool._database.reading() as connection:
        rows = connection.execute("SELECT DISTINCT subscription, reason FROM delivery WHERE state = 3")
        assert rows.fetchall() == [(gone.number, "abandoned: nobody serves gone any more")]
    assert all(map(store.has, waiting))  # they are dead letters, which a person decides about


def test_what_was_tried_or_out_or_put_off_is_given_up_with_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path, retention=30 * DAY)
    _, gone = store.serve("gone")
    store.spool.put_many([Event("x") for _ in range(1000)])
    store.settle(State.AGAIN, 20, gone)  # by a worker that
    assert len(gone.turn([], 30)) == 30  # dies with what it has out
    store.settle()
    store.clock.advance(31 * DAY)
    store.purge()
    with store.spool._database.reading() as connection:
        rows = connection.execute(
            "SELECT attempts, count(*) FROM delivery WHERE state = 3 AND subscription = ? GROUP BY 1",
            (gone.number,),
        ).fetchall()
    assert rows == [(0, 980), (1, 20)]
    assert store.spool.queue(gone.number).is_empty()


def test_giving_up_ends_where_somebody_comes_back_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    spool = Spool(tmp_path / "spool", retention=30 * DAY, clock=clock)
    (number,) = spool.register([Key("away")])
    spool.put_many([Event("x") for _ in range(5000)])
    clock.advance(31 * DAY)
    spool.purge()
    clock.advance(2 * REFRESH)
    back, give_up, given = spool.queue(number), Purge._give_up, []

    def and_come_back(room: Purge, *arguments: Any) -> tuple[int, bool]:
        given.append(give_up(room, *arguments))
        assert back.has_lease or back.acquire()
        return given[-1]

    monkeypatch.setattr(Purge, "_give_up", and_come_back)
    spool.purge()
    assert [count > 0 for count, _ in given] == [True, False]
    left = 5000 - given[0][0]
    assert left > 1000
    assert len(back.turn([], left)) == left


@pytest.mark.parametrize("jump", [40 * DAY, 3650 * DAY])
def test_a_clock_that_jumps_ahead_gives_up_nobody_who_is_served(store: Store, jump: float) -> None:
    for _ in range(3):
        store.put()
        store.clock.advance(jump)
        store.spool.purge()  # before the relay has renewed its lease
        store.queue.renew()
        store.clock.advance(2 * REFRESH)
        store.spool.purge()
    store.clock.advance(-3 * jump)
    store.spool.purge()
    assert store.settle() == 3


def test_who_was_given_up_and_comes_back_is_owed_what_comes(tmp_path: Path) -> None:
    store = Store(tmp_path, retention=30 * DAY)
    _, gone = store.serve("gone")
    gone.release()
    store.put()
    store.clock.advance(31 * DAY)
    store.purge()
    store.put()
    _, back = store.serve("gone")
    assert store.settle(queue=back) == 1


def test_given_up_events_of_one_make_room_for_others(store: Store) -> None:
    _, gone = store.serve("gone")
    gone.release()
    store.fill()
    store.settle()
    store.clock.advance(31 * DAY)
    store.purge()
    store.put()
    assert store.dropped() > 0


def test_the_newest_event_stays_so_that_no_number_comes_twice(store: Store) -> None:
    store.put()
    last = store.put()
    store.settle()
    store.spool.purge(float("inf"))
    assert store.has(last)
    store.spool.put(Event("next"))
    with store.spool._database.reading() as connection:
        assert connection.execute("SELECT max(seq) FROM event").get == 3


def test_history_is_removed_by_and_by_as_events_are_put(tmp_path: Path) -> None:
    store = Store(tmp_path, retention=DAY)
    old = [store.put(10) for _ in range(100)]
    store.settle()
    store.clock.advance(2 * DAY)
    store.queue.renew()
    for _ in range(500):
        store.put(10)
    assert not any(map(store.has, old))


def test_the_log_stays_below_its_cap(store: Store) -> None:
    for _ in range(30):
        store.spool.put_many([Event("x", data="y" * 2000) for _ in range(100)])
        store.settle()
    assert os.stat(store.folder / "spool.db-wal").st_size < 8 * MIB


def test_a_search_for_room_in_vain_is_not_repeated_by_every_put(store: Store) -> None:
    store.fill()
    store.settle(most=100)
    assert is_full(store.put)  # looked just now
    store.clock.advance(_PATIENCE)
    assert not is_full(store.put)
