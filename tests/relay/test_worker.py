"""Deliveries: attempts, order, what becomes of them when a handler hangs, a lease is lost, a spool fails."""

from __future__ import annotations

import logging
import threading
from typing import Any

import apsw
import pytest

from e3_event import DeliveryError, Event, RejectedError
from e3_event._relay import Relay, _worker
from e3_event._retry import LEAST_ATTEMPTS, RetryPolicy
from e3_event.spool._deliveries import State
from e3_event.spool._subscriptions import LEASE
from e3_event.testing import Recorder
from relay.kit import Gate, Post, names, subscriber, until

PATIENT = RetryPolicy(first=1000.0)


def test_events_arrive_in_the_order_they_were_accepted(post: Post) -> None:
    handler = Recorder()
    relay = post.relay(handler)
    for first in range(0, 3000, 1000):
        post.put(*range(first, first + 1000))
        assert relay.run_once(60)
    assert names(handler.events) == [str(number) for number in range(3000)]


def test_a_delivery_is_tried_until_it_succeeds_as_the_same_snapshot(post: Post) -> None:
    ids = []

    class Noting(Recorder):
        def send_event(self, event: Any) -> bool:
            ids.append(event.snapshot_id)
            return super().send_event(event)

    handler = Noting()
    handler.failures = [False, ValueError("x"), DeliveryError("y")]
    relay = post.relay(handler, retry=RetryPolicy(first=4.0))
    (put,) = post.put("a")
    waits = []
    while not handler.events:
        assert relay.run_once(60)
        delivery = post.ledger()["a"]
        waits.append(delivery.due - post.clock.now)
        post.clock.now = max(post.clock.now, delivery.due)
    assert ids == [put] * len(ids)
    assert waits[:3] == [2.0, 4.0, 8.0]  # half of 4, 8, 16
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 4)


def test_what_is_rejected_is_a_dead_letter_at_once_with_its_reason(post: Post) -> None:
    handler = Recorder()
    handler.failures = [RejectedError("no such recipient")]
    relay = post.relay(handler)
    post.put("a")
    assert relay.run_once(60)
    dead = post.ledger()["a"]
    assert (dead.state, dead.attempts, dead.reason) == (State.DEAD, 1, "no such recipient")


def test_what_was_tried_often_enough_is_a_dead_letter(post: Post) -> None:
    handler = Recorder()
    handler.failures = [DeliveryError("down")] * 10
    relay = post.relay(handler, retry=RetryPolicy(attempts=4, first=1.0, longest=1.0))
    post.put("a")
    for _ in range(10):
        assert relay.run_once(60)
        post.clock.advance(1.0)
    dead = post.ledger()["a"]
    assert (dead.state, dead.attempts) == (State.DEAD, 4)
    assert dead.reason == "given up after 4 attempts: down"
    assert len(handler.failures) == 6


def test_what_is_too_old_is_a_dead_letter_but_not_untried(post: Post) -> None:
    handler = Recorder()
    handler.failures = [DeliveryError("down")] * 10
    relay = post.relay(handler, retry=RetryPolicy(age=100.0, first=1.0, longest=1.0))
    post.put("a")
    post.clock.advance(1e6)  # the machine was off
    for _ in range(10):
        assert relay.run_once(60)
        post.clock.advance(1.0)
    assert (post.ledger()["a"].state, post.ledger()["a"].attempts) == (State.DEAD, LEAST_ATTEMPTS)


def test_in_strict_order_nothing_overtakes(post: Post) -> None:
    handler = Recorder()
    handler.failures = [True, False, False]
    relay = post.relay(handler, order="strict", retry=RetryPolicy(first=10.0, longest=10.0))
    post.put("a", "head", "c")
    for _ in range(3):
        post.put("later")
        assert relay.run_once(60)
        post.clock.advance(6.0)
    assert names(handler.events) == ["a", "head", "c", "later", "later", "later"]


def test_a_stop_lets_the_handler_finish_and_gives_back_the_rest(post: Post) -> None:
    gate = Gate(calls=1)
    relay = post.relay(gate)
    post.put(*"abcdef")
    relay.start()
    until(gate.is_in.is_set)
    for worker in relay._workers:
        worker.stop()
    gate.go.set()
    assert relay.stop()
    assert post.states() == {"a": State.DELIVERED}
    assert not post.lane().lease
    assert relay.run_once(60)
    assert names(gate.events) == list("abcdef")
    assert {delivery.crashes for delivery in post.ledger().values()} == {0}


def test_a_handler_that_does_not_finish_is_left_alone_and_its_event_tried_again(post: Post) -> None:
    gate = Gate(calls=1)
    relay = post.relay(gate, retry=RetryPolicy(first=1.0, longest=1.0))
    post.put(*"abc")
    relay.start()
    until(gate.is_in.is_set)
    assert not relay.stop(timeout=0.1)
    assert post.states() == {"a": State.AGAIN}
    assert "told to stop" in post.ledger()["a"].reason
    gate.go.set()  # it comes back now: nobody listens
    until(lambda: len(gate.events) == 1)
    assert post.states() == {"a": State.AGAIN}
    post.clock.advance(1.0)
    assert relay.run_once(60)
    assert sorted(names(gate.events)) == ["a", "a", "b", "c"]


def test_a_handler_that_hangs_is_replaced_and_never_heard_again(post: Post) -> None:
    made: list[Gate] = []

    def build() -> Gate:
        made.append(Gate("a", calls=1 - len(made)))
        return made[-1]

    from e3_event._relay import Subscriber
    from e3_event.spool import Key

    relay = post.relay_of(Subscriber(key=Key("h0"), build=build, deadline=0.2, retry=PATIENT))
    post.put(*"abcdef")
    relay.start()
    until(lambda: len(made) == 2 and len(made[1].events) == 5)
    assert names(made[1].events) == list("bcdef")
    until(lambda: len(post.states()) == 6)
    assert post.states()["a"] == State.AGAIN
    assert post.ledger()["a"].reason == "no answer within 0.2 s"
    hung = next(thread for thread in threading.enumerate() if thread.name == "relay h0")
    made[0].go.set()
    hung.join(30)
    assert names(made[0].events) == ["a"]  # it does not go on with what it had taken
    assert post.states()["a"] == State.AGAIN
    assert made[0].closed == 1
    assert relay.stop()


def test_a_worker_that_slept_past_its_lease_goes_on_with_nothing(post: Post) -> None:
    class Sleepy(Recorder):
        def send_event(self, event: Event) -> bool:
            if not self.events:
                post.clock.advance(LEASE + 1)
                heir = post.spool.queue(relay._numbers[0])
                assert heir.acquire()
            return super().send_event(event)

    handler = Sleepy()
    relay = post.relay(handler)
    post.put(*"abcdef")
    relay.flush(0.5)
    assert names(handler.events) == ["a"]
    assert set(post.states().values()) == {State.AGAIN}  # with the heir


def test_a_lease_that_lapsed_but_was_not_taken_is_taken_up_again(post: Post) -> None:
    class Sleepy(Recorder):
        def send_event(self, event: Event) -> bool:
            post.clock.advance(LEASE + 1)
            return super().send_event(event)

    handler = Sleepy()
    relay = post.relay(handler)
    post.put(*"abcdef")
    assert relay.run_once(60)
    assert names(handler.events) == list("abcdef")
    assert set(post.states().values()) == {State.DELIVERED}


def impatient(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.spool.patience = 0.1
    monkeypatch.setattr(_worker, "_PATIENCE", 0.1)


def held(post: Post) -> apsw.Connection:
    """A connection of another process that keeps all others from writing."""
    connection = apsw.Connection(f"{post.spool.path}/spool.db")
    connection.execute("BEGIN IMMEDIATE")
    return connection


def test_what_a_failing_spool_keeps_from_being_written_down_is_written_later(
    post: Post, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    impatient(post, monkeypatch)
    gate = Gate()
    relay = post.relay(gate)
    post.put(*"abcdef")
    relay.start()
    until(gate.is_in.is_set)
    other = held(post)
    gate.go.set()
    until(lambda: len(gate.events) == 6)
    until(lambda: relay._workers[0].problem)
    assert "locked" in relay._workers[0].problem
    other.execute("COMMIT")
    other.close()
    until(lambda: len(post.states()) == 6)
    post.put("g")
    until(lambda: len(gate.events) == 7)
    assert relay.stop()
    assert names(gate.events) == list("abcdefg")
    assert set(post.states().values()) == {State.DELIVERED}
    assert len([record for record in caplog.records if "can't be served" in record.message]) == 1


def test_a_damaged_state_of_one_handler_is_told_and_the_others_are_served(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    handlers = [Recorder(), Recorder()]
    relay = post.relay(*handlers)
    post.put("a")
    with post.spool._database.writing() as connection:
        connection.execute("UPDATE subscription SET checksum = checksum + 1 WHERE name = 'h0'")
    assert not relay.run_once(60)
    assert [names(handler.events) for handler in handlers] == [[], ["a"]]
    assert "the state of the handler 'h0' is damaged" in caplog.text


def test_damaged_events_become_dead_letters_and_the_others_arrive(post: Post) -> None:
    relay = post.relay(recorder := Recorder())
    post.put(*"abcde")
    with post.spool._database.writing() as connection:
        connection.execute("UPDATE event SET put = put + 1 WHERE seq IN (2, 4)")
    assert relay.run_once(60)
    assert names(recorder.events) == ["a", "c", "e"]
    with post.spool._database.reading() as connection:
        rows: Any = connection.execute("SELECT seq, reason FROM delivery WHERE state = 3").fetchall()
    assert [seq for seq, _ in rows] == [2, 4]
    assert all("damaged" in reason for _, reason in rows)


def test_of_what_was_out_at_a_death_only_one_is_out_at_a_time_in_all_workers(post: Post) -> None:
    out, most, lock = 0, 0, threading.Lock()

    class Careful(Recorder):
        def send_event(self, event: Event) -> bool:
            nonlocal out, most
            with lock:
                out += 1
                most = max(most, out)
            threading.Event().wait(0.002)  # time for another one to come
            with lock:
                out -= 1
            return super().send_event(event)

    handlers = [Careful() for _ in range(4)]
    relay = post.relay(*handlers)
    post.put(*range(10))
    for number in relay._numbers:  # a relay that dies at once
        dead = post.spool.queue(number)
        assert dead.acquire()
        assert len(dead.turn([], 10)) == 10
    post.clock.advance(LEASE + 1)
    assert relay.run_once(60)
    assert most == 1
    assert [len(handler.events) for handler in handlers] == [10] * 4
    assert {delivery.crashes for delivery in post.ledger("h2").values()} == {1}


def test_a_suspect_that_hangs_does_not_keep_the_other_handlers_back(post: Post) -> None:
    gate = Gate()
    other = Recorder()
    relay = post.relay_of(
        subscriber("h0", gate, deadline=0.3, retry=PATIENT), subscriber("h1", other, retry=PATIENT)
    )
    post.put("a")
    for number in relay._numbers:
        dead = post.spool.queue(number)
        assert dead.acquire()
        dead.turn([], 10)
    post.clock.advance(LEASE + 1)
    relay.start()
    until(lambda: other.events)
    gate.go.set()
    relay.stop()


def test_a_flood_of_dead_letters_is_no_flood_of_lines(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    handler = Recorder()
    handler.failures = [RejectedError("no")] * 2000
    relay = post.relay(handler)
    post.put(*range(2000))
    with caplog.at_level(logging.ERROR, "e3.event"):
        assert relay.run_once(60)
    assert list(post.states().values()).count(State.DEAD) == 2000
    assert 1 <= len(caplog.records) < 20


def test_nothing_is_committed_while_there_is_nothing_to_do(post: Post, tmp_path: Any) -> None:
    """Two relays that see each other's commits must not keep each other busy."""
    first = post.relay(one := Recorder())
    other = post.relay_of(subscriber("other", two := Recorder()))
    first.start()
    other.start()
    post.put("a")
    until(lambda: one.events and two.events)
    until(lambda: first.is_idle() and other.is_idle())
    threading.Event().wait(0.3)  # what was under way ends
    before = post.spool.version()
    threading.Event().wait(0.5)
    assert post.spool.version() == before
    assert first.stop()
    assert other.stop()


def test_a_retry_comes_by_itself_when_its_time_has_come(post: Post) -> None:
    handler = Recorder()
    handler.failures = [False]
    relay = post.relay(handler, retry=RetryPolicy(first=1.0, longest=1.0))
    post.put("a")
    relay.start()
    until(lambda: post.states().get("a") == State.AGAIN)
    post.clock.advance(1.0)
    until(lambda: handler.events)
    assert relay.stop()


def test_a_clock_set_back_while_a_retry_waits_does_not_stall_it(post: Post) -> None:
    handler = Recorder()
    handler.failures = [False]
    relay = post.relay(handler, retry=RetryPolicy(first=1.0, longest=1.0))
    post.put("a")
    relay.start()
    until(lambda: post.states().get("a") == State.AGAIN)
    post.clock.advance(-10 * 365 * 86400)
    until(lambda: handler.events)
    assert relay.stop()


def test_the_handlers_connections_are_closed_at_the_end(post: Post) -> None:
    relay: Relay = post.relay(handler := Recorder())
    post.put("a")
    assert relay.run_once(60)
    assert handler.closed == 1
