"""Whether a sink is up, and when one that is down is tried again."""

from __future__ import annotations

import logging

import pytest

from e3_event import DeliveryError, Event, RejectedError
from e3_event._relay._sink import ENOUGH, Sink
from e3_event._relay._worker import BATCH
from e3_event._retry import RetryPolicy
from e3_event.spool._deliveries import State
from e3_event.spool._subscriptions import Lane
from e3_event.testing import Recorder
from relay.kit import Post, Sinking, names

HOUR = 3600.0
POLICY = RetryPolicy(first=10.0, longest=HOUR)
FAILED = DeliveryError("connection refused")


def sink() -> Sink:
    return Sink(POLICY, lambda: 1.0)


def test_it_is_down_after_several_events_failed_in_a_row() -> None:
    it = sink()
    for seq in range(1, ENOUGH):
        assert not it.judge(seq, FAILED, "refused", 100.0)
        assert it.wait(100.0) == 0
    assert it.judge(ENOUGH, FAILED, "refused", 100.0)
    assert (it.down, it.reason) == (100.0, "refused")
    assert it.wait(100.0) == 10.0


def test_one_event_that_always_fails_does_not_take_it_down() -> None:
    it = sink()
    for attempt in range(100):
        assert not it.judge(7, FAILED, "", 100.0 + attempt)
    assert it.wait(200.0) == 0


@pytest.mark.parametrize("answer", [True, RejectedError("no such recipient")], ids=repr)
def test_any_answer_of_the_other_side_says_that_it_is_up(answer: bool | RejectedError) -> None:
    it = sink()
    for seq in range(10):
        it.judge(seq, FAILED, "", 100.0)
    assert it.judge(11, answer, "", 200.0)
    assert (it.down, it.failures, it.wait(200.0)) == (0.0, 0, 0.0)
    assert not it.judge(12, FAILED, "", 200.0)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    it = sink()
    for seq in range(100):
        it.judge(seq, FAILED if seq % ENOUGH else True, "", 100.0)
    assert not it.down


def test_the_waits_grow_up_to_the_longest() -> None:
    it = sink()
    now, waits = 100.0, []
    for seq in range(20):
        it.judge(seq, FAILED, "", now)
        waits.append(it.wait(now))
        now += waits[-1]
    assert waits == sorted(waits)
    assert waits[ENOUGH - 1 : ENOUGH + 2] == [10.0, 20.0, 40.0]
    assert waits[-1] == HOUR


def test_the_waits_do_not_grow_with_an_event_that_fails_again() -> None:
    it = sink()
    for seq in range(ENOUGH):
        it.judge(seq, FAILED, "", 100.0)
    for _ in range(50):
        it.judge(0, FAILED, "", 100.0)
    assert it.wait(100.0) == 10.0


def test_it_is_left_alone_as_long_as_it_asks_for_within_reason() -> None:
    for wished, most in ((100.0, 110.0), (1e12, 2 * HOUR)):
        it = sink()
        for seq in range(ENOUGH):
            it.judge(seq, DeliveryError("busy", retry_after=wished), "", 0.0)
        assert it.down == 0.0 or it.wait(0.0) == most
        it.judge(99, DeliveryError("busy", retry_after=wished), "", 1.0)
        assert min(wished, HOUR) <= it.wait(1.0) <= most + 20


def test_what_is_known_passes_on_to_the_next_worker() -> None:
    old, lane, new = sink(), Lane(since=0, cursor=0, seen=0.0), sink()
    for seq in range(5):
        old.judge(seq, FAILED, "refused", 100.0)
    old.save(lane)
    new.load(lane, 110.0)
    assert (new.failures, new.down, new.reason, new.probe) == (5, 100.0, "refused", 140.0)


def test_a_probe_planned_by_a_clock_that_was_ahead_is_not_waited_for() -> None:
    old, lane, new = sink(), Lane(since=0, cursor=0, seen=0.0), sink()
    year = 365 * 86400.0
    for seq in range(5):
        old.judge(seq, FAILED, "", 10 * year)
    old.save(lane)
    new.load(lane, 100.0)
    assert new.wait(100.0) == HOUR


def test_a_sink_that_is_down_is_probed_and_not_hammered(post: Post) -> None:
    handler = Sinking()
    handler.is_down = True
    relay = post.relay(handler, retry=RetryPolicy(first=10.0, longest=100.0))
    post.put(*range(1000))
    for _ in range(20):
        relay.run_once(60)
        post.clock.advance(1.0)
    assert ENOUGH <= len(handler.attempts) <= ENOUGH + 4
    for _ in range(100):
        relay.run_once(60)
        post.clock.advance(50.0)
    assert len(handler.attempts) < 150


def test_after_an_outage_everything_arrives_and_it_is_told_once(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Sinking()
    handler.is_down = True
    relay = post.relay(handler, retry=RetryPolicy(first=10.0, longest=100.0))
    post.put(*range(1000))
    with caplog.at_level(logging.WARNING, "e3.event"):
        for _ in range(5):
            relay.run_once(60)
            post.clock.advance(20.0)
        handler.is_down = False
        for _ in range(3):
            post.clock.advance(100.0)
            assert relay.run_once(60)
    assert sorted(names(handler.events), key=int) == [str(number) for number in range(1000)]
    told = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in told] == ["h0 is down, its events wait", "h0 is up again"]
    assert post.lane().down == 0


def test_after_an_outage_new_events_go_first(post: Post) -> None:
    class Putting(Sinking):
        def send_event(self, event: Event) -> bool:
            if event["name"] == "1000":
                post.put("new")
            return super().send_event(event)

    handler = Putting()
    handler.is_down = True
    relay = post.relay(handler, retry=RetryPolicy(first=10.0, longest=10.0))
    post.put(*range(10_000))
    relay.run_once(60)
    handler.is_down = False
    post.clock.advance(20.0)
    assert relay.run_once(60)
    order = names(handler.events)
    assert len(order) == 10_001
    assert order.index("new") - order.index("1000") <= 2 * BATCH


def test_an_event_that_always_fails_does_not_keep_new_ones_back(post: Post) -> None:
    class Failing(Sinking):
        def send_event(self, event: Event) -> bool:
            self.is_down = event["name"].startswith("bad")
            return super().send_event(event)

    handler = Failing()
    relay = post.relay(handler, retry=RetryPolicy(first=5.0, longest=HOUR))
    post.put("bad")
    for _ in range(50):  # for hours, nothing but this event
        relay.run_once(60)
        post.clock.advance(HOUR)
    post.put("good")
    assert relay.run_once(60)
    assert names(handler.events) == ["good"]


def test_events_that_always_fail_are_not_the_only_probes(post: Post) -> None:
    class Failing(Sinking):
        def send_event(self, event: Event) -> bool:
            self.is_down = event["name"].startswith("bad")
            return super().send_event(event)

    handler = Failing()
    relay = post.relay(handler, retry=RetryPolicy(first=5.0, longest=HOUR))
    post.put("bad 1", "bad 2", "bad 3", "bad 4")
    for _ in range(30):
        relay.run_once(60)
        post.clock.advance(HOUR)
    assert post.lane().down
    post.put("good")
    for _ in range(4):
        relay.run_once(60)
        post.clock.advance(15.0)
    assert names(handler.events) == ["good"]


def test_a_rejection_is_an_answer_and_no_outage(post: Post) -> None:
    handler = Recorder()
    handler.failures = [RejectedError("no")] * 10
    relay = post.relay(handler)
    post.put(*range(12))
    assert relay.run_once(60)
    assert names(handler.events) == ["10", "11"]
    assert list(post.states().values()).count(State.DEAD) == 10
    assert post.lane().down == 0


def test_a_damaged_event_says_nothing_of_the_sink(post: Post) -> None:
    handler = Sinking()
    handler.is_down = True
    relay = post.relay(handler, retry=RetryPolicy(first=10.0, longest=10.0))
    post.put(*range(20))
    relay.run_once(60)
    assert post.lane().down
    with post.spool._database.writing() as connection:
        connection.execute("UPDATE event SET checksum = 0 WHERE seq > 4")
    for _ in range(10):
        post.clock.advance(6.0)
        relay.run_once(60)
        assert post.lane().down
