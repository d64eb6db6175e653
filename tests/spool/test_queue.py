"""What a subscription is owed, as its worker takes it: order, leases, deaths, backlogs, damage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e3_event import Event
from e3_event.spool import Key, Spool
from e3_event.spool._choice import MOST_BYTES
from e3_event.spool._deliveries import Delivery, State
from e3_event.spool._queue import _LIVE, MOST_CRASHES, LeaseLostError, Queue
from e3_event.spool._subscriptions import LEASE, Range, find, save
from e3_event.spool._taken import Taken
from e3_event.testing import Clock


class Desk:
    """A spool and the queue of one of its handlers."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.spool = Spool(folder / "spool", clock=self.clock)
        (self.number,) = self.spool.register([Key("h")])
        self.queue = self.new_queue()

    def new_queue(self, *, strict: bool = False) -> Queue:
        return self.spool.queue(self.number, strict=strict)

    def put(self, *names: object) -> list[str]:
        return self.spool.put_many([Event(str(name)) for name in names])

    def verdict(
        self, one: Taken, state: State = State.DELIVERED, *, wait: float = 0.0, attempts: int = 1
    ) -> Delivery:
        now = self.clock()
        return Delivery(one.seq, self.number, state, attempts, one.crashes, now + wait, now)

    def drain(self, queue: Queue, limit: int = 10) -> list[str]:
        """Deliver all that is due; return the names in their order."""
        found: list[str] = []
        done: list[Delivery] = []
        while taken := queue.turn(done, limit):
            found += names(taken)
            done = [self.verdict(one) for one in taken]
        return found

    def die(self, queue: Queue) -> Queue:
        """Let the worker of a queue die, and another one take its lease; return its queue."""
        self.clock.advance(LEASE + 1)
        heir = self.new_queue(strict=queue.strict)
        assert heir.acquire()
        return heir

    def states(self) -> dict[str, State]:
        with self.spool._database.reading() as connection:
            rows: list[Any] = connection.execute(
                "SELECT snapshot_id, state FROM delivery JOIN event USING (seq) WHERE subscription = ?",
                (self.number,),
            ).fetchall()
        return {self.spool.read(snapshot_id)["name"]: State(state) for snapshot_id, state in rows}

    def execute(self, sql: str, *values: object) -> None:
        with self.spool._database.writing() as connection:
            connection.execute(sql, values)


def names(taken: list[Taken]) -> list[str]:
    return ["" if one.snapshot is None else one.snapshot["name"] for one in taken]


def numbers(count: int, first: int = 0) -> list[str]:
    return [str(number) for number in range(first, first + count)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.spool.close()


def test_events_are_taken_in_the_order_they_were_accepted(desk: Desk) -> None:
    desk.put(*numbers(25))
    assert desk.queue.acquire()
    assert desk.drain(desk.queue) == numbers(25)
    assert desk.queue.is_empty()
    assert set(desk.states().values()) == {State.DELIVERED}


def test_a_handler_is_owed_what_is_put_after_it_was_registered(desk: Desk) -> None:
    desk.put("before")
    (late,) = desk.spool.register([Key("late")])
    desk.put("after")
    queue = desk.spool.queue(late)
    assert queue.acquire()
    assert names(queue.turn([], 10)) == ["after"]


def test_what_is_out_is_not_taken_again(desk: Desk) -> None:
    desk.put(*numbers(4))
    assert desk.queue.acquire()
    first = desk.queue.turn([], 2)
    assert names(first) == ["0", "1"]
    assert names(desk.queue.turn([desk.verdict(one) for one in first], 10)) == ["2", "3"]


def test_what_is_settled_is_not_taken_by_the_next_worker(desk: Desk) -> None:
    desk.put(*numbers(4))
    assert desk.queue.acquire()
    taken = desk.queue.turn([], 4)
    desk.queue.turn([desk.verdict(one) for one in taken[:2]])
    assert names(desk.die(desk.queue).turn([], 10)) == ["2"]  # one by one, as its worker died


def test_one_worker_at_a_time_has_the_lease(desk: Desk) -> None:
    other = desk.new_queue()
    assert desk.queue.acquire()
    assert not other.acquire()
    desk.clock.advance(LEASE - 1)
    desk.queue.renew()
    desk.clock.advance(LEASE - 1)
    assert not other.acquire()
    desk.queue.release()
    assert other.acquire()


def test_a_lapsed_lease_cannot_settle(desk: Desk) -> None:
    desk.put("a")
    assert desk.queue.acquire()
    (one,) = desk.queue.turn([], 1)
    heir = desk.die(desk.queue)
    for stale in (
        lambda: desk.queue.turn([desk.verdict(one)]),
        lambda: desk.queue.release([desk.verdict(one)]),
        desk.queue.renew,
        desk.queue.catch_up,
        lambda: desk.queue.expire(1, desk.clock() + 1, "too old"),
    ):
        with pytest.raises(LeaseLostError):
            stale()
    assert desk.states() == {"a": State.AGAIN}
    assert names(heir.turn([], 1)) == ["a"]


def test_a_lapsed_lease_that_nobody_took_still_settles(desk: Desk) -> None:
    desk.put("a")
    assert desk.queue.acquire()
    (one,) = desk.queue.turn([], 1)
    desk.clock.advance(10 * LEASE)
    assert desk.queue.may_be_lost(desk.clock())
    desk.queue.turn([desk.verdict(one)])
    assert not desk.queue.may_be_lost(desk.clock())
    assert desk.states() == {"a": State.DELIVERED}


def test_a_lease_of_a_clock_that_was_ahead_keeps_nobody_out(desk: Desk) -> None:
    desk.clock.advance(10 * 365 * 86400)
    assert desk.queue.acquire()
    desk.clock.advance(-10 * 365 * 86400)
    assert desk.new_queue().acquire()


def test_what_was_out_at_a_death_comes_back_one_by_one(desk: Desk) -> None:
    desk.put(*numbers(5))
    assert desk.queue.acquire()
    desk.queue.turn([], 5)
    desk.put("new")
    heir = desk.die(desk.queue)
    assert heir.has_suspects
    batches: list[list[str]] = []
    done: list[Delivery] = []
    while taken := heir.turn(done, 10):
        batches.append(names(taken))
        done = [desk.verdict(one) for one in taken]
    assert batches == [["0"], ["1"], ["2"], ["3"], ["4"], ["new"]]


def test_what_was_out_at_a_death_waits_for_its_turn_alone(desk: Desk) -> None:
    desk.put("suspect")
    assert desk.queue.acquire()
    desk.queue.turn([], 1)
    heir = desk.die(desk.queue)
    desk.put("new")
    taken = heir.turn([], 10, alone=False)
    assert names(taken) == ["new"]
    assert names(heir.turn([desk.verdict(one) for one in taken], 10, alone=True)) == ["suspect"]


@pytest.mark.parametrize("strict", [False, True])
def test_an_event_that_kills_its_worker_is_given_up_and_the_others_are_delivered(
    desk: Desk, strict: bool
) -> None:
    desk.put("a", "killer", "b")
    queue = desk.new_queue(strict=strict)
    assert queue.acquire()
    deaths = 0
    delivered: list[str] = []
    done: list[Delivery] = []
    while taken := queue.turn(done, 10):
        done = []
        for one in taken:
            if names([one]) == ["killer"]:
                deaths += 1
                queue, done = desk.die(queue), []
                break
            delivered += names([one])
            done.append(desk.verdict(one))
            if strict:
                queue.turn(done)  # written down at once
                done = []
    assert deaths == MOST_CRASHES
    assert set(delivered) == {"a", "b"}
    assert desk.states() == {"a": State.DELIVERED, "b": State.DELIVERED, "killer": State.DEAD}


def test_what_a_worker_gives_back_keeps_its_place(desk: Desk) -> None:
    desk.put(*numbers(10))
    assert desk.queue.acquire()
    taken = desk.queue.turn([], 6)
    desk.queue.release([desk.verdict(one) for one in taken[:2]])
    desk.put(*numbers(5, 10))
    heir = desk.new_queue()
    assert heir.acquire()
    assert not heir.has_suspects
    assert desk.drain(heir, 3) == numbers(13, 2)


def test_what_a_worker_gives_back_of_a_backlog_keeps_its_place(desk: Desk) -> None:
    desk.put(*numbers(_LIVE + 10))
    assert desk.queue.acquire()  # all of it is a backlog now
    desk.queue.turn([], 20)
    desk.queue.release()
    desk.put("new")
    heir = desk.new_queue()
    assert heir.acquire()
    assert desk.drain(heir, 20) == ["new", *numbers(_LIVE + 10)]


def test_what_is_asked_for_again_while_it_is_out_comes_once(desk: Desk) -> None:
    desk.put(*numbers(10))
    assert desk.queue.acquire()
    taken = desk.queue.turn([], 6)
    desk.queue.turn([desk.verdict(one) for one in taken[:4]])
    with desk.spool._database.writing() as connection:  # a person asks for a replay
        mine = find(connection, Key("h"))
        assert mine is not None
        connection.execute("DELETE FROM delivery WHERE seq <= 3")
        mine.lane.backlog = [Range(1, 3)]
        save(connection, mine)
    desk.queue.release()
    heir = desk.new_queue()
    assert heir.acquire()
    assert sorted(desk.drain(heir, 100)) == sorted([*numbers(3), *numbers(6, 4)])


def test_what_is_given_back_of_later_tries_is_no_try(desk: Desk) -> None:
    desk.put("a")
    assert desk.queue.acquire()
    (one,) = desk.queue.turn([], 1)
    (one,) = desk.queue.turn([desk.verdict(one, State.AGAIN)], 1)
    assert one.attempts == 1
    desk.queue.release()
    heir = desk.new_queue()
    assert heir.acquire()
    assert [(one.attempts, one.crashes) for one in heir.turn([], 1)] == [(1, 0)]


def test_a_retry_is_not_taken_before_it_is_due(desk: Desk) -> None:
    desk.put("a", "b")
    assert desk.queue.acquire()
    a, b = desk.queue.turn([], 2)
    assert desk.queue.turn([desk.verdict(a, State.AGAIN, wait=50), desk.verdict(b)], 2) == []
    assert desk.queue.ready() == (False, desk.clock() + 50)
    assert not desk.queue.is_empty()
    desk.clock.advance(50)
    assert desk.queue.ready()[0]
    assert names(desk.queue.turn([], 2)) == ["a"]


def fail_all(desk: Desk, queue: Queue, count: int) -> None:
    """Let so many events fail, to be tried again at once."""
    done: list[Delivery] = []
    left = count
    while left:
        taken = queue.turn(done, min(left, 100))
        left -= len(taken)
        done = [desk.verdict(one, State.AGAIN, wait=1) for one in taken]
    queue.turn(done)
    desk.clock.advance(1)


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_neither_retries_nor_new_events_keep_each_other_back(desk: Desk, limit: int) -> None:
    assert desk.queue.acquire()
    desk.put(*[f"retry {number}" for number in range(100)])
    fail_all(desk, desk.queue, 100)
    desk.put(*[f"new {number}" for number in range(100)])
    order = desk.drain(desk.queue, limit)
    assert len(order) == len(set(order)) == 200
    share = sum(name.startswith("new") for name in order[:60])
    assert 20 <= share <= 40
    assert [name for name in order if name.startswith("new")] == [f"new {number}" for number in range(100)]


def test_retries_fill_a_batch_if_nothing_is_new(desk: Desk) -> None:
    assert desk.queue.acquire()
    desk.put(*numbers(100))
    fail_all(desk, desk.queue, 100)
    assert len(desk.queue.turn([], 40)) == 40


def test_after_an_outage_new_events_go_ahead_of_a_backlog(desk: Desk) -> None:
    desk.put(*numbers(_LIVE + 50))
    assert desk.queue.acquire()
    desk.put("new", "newer")
    assert desk.drain(desk.queue, 60) == ["new", "newer", *numbers(_LIVE + 50)]
    assert desk.queue.lane().backlog == []


def test_a_few_that_wait_are_no_backlog(desk: Desk) -> None:
    desk.put(*numbers(_LIVE))
    assert desk.queue.acquire()
    desk.put("new")
    assert desk.drain(desk.queue, 60) == [*numbers(_LIVE), "new"]


def test_backlogs_of_several_outages_are_delivered_in_their_order(desk: Desk) -> None:
    assert desk.queue.acquire()
    for outage in range(3):
        desk.put(*numbers(300, outage * 300))
        desk.queue.catch_up()
        desk.queue.turn([desk.verdict(one) for one in desk.queue.turn([], 7)])
    assert len(desk.queue.lane().backlog) == 3
    desk.put("900")
    order = [int(name) for name in desk.drain(desk.queue, 64)]
    live, old = order[: _LIVE - 6], order[_LIVE - 6 :]
    assert live == list(range(900 - _LIVE + 7, 901))
    assert old == sorted(old)
    assert len({*live, *old}) == 901 - 21


def test_strict_order_knows_no_backlog(desk: Desk) -> None:
    queue = desk.new_queue(strict=True)
    desk.put(*numbers(_LIVE + 50))
    assert queue.acquire()
    desk.put("new")
    queue.catch_up()
    assert desk.drain(queue, 60) == [*numbers(_LIVE + 50), "new"]


def test_what_expires_is_taken_out_of_the_backlog_and_out_of_what_is_new(desk: Desk) -> None:
    desk.put(*range(5000))
    assert desk.queue.acquire()  # all of it is a backlog now
    desk.put(*range(5000, 5010))
    counts, is_more = [], True
    while is_more:
        count, is_more = desk.queue.expire(5005, desk.clock(), "too old")
        counts.append(count)
    assert sum(counts) == 5005
    assert max(counts) <= 2000, "nobody else waits for long"
    assert desk.drain(desk.queue) == [str(name) for name in range(5005, 5010)]
    assert list(desk.states().values()).count(State.DEAD) == 5005


def test_nothing_expires_that_is_not_there_yet(desk: Desk) -> None:
    desk.put("a")
    assert desk.queue.acquire()
    assert desk.queue.expire(1_000_000, desk.clock(), "too old") == (1, True)
    assert desk.queue.expire(1_000_000, desk.clock(), "too old") == (0, False)
    desk.put("b")
    assert desk.drain(desk.queue) == ["b"]


def test_what_is_out_does_not_expire(desk: Desk) -> None:
    desk.put(*"abc")
    assert desk.queue.acquire()
    taken = desk.queue.turn([], 2)
    desk.clock.advance(100)
    assert desk.queue.expire(3, desk.clock(), "too old") == (1, True)
    assert desk.queue.expire(3, desk.clock(), "too old") == (0, False)
    desk.queue.turn([desk.verdict(one) for one in taken])
    assert desk.states() == {"a": State.DELIVERED, "b": State.DELIVERED, "c": State.DEAD}


def test_a_backlog_is_delivered_in_strict_order_too(desk: Desk) -> None:
    """As after the order was changed in the configuration, or a person asked for a replay."""
    desk.put(*numbers(_LIVE + 50))
    assert desk.queue.acquire()
    desk.queue.release()
    desk.put("new")
    queue = desk.new_queue(strict=True)
    assert queue.acquire()
    assert desk.drain(queue, 60) == [*numbers(_LIVE + 50), "new"]
    assert queue.is_empty()


def test_in_strict_order_the_head_blocks(desk: Desk) -> None:
    queue = desk.new_queue(strict=True)
    desk.put("head", "b", "c")
    assert queue.acquire()
    head, b, c = queue.turn([], 3)
    untried = [desk.verdict(one, State.AGAIN, attempts=0) for one in (b, c)]
    assert queue.turn([desk.verdict(head, State.AGAIN, wait=60), *untried], 3) == []
    desk.put("d")
    assert queue.turn([], 3) == []
    assert queue.ready() == (False, desk.clock() + 60)
    desk.clock.advance(60)
    assert desk.drain(queue, 2) == ["head", "b", "c", "d"]


def test_in_strict_order_a_suspect_goes_alone(desk: Desk) -> None:
    queue = desk.new_queue(strict=True)
    desk.put("a", "b", "c")
    assert queue.acquire()
    queue.turn([], 1)
    queue = desk.die(queue)
    (a,) = queue.turn([], 3)
    assert [names([a]), a.crashes] == [["a"], 1]
    taken = queue.turn([desk.verdict(a, State.AGAIN)], 3)
    assert names(taken) == ["a"]


def test_the_first_is_taken_before_all_others(desk: Desk) -> None:
    desk.put(*numbers(_LIVE + 50))
    assert desk.queue.acquire()
    desk.put("x", "y")
    (wished,) = desk.put("mine")
    desk.put("z")
    taken = desk.queue.turn([], 10, first=wished)
    assert names(taken) == ["mine"]
    order = desk.drain(desk.queue, 50)
    assert order[:3] == ["x", "y", "z"]
    assert sorted(order[3:], key=int) == numbers(_LIVE + 50)


def test_the_first_may_lie_in_the_backlog(desk: Desk) -> None:
    ids = desk.put(*numbers(_LIVE + 50))
    assert desk.queue.acquire()
    assert names(desk.queue.turn([], 10, first=ids[10])) == ["10"]


def test_a_first_that_is_not_owed_is_not_taken(desk: Desk) -> None:
    (taken_before,) = desk.put("a")
    (others,) = desk.spool.put_many([Event("others")], owed_to=[Key("job", "f")])
    assert desk.queue.acquire()
    assert desk.drain(desk.queue) == ["a"]
    for wished in (taken_before, others, "unknown"):
        assert desk.queue.turn([], 10, first=wished) == []


def test_the_first_of_a_worker_that_died_comes_back(desk: Desk) -> None:
    desk.put("a")
    (wished,) = desk.put("mine")
    assert desk.queue.acquire()
    desk.queue.turn([], 10, first=wished)
    assert sorted(desk.drain(desk.die(desk.queue))) == ["a", "mine"]


def test_events_of_others_are_passed_over(desk: Desk) -> None:
    job = Key("job", "fingerprint")
    for number in range(3):
        desk.put(f"ours {number}")
        desk.spool.put_many([Event("job's")] * 700, owed_to=[job])
        desk.spool.put_many([Event(f"job's {number}")], owed_to=[job])
    assert desk.queue.acquire()
    assert desk.drain(desk.queue) == ["ours 0", "ours 1", "ours 2"]
    desk.spool.put_many([Event(str(number)) for number in range(1001)], owed_to=[job])
    assert desk.queue.ready()[0]  # so that how far it has come is written down now and then
    assert desk.queue.turn([], 10) == []
    assert not desk.queue.ready()[0]
    (number,) = desk.spool.register([job])
    theirs = desk.spool.queue(number)
    assert theirs.acquire()
    assert set(names(theirs.turn([], 4000))) >= {"job's 0", "job's 2", "1000"}


def test_a_batch_is_bounded_in_bytes(desk: Desk) -> None:
    big = MOST_BYTES // 5
    desk.spool.put_many([Event(str(number), data="x" * big) for number in range(12)])
    assert desk.queue.acquire()
    sizes: list[int] = []
    order: list[str] = []
    done: list[Delivery] = []
    while taken := desk.queue.turn(done, 500):
        sizes.append(len(taken))
        order += names(taken)
        done = [desk.verdict(one) for one in taken]
    assert order == numbers(12)
    assert max(sizes) <= 6


def test_an_event_above_the_bound_is_a_batch_of_its_own(desk: Desk) -> None:
    desk.spool.put_many([Event(str(number), data="x" * (MOST_BYTES + 1)) for number in range(2)])
    assert desk.queue.acquire()
    assert desk.drain(desk.queue) == ["0", "1"]


def test_a_backlog_is_bounded_in_bytes_too(desk: Desk) -> None:
    desk.spool.put_many([Event(f"big {n}", data="x" * (MOST_BYTES // 2)) for n in range(5)])
    desk.put(*numbers(_LIVE))
    assert desk.queue.acquire()
    desk.put("new")
    sizes, order = [], []
    done: list[Delivery] = []
    while taken := desk.queue.turn(done, 500):
        sizes.append(len(taken))
        order += names(taken)
        done = [desk.verdict(one) for one in taken]
    assert order == ["new", *[f"big {n}" for n in range(5)], *numbers(_LIVE)]
    assert len(sizes) >= 2


@pytest.mark.parametrize("strict", [False, True])
def test_retries_are_bounded_in_bytes_too(desk: Desk, strict: bool) -> None:
    queue = desk.new_queue(strict=strict)
    assert queue.acquire()
    desk.spool.put_many([Event(str(n), data="x" * (MOST_BYTES // 5)) for n in range(12)])
    done: list[Delivery] = []
    while taken := queue.turn(done, 500):
        done = [desk.verdict(one, State.AGAIN, wait=60) for one in taken]
    desk.clock.advance(60)
    sizes, order = [], []
    done = []
    while taken := queue.turn(done, 500):
        sizes.append(len(taken))
        order += names(taken)
        done = [desk.verdict(one) for one in taken]
    assert sorted(order, key=int) == numbers(12)
    assert max(sizes) <= 6


def test_large_new_events_and_large_retries_share_the_room(desk: Desk) -> None:
    assert desk.queue.acquire()
    for kind in ("retry", "new"):
        desk.spool.put_many([Event(f"{kind} {n}", data="x" * (MOST_BYTES // 8)) for n in range(20)])
        if kind == "retry":
            fail_all(desk, desk.queue, 20)
    order = desk.drain(desk.queue, 100)
    assert len(order) == 40
    assert 6 <= sum(name.startswith("new") for name in order[:20]) <= 14


def test_attachments_count_for_the_bound(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 30_000)
    events = [Event(str(number)) for number in range(MOST_BYTES // 30_000 + 10)]
    for event in events:
        event.attach_file(str(tmp_path / "log"))
    desk.spool.put_many(events[: len(events) // 2])
    desk.spool.put_many(events[len(events) // 2 :])
    assert desk.queue.acquire()
    assert len(desk.queue.turn([], len(events))) < len(events)


def test_a_damaged_event_is_told_and_the_next_is_delivered(desk: Desk) -> None:
    desk.put("a", "b", "c")
    desk.execute("UPDATE event SET body = CAST(replace(body, '\"b\"', '\"q\"') AS BLOB) WHERE seq = 2")
    assert desk.queue.acquire()
    a, b, c = desk.queue.turn([], 10)
    assert names([a, b, c]) == ["a", "", "c"]
    assert "checksum" in b.problem


def test_an_event_that_cannot_be_decoded_is_told(desk: Desk) -> None:
    from e3_event.spool._events import CONFIGURED, make_row

    desk.put("a")
    row = make_row("uid", "id", CONFIGURED, desk.clock(), 0, b'{"of": "the future"}', {})
    desk.execute("INSERT INTO event VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", *row.columns)
    desk.put("c")
    assert desk.queue.acquire()
    _, b, c = desk.queue.turn([], 10)
    assert b.snapshot is None
    assert "decoded" in b.problem
    assert names([c]) == ["c"]


def test_a_retry_whose_event_is_gone_is_told(desk: Desk) -> None:
    desk.put("a", "b")
    assert desk.queue.acquire()
    a, b = desk.queue.turn([], 2)
    desk.queue.turn([desk.verdict(a, State.AGAIN), desk.verdict(b)])
    desk.execute("DELETE FROM event WHERE seq = 1")
    (gone,) = desk.queue.turn([], 2)
    assert (gone.snapshot, gone.problem) == (None, "its record can't be read")


def test_a_damaged_delivery_is_tried_again(desk: Desk) -> None:
    desk.put("a")
    assert desk.queue.acquire()
    (one,) = desk.queue.turn([], 1)
    desk.queue.turn([desk.verdict(one, State.AGAIN, wait=1e6)])
    desk.execute("UPDATE delivery SET attempts = 77")
    assert [one.attempts for one in desk.queue.turn([], 1)] == [0]


def test_a_handler_that_was_forgotten_is_not_served(desk: Desk) -> None:
    desk.put("a")
    with desk.spool._database.writing() as connection:
        mine = find(connection, Key("h"))
        assert mine is not None
        mine.lane.forgotten = True
        save(connection, mine)
    assert not desk.queue.acquire()


def test_a_wait_written_by_a_clock_that_was_ahead_ends_when_the_lease_is_taken(desk: Desk) -> None:
    desk.put("a")
    year = 365 * 86400
    desk.clock.advance(10 * year)
    assert desk.queue.acquire()
    (one,) = desk.queue.turn([], 1)
    desk.queue.release([desk.verdict(one, State.AGAIN, wait=3600)])
    desk.clock.advance(-10 * year)
    assert desk.queue.acquire()
    assert names(desk.queue.turn([], 1)) == ["a"]


def test_a_wait_that_the_sink_wished_for_is_kept_by_the_next_worker(desk: Desk) -> None:
    desk.put("a")
    assert desk.queue.acquire()
    (one,) = desk.queue.turn([], 1)
    desk.queue.release([desk.verdict(one, State.AGAIN, wait=86400)])
    desk.clock.advance(3600)
    assert desk.queue.acquire()
    assert desk.queue.turn([], 1) == []


def test_what_a_commit_took_that_raised_but_stands_is_given_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put(*numbers(10))
    assert desk.queue.acquire()
    one, two = desk.queue.turn([], 2)
    with monkeypatch.context() as patch:

        def fail(_: object) -> None:
            raise OSError("out of descriptors")

        patch.setattr("e3_event.spool._database.Database._note_log", fail)
        done = [desk.verdict(one), desk.verdict(two)]
        with pytest.raises(OSError, match="out of descriptors"):
            desk.queue.turn(done, 5)
    desk.queue.release(done)
    heir = desk.new_queue()
    assert heir.acquire()
    assert desk.drain(heir, 3) == numbers(10)[2:]
