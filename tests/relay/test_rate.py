"""No more than so many a second."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event import Event
from e3_event._relay._rate import Rate
from e3_event.testing import Recorder
from relay.kit import Post


def test_without_a_limit_any_number_may_go() -> None:
    rate = Rate(None, 0.0)
    rate.spend(10**9)
    assert rate.allowed(0.0) == float("inf")
    assert rate.wait(0.0) == 0


@given(st.floats(0.01, 1000), st.lists(st.floats(0, 3), max_size=60))
def test_never_more_than_the_limit_and_a_seconds_worth_go_out(limit: float, pauses: list[float]) -> None:
    rate, now, sent = Rate(limit, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        count = int(rate.allowed(now))
        rate.spend(count)
        sent += count
        assert sent <= limit * now + max(limit, 1.0)


@given(st.floats(0.01, 1000))
def test_who_waits_as_long_as_he_is_told_may_send(limit: float) -> None:
    rate, now = Rate(limit, 0.0), 0.0
    for _ in range(20):
        now += rate.wait(now) * (1 + 1e-9)
        assert rate.allowed(now) >= 1 - 1e-6
        rate.spend(1)
    assert now == pytest.approx(19 / limit, rel=0.01)


class Timed(Recorder):
    """Notes when each event came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def send_event(self, event: Event) -> bool:
        self.times.append(time.monotonic())
        return super().send_event(event)


def test_a_handler_gets_no_more_a_second_than_it_is_configured_for(post: Post) -> None:
    handler = Timed()
    relay = post.relay(handler, rate=50.0)
    post.put(*range(60))
    assert relay.run_once(60)
    assert len(handler.events) == 60
    took = handler.times[-1] - handler.times[0]
    assert 0.9 <= took * 50 / 59 < 3
    for place, begun in enumerate(handler.times):
        assert sum(begun <= other < begun + 0.5 for other in handler.times[place:]) <= 25 + 50
