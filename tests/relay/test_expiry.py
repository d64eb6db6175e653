"""What waits behind a sink that does not come back: when it is given up, and when it is not."""

from __future__ import annotations

import itertools
import logging
from collections import Counter

import pytest

from e3_event import Event
from e3_event._relay import Relay
from e3_event._relay._outage import Expired, expired, prolong, reason
from e3_event._retry import RetryPolicy
from e3_event.spool._deliveries import State
from e3_event.spool._subscriptions import Moment
from e3_event.testing import Recorder
from relay.kit import Post, Sinking, names

HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0
POLICY = RetryPolicy()
MANY = 1000


def outage(*whens: float) -> list[Moment]:
    """An outage with failures at these times, at each of which there was one more event."""
    moments: list[Moment] = []
    for number, when in enumerate(whens, 1):
        moments = prolong(moments, Moment(when, number), POLICY)
    return moments


def hours(first: float, last: float) -> list[float]:
    return [hour * HOUR for hour in range(int(first), int(last) + 1)]


def test_nothing_is_given_up_before_the_sink_was_tried_for_all_of_the_time() -> None:
    assert expired([], POLICY) is None
    assert expired(outage(*hours(0, 119)), POLICY) is None


def test_what_was_there_when_the_outage_began_is_given_up_and_nothing_later() -> None:
    assert expired(outage(*hours(0, 120)), POLICY) == Expired(seq=1, due=0.0)


def test_what_came_during_the_outage_is_given_up_within_a_twelfth_of_its_time() -> None:
    for last in range(130, 1000, 7):
        found = expired(outage(*hours(0, last)), POLICY)
        assert found is not None
        assert last - 120 - 10 <= found.seq - 1 <= last - 120  # event n came at hour n - 1


def test_an_outage_takes_little_room_however_long_it_is() -> None:
    moments = outage(*hours(0, 10_000))
    assert len(moments) <= 16
    assert moments[-1] == (10_000 * HOUR, 10_001)


@pytest.mark.parametrize("jump", [7 * DAY, 10 * YEAR, -HOUR, -10 * YEAR])
def test_after_a_jump_or_a_long_pause_an_outage_begins_anew(jump: float) -> None:
    begun = outage(*hours(0, 119))
    now = Moment(119 * HOUR + jump, 500)
    assert prolong(begun, now, POLICY) == [now]


def test_a_probe_a_day_is_enough_to_see_an_outage_go_on() -> None:
    assert expired(outage(*[day * DAY for day in range(6)]), POLICY) == Expired(1, 0.0)


def test_waits_that_are_longer_than_the_age_are_no_pause() -> None:
    policy = RetryPolicy(age=60.0, first=HOUR, longest=HOUR)
    moments = prolong([Moment(0.0, 1)], Moment(2 * HOUR, 2), policy)
    assert expired(moments, policy) == Expired(1, 2 * HOUR - 60)


@pytest.mark.parametrize(
    ("age", "text"), [(5 * DAY, "5 days"), (36 * HOUR, "36 h"), (2.5 * HOUR, "2.5 h"), (90.0, "90 s")]
)
def test_the_reason_says_how_long_it_was_tried_and_why_in_vain(age: float, text: str) -> None:
    assert reason(RetryPolicy(age=age), "refused") == f"given up after {text}: refused"


def pass_time(post: Post, relay: Relay, seconds: float, step: float = 2 * HOUR) -> None:
    """Let time pass, with a look at the sink now and then."""
    for _ in range(round(seconds / step)):
        post.clock.advance(step)
        assert relay.run_once(60)


def down(post: Post, handler: Sinking, **options: object) -> Relay:
    """A relay whose sink is down, with many events that wait for it."""
    handler.is_down = True
    relay = post.relay(handler, **options)
    post.put(*range(MANY))
    assert relay.run_once(60)
    return relay


@pytest.mark.parametrize("order", ["live", "strict"])
@pytest.mark.parametrize("policy", [POLICY, RetryPolicy(attempts=10_000)], ids=["age", "attempts"])
def test_what_waits_untried_is_given_up_when_it_is_too_old_and_what_is_younger_is_kept(
    post: Post, order: str, policy: RetryPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Sinking()
    relay = down(post, handler, order=order, retry=policy)
    pass_time(post, relay, 4 * DAY)
    post.put(*range(MANY, 2 * MANY))
    assert State.DEAD not in post.states().values()
    with caplog.at_level(logging.ERROR, "e3.event"):
        pass_time(post, relay, 4 * DAY)
    states = post.states()
    assert {states[str(name)] for name in range(MANY)} == {State.DEAD}
    assert all(states.get(str(name)) in (None, State.AGAIN) for name in range(MANY, 2 * MANY))
    assert len(handler.attempts) < 200
    told = [text for text in caplog.messages if "given up after 5 days: connection refused" in text]
    assert [text.split()[0] for text in told] == ["h0:"]
    assert MANY - 50 < int(told[0].split()[1]) <= MANY
    handler.is_down = False
    pass_time(post, relay, DAY)
    assert sorted(names(handler.events), key=int) == [str(name) for name in range(MANY, 2 * MANY)]


def test_what_is_given_up_is_a_dead_letter_that_can_be_requeued(post: Post) -> None:
    handler = Sinking()
    relay = down(post, handler)
    pass_time(post, relay, 9 * DAY)
    letters = list(post.spool.ledger.dead(handler="h0"))
    assert len(letters) == MANY
    reasons = Counter(letter.standing.delivery.reason for letter in letters if letter.standing.delivery)
    assert reasons["given up after 5 days: connection refused"] > MANY - 50
    assert post.spool.ledger.retry(handler="h0", dead_only=True) == {"h0": MANY}
    pass_time(post, relay, 2 * HOUR)  # it is still down
    assert State.DEAD not in post.states().values(), "what a person wants to be tried has its time again"
    handler.is_down = False
    pass_time(post, relay, 4 * HOUR)
    assert len(handler.events) == MANY


def test_what_is_replayed_during_an_outage_has_its_time_again(post: Post) -> None:
    handler = Sinking()
    relay = post.relay(handler)
    post.put("old")
    assert relay.run_once(60)
    handler.is_down = True
    post.put(*range(MANY))
    pass_time(post, relay, 6 * DAY)
    assert post.spool.ledger.replay("h0", 0.0)["h0"] > 0
    pass_time(post, relay, 2 * HOUR)  # it is still down
    assert post.states().get("old") is not State.DEAD


@pytest.mark.parametrize("jump", [10 * YEAR, -10 * YEAR])
def test_a_clock_that_jumps_gives_up_nothing(post: Post, jump: float) -> None:
    handler = Sinking()
    relay = down(post, handler)
    pass_time(post, relay, 4 * DAY)
    for seconds in (jump, -jump, jump):
        post.clock.advance(seconds)
        pass_time(post, relay, 12 * HOUR)
    dead = [name for name, state in post.states().items() if state is State.DEAD]
    assert len(dead) < 50, "none but those that were tried"
    ledger = post.ledger()
    assert all(ledger[name].attempts for name in dead)


def test_a_machine_that_was_off_for_a_week_gives_up_nothing_that_it_did_not_try(post: Post) -> None:
    handler = Sinking()
    relay = down(post, handler)
    pass_time(post, relay, 4 * DAY)
    post.clock.advance(7 * DAY)
    pass_time(post, relay, 4 * DAY)
    untried = {str(name) for name in range(MANY)} - set(handler.attempts)
    assert len(untried) > MANY - 200
    states = post.states()
    assert not [name for name in untried if states.get(name) is State.DEAD]
    pass_time(post, relay, 2 * DAY)
    states = post.states()
    assert {states[name] for name in untried - set(handler.attempts)} == {State.DEAD}


def test_an_event_put_with_a_wrong_clock_is_as_young_as_it_is(post: Post) -> None:
    handler = Sinking()
    relay = down(post, handler)
    pass_time(post, relay, 5 * DAY - 2 * HOUR)
    now = post.clock.now
    post.clock.now = 0.0  # a machine that knows no time yet after its start
    post.put("new")
    post.clock.now = now
    pass_time(post, relay, DAY)
    assert post.states()["5"] is State.DEAD
    assert post.states().get("new") in (None, State.AGAIN)


def test_in_strict_order_one_event_that_always_fails_costs_none_behind_it(post: Post) -> None:
    class Failing(Sinking):
        def send_event(self, event: Event) -> bool:
            self.is_down = event["name"] == "0"
            return super().send_event(event)

    handler = Failing()
    relay = down(post, handler, order="strict")
    pass_time(post, relay, 6 * DAY)
    assert post.states()["0"] is State.DEAD
    assert names(handler.events) == [str(name) for name in range(1, MANY)]


def test_a_sink_that_answers_now_and_then_is_not_given_up(post: Post) -> None:
    class Rare(Recorder):
        calls = itertools.count(1)

        def send_event(self, event: Event) -> bool:
            return next(self.calls) % 30 == 0 and super().send_event(event)

    handler = Rare()
    relay = post.relay(handler)
    post.put(*range(MANY))
    pass_time(post, relay, 6 * DAY)
    untried = MANY - len(post.ledger())
    assert untried > MANY / 2
    assert not [one for one in post.ledger().values() if one.reason.startswith("given up after 5 days")]


def test_what_others_are_owed_is_left_alone(post: Post) -> None:
    handler, other = Sinking(), Recorder()
    handler.is_down = True
    relay = post.relay(handler, other)
    post.put(*range(2500))
    pass_time(post, relay, 9 * DAY)
    assert Counter(post.states("h0").values()) == {State.DEAD: 2500}
    assert len(other.events) == 2500
    assert relay.waits() is False
