"""A relay as a whole: start, stop, flush, reload, several relays, forks, a spool that goes away."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from e3_event import DeliveryError, Event
from e3_event._errors import SpoolError
from e3_event._relay import HangingHandlersError, Relay, Subscriber, _relay
from e3_event._relay._relay import MOST_HANGING
from e3_event._retry import RetryPolicy
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import State
from e3_event.spool._subscriptions import LEASE
from e3_event.testing import Recorder
from relay.kit import Gate, Post, names, subscriber, until

PATIENT = RetryPolicy(first=1000.0)


def threads() -> list[threading.Thread]:
    """Those of relays."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("relay")]


def test_every_handler_gets_every_event(post: Post) -> None:
    handlers = [Recorder() for _ in range(5)]
    relay = post.relay(*handlers)
    post.put(*range(100))
    assert relay.run_once(60)
    assert [names(handler.events) for handler in handlers] == [[str(n) for n in range(100)]] * 5
    assert relay.delivered == 500
    assert not relay.waits()


def test_events_are_delivered_as_they_come(post: Post) -> None:
    relay = post.relay(handler := Recorder())
    relay.start()
    for number in range(5):
        post.put(number)
        until(lambda count=number + 1: len(handler.events) == count, 5)  # type: ignore[misc]
    assert relay.stop()


def test_a_handler_that_is_stuck_keeps_no_other_back(post: Post) -> None:
    gate, other = Gate(), Recorder()
    relay = post.relay(gate, other)
    relay.start()
    post.put(*"abc")
    until(lambda: len(other.events) == 3)
    assert gate.events == []
    gate.go.set()
    until(lambda: len(gate.events) == 3)
    assert relay.stop()


def test_two_jobs_with_handlers_of_their_own_get_their_own_events(post: Post) -> None:
    keys = [Key("job", "one"), Key("job", "two")]
    handlers = [Recorder(), Recorder()]
    for number, key in enumerate(keys):
        post.spool.put_many([Event(f"of {number}")], owed_to=[key])
    post.put("of all")
    relays = [
        post.relay_of(Subscriber(key=key, build=lambda it=handler: it))  # type: ignore[misc]
        for handler, key in zip(handlers, keys, strict=True)
    ]
    for relay in relays:
        assert relay.run_once(60)
    assert [names(handler.events) for handler in handlers] == [["of 0"], ["of 1"]]


def test_two_relays_deliver_each_event_once_and_one_takes_over_from_the_other(post: Post) -> None:
    first, second = Recorder(), Recorder()
    relays = [post.relay(first), post.relay(second)]
    for relay in relays:
        relay.start()
    post.put(*range(100))
    until(lambda: len(first.events) + len(second.events) == 100)
    serving = relays[0] if first.events else relays[1]
    assert serving.stop()
    post.put(*range(100, 150))
    until(lambda: len(first.events) + len(second.events) == 150)
    assert {len(first.events), len(second.events)} == {100, 50}
    for relay in relays:
        relay.stop()


def test_run_once_does_not_wait_for_another_relay_that_serves_the_handler(post: Post) -> None:
    gate = Gate()
    daemon, cron = post.relay(gate), post.relay(Recorder())
    daemon.start()
    post.put("a")
    until(gate.is_in.is_set)
    assert cron.run_once(60)
    assert post.states() == {}
    gate.go.set()
    assert daemon.stop()


def test_run_once_does_not_wait_for_retries_or_sinks_that_are_down(post: Post) -> None:
    handler = Recorder()
    handler.failures = [DeliveryError("down")] * 100
    relay = post.relay(handler, Recorder(), retry=PATIENT)
    post.put(*range(20))
    started = time.monotonic()
    assert relay.run_once(60)
    assert relay.run_once(60)
    assert time.monotonic() - started < 10
    assert relay.waits()


def test_run_once_delivers_all_there_is_however_often(post: Post) -> None:
    handlers = [Recorder() for _ in range(3)]
    relay = post.relay(*handlers)
    for round_ in range(30):
        post.put(*range(7))
        assert relay.run_once(60)
        assert [len(handler.events) for handler in handlers] == [7 * round_ + 7] * 3


def test_flush_delivers_the_wished_event_before_a_backlog(post: Post) -> None:
    relay = post.relay(handler := Recorder())
    post.put(*range(1000))
    (mine,) = post.put("mine")
    post.put(*range(10))
    assert relay.flush(60, first=mine)
    assert handler.events[0]["name"] == "mine"
    assert len(handler.events) == len({event.snapshot_id for event in handler.events}) == 1011


def test_flush_is_over_in_time_and_says_that_something_is_left(post: Post) -> None:
    gate = Gate()
    relay = post.relay(gate)
    post.put(*range(5))
    started = time.monotonic()
    assert not relay.flush(0.4)
    assert time.monotonic() - started < 2
    assert post.states() == {"0": State.AGAIN}
    gate.go.set()


def test_a_flush_whose_time_is_over_interrupts_nobody_who_is_about_to_finish(post: Post) -> None:
    class Slow(Recorder):
        def send_event(self, event: Event) -> bool:
            threading.Event().wait(0.02)
            return super().send_event(event)

    relay = post.relay(handler := Slow())
    post.put(*range(500))
    for _ in range(3):
        assert not relay.flush(0.5)
    states = post.states().values()
    assert list(states) == [State.DELIVERED] * len(handler.events)
    assert {delivery.attempts for delivery in post.ledger().values()} == {1}


def test_run_once_says_when_the_spool_could_not_be_used(post: Post) -> None:
    post.spool.patience = 0.1
    relay = post.relay(Recorder())
    post.put("a")
    other = apsw.Connection(f"{post.spool.path}/spool.db")
    other.execute("BEGIN IMMEDIATE")
    assert not relay.run_once(60)
    other.execute("COMMIT")
    other.close()
    assert relay.run_once(60)


def test_a_relay_runs_once_at_a_time(post: Post) -> None:
    relay = post.relay(Recorder())
    relay.start()
    with pytest.raises(RuntimeError, match="runs already"):
        relay.start()
    assert relay.wait(0.01)
    assert relay.stop()
    assert not relay.wait(0.01)
    relay.start()
    assert relay.stop()


def test_after_so_many_hanging_handlers_the_relay_gives_up(post: Post) -> None:
    gates: list[Gate] = []

    def build() -> Gate:
        gates.append(Gate())
        return gates[-1]

    relay = post.relay_of(Subscriber(key=Key("h0"), build=build, deadline=0.1))
    post.put(*range(10))
    relay.start()
    while len(gates) <= MOST_HANGING:
        post.clock.advance(5.0)  # its sink is down after the third
        threading.Event().wait(0.05)
    with pytest.raises(HangingHandlersError, match="hang"):
        relay.wait(30)
    assert len(gates) == MOST_HANGING + 1
    relay.stop()
    assert list(post.states().values()).count(State.AGAIN) >= MOST_HANGING + 1
    for gate in gates:
        gate.go.set()


def test_reload_serves_other_handlers(post: Post) -> None:
    old, kept, again, new = Recorder(), Recorder(), Recorder(), Recorder()
    relay = post.relay(old, kept)
    relay.start()
    post.put("a")
    until(lambda: old.events and kept.events)
    relay.reload([subscriber("h1", again), subscriber("new", new)])
    post.put("b")
    until(lambda: again.events and new.events)
    assert [names(one.events) for one in (old, kept, again, new)] == [["a"], ["a"], ["b"], ["b"]]
    assert (old.closed, kept.closed) == (1, 1)
    assert relay.stop()
    assert relay.delivered == 4


def test_reload_before_the_start_starts_nothing(post: Post) -> None:
    until(lambda: not threads())  # those of other tests
    relay = post.relay(Recorder())
    relay.reload([subscriber("new", new := Recorder())])
    post.put("a")
    assert not threads()
    assert relay.run_once(60)
    assert names(new.events) == ["a"]


def spoil_by_deleting(path: str) -> None:
    shutil.rmtree(path)


def spoil_by_replacing(path: str) -> None:
    os.rename(path, f"{path}.old")
    Spool(path).close()


def spoil_by_a_failed_disk(path: str) -> None:
    os.chmod(f"{path}/spool.db", 0o400)


@pytest.mark.parametrize("spoil", [spoil_by_deleting, spoil_by_replacing, spoil_by_a_failed_disk])
def test_a_relay_whose_spool_is_gone_stops_with_an_error_that_names_it(
    tmp_path: Path, spoil: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path / "spool")
    relay = Relay(spool, [subscriber("h0", handler := Recorder())])
    relay.start()
    spool.put(Event("a"))
    until(lambda: handler.events)
    spoil(spool.path)
    started = time.monotonic()
    with pytest.raises(SpoolError, match="spool"):
        relay.wait(30)
    assert time.monotonic() - started < 3
    assert spool.path in caplog.text
    relay.stop()
    relay.close()


def test_a_relay_that_cannot_look_after_its_workers_stops_with_the_error(post: Post) -> None:
    relay = post.relay(Recorder())
    clock = post.clock

    def broken() -> float:
        if threading.current_thread().name == "relay":
            raise OverflowError("a clock that fails")
        return clock()

    relay._spool.clock = broken
    relay.start()
    with pytest.raises(OverflowError):
        relay.wait(30)
    relay.stop()


def test_a_child_of_a_fork_can_end_a_relay_and_run_one(post: Post) -> None:
    handler = Recorder()
    relay = post.relay(handler)
    relay.start()
    post.put("a")
    until(lambda: handler.events)
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)
            code = 1
            try:
                stopped = relay.stop()
                ran = relay.run_once(0.2)  # the parent serves the handler: nothing to do
                relay.close()
                code = 0 if stopped and ran else 2
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
    post.put("b")
    until(lambda: len(handler.events) == 2)
    assert relay.stop()
    assert names(handler.events) == ["a", "b"]


def test_settled_events_are_removed_after_their_time(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_relay, "_CLEANING", 0.0)
    relay = post.relay(handler := Recorder())
    relay.start()
    old = post.put(*range(10))
    until(lambda: len(handler.events) == 10)
    post.clock.advance(post.spool.retention + 10)
    post.put("new", "newest")

    def is_removed() -> bool:
        try:
            post.spool.read(old[0])
        except SpoolError:
            return True
        return False

    until(is_removed)
    until(lambda: len(handler.events) == 12)
    assert relay.stop()
    assert post.states() == {"new": State.DELIVERED, "newest": State.DELIVERED}


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 10 * 365 * 86400.0, -10 * 365 * 86400.0])
def test_a_jump_of_the_clock_neither_stalls_nor_storms(post: Post, jump: float) -> None:
    class Flaky(Recorder):
        calls = 0

        def send_event(self, event: Event) -> bool:
            self.calls += 1
            if event["name"] == "bad":
                raise DeliveryError("no")
            return super().send_event(event)

    flaky = Flaky()
    relay = post.relay(flaky, retry=RetryPolicy(first=100.0, longest=100.0, age=1e10))
    post.put("bad", "a")
    relay.start()
    until(lambda: len(post.states()) == 2)
    post.clock.advance(jump)
    post.put("b")
    until(lambda: len(flaky.events) == 2)
    before = flaky.calls
    threading.Event().wait(0.5)
    assert flaky.calls - before <= 1
    for _ in range(3):
        post.clock.advance(100.0)
        calls = flaky.calls
        relay._workers[0].wake()
        until(lambda calls=calls: flaky.calls > calls)  # type: ignore[misc]
    assert relay.stop()


def test_a_relay_goes_on_within_a_lease_after_another_one_died(post: Post) -> None:
    relay = post.relay(handler := Recorder())
    post.put(*range(5))
    dead = post.spool.queue(relay._numbers[0])
    assert dead.acquire()
    dead.turn([], 5)
    assert relay.run_once(60)
    assert handler.events == []
    post.clock.advance(LEASE)
    assert relay.run_once(60)
    assert names(handler.events) == list("01234")


def test_what_a_relay_serves_is_registered_before_it_starts(post: Post) -> None:
    relay = post.relay(handler := Recorder())
    post.put("a")
    assert relay.run_once(60)
    assert names(handler.events) == ["a"]


def test_a_relay_without_handlers_has_nothing_to_do(post: Post) -> None:
    relay = post.relay()
    post.put("a")
    assert relay.run_once(1)
    assert not relay.waits()


def test_its_threads_end_with_it(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    until(lambda: not threads())  # those of other tests
    relay = post.relay(*[Recorder() for _ in range(6)])
    with caplog.at_level(logging.DEBUG, "e3.event"):
        relay.start()
        post.put("a")
        assert relay.stop()
    assert not threads()
    assert caplog.records == []
