"""`RetryPolicy` and `judge`: how long a delivery is tried, and what becomes of it."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event import DeliveryError, EventError, RejectedError
from e3_event._retry import LEAST_ATTEMPTS, Again, Dead, Delivered, RetryPolicy, judge

seconds = st.floats(min_value=0.001, max_value=1e7)
jitter = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)
attempts = st.integers(min_value=1, max_value=100_000)
#: Clocks are set back and forth, by years.
ages = st.floats(min_value=-1e9, max_value=1e9)
#: What foreign handlers put into `retry_after`.
wishes = st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=3), st.booleans())


@st.composite
def policies(draw: st.DrawFn) -> RetryPolicy:
    first, longest = sorted((draw(seconds), draw(seconds)))
    return RetryPolicy(age=draw(seconds), first=first, longest=longest)


@given(policies(), attempts, ages, jitter)
def test_a_wait_is_never_negative_and_never_above_the_longest(
    policy: RetryPolicy, attempt: int, age: float, chance: float
) -> None:
    delay = policy.delay(attempt, age=age, random=lambda: chance)
    assert delay is None or 0 <= delay <= policy.longest


@given(policies(), attempts)
def test_the_bound_of_the_waits_doubles_up_to_the_longest(policy: RetryPolicy, attempt: int) -> None:
    def bound(attempt: int) -> float:
        delay = policy.delay(attempt, random=lambda: 1.0)
        assert delay is not None
        return delay

    assert bound(1) == policy.first
    assert bound(attempt) <= bound(attempt + 1) == min(2 * bound(attempt), policy.longest)


@given(policies(), attempts)
def test_waits_are_spread_from_nothing_to_the_bound(policy: RetryPolicy, attempt: int) -> None:
    whole = policy.delay(attempt, random=lambda: 1.0)
    assert whole
    assert policy.delay(attempt, random=lambda: 0.0) == 0
    assert policy.delay(attempt, random=lambda: 0.25) == pytest.approx(whole / 4)


def test_the_usual_chance_spreads_what_failed_together() -> None:
    random.seed(7)
    waits = {RetryPolicy().delay(5) for _ in range(100)}
    assert len(waits) == 100


@given(st.integers(min_value=1, max_value=50), wishes)
def test_it_ends_exactly_at_the_attempts(limit: int, wished: Any) -> None:
    policy = RetryPolicy(attempts=limit)
    given_up = [policy.delay(attempt, wished) is None for attempt in range(1, limit + 1)]
    assert given_up == [False] * (limit - 1) + [True]


def test_it_ends_at_the_age_and_without_a_limit_of_attempts_not_before() -> None:
    policy = RetryPolicy(age=60)
    assert policy.delay(100_000, age=59.9) is not None
    assert policy.delay(LEAST_ATTEMPTS, age=60) is None


@given(policies(), ages.filter(lambda age: age > 0))
def test_a_clock_that_jumps_gives_up_nothing_that_was_hardly_tried(policy: RetryPolicy, age: float) -> None:
    for attempt in range(1, LEAST_ATTEMPTS):
        assert policy.delay(attempt, age=age) is not None


@given(policies(), attempts, ages, jitter)
def test_a_clock_that_jumps_back_makes_no_storm_and_no_stall(
    policy: RetryPolicy, attempt: int, age: float, chance: float
) -> None:
    as_new = policy.delay(attempt, age=0, random=lambda: chance)
    assert policy.delay(attempt, age=-abs(age), random=lambda: chance) == as_new


@given(policies(), attempts, ages, jitter, wishes)
def test_whatever_is_wished_the_wait_is_a_time_that_ends_with_the_age(
    policy: RetryPolicy, attempt: int, age: float, chance: float, wished: Any
) -> None:
    delay = policy.delay(attempt, wished, age, lambda: chance)
    if delay is not None:
        assert 0 <= delay <= max(policy.age - max(age, 0), 0) + policy.longest


@given(seconds, jitter)
def test_a_wish_is_kept_also_above_the_longest_and_adds_to_the_own_wait(wished: float, chance: float) -> None:
    policy = RetryPolicy(age=1e9)
    own = policy.delay(3, random=lambda: chance)
    delay = policy.delay(3, wished, random=lambda: chance)
    assert own is not None
    assert delay == wished + own


def test_a_sink_that_always_says_now_is_not_hammered() -> None:
    policy = RetryPolicy()
    waits = [policy.delay(attempt, 0.0, random=lambda: 0.5) for attempt in range(1, 20)]
    assert waits[-1] == policy.longest / 2


@pytest.mark.parametrize("wished", [math.nan, -1, -math.inf, "5", True, b"x"])
def test_a_wish_that_is_no_time_is_ignored(wished: Any) -> None:
    policy = RetryPolicy()
    assert policy.delay(2, wished, random=lambda: 0.5) == policy.delay(2, random=lambda: 0.5)


@pytest.mark.parametrize("wished", [math.inf, 10**400, 1e300])
def test_a_wish_for_years_is_one_last_try_at_the_end(wished: Any) -> None:
    assert RetryPolicy(age=100).delay(1, wished, 40, lambda: 0.0) == 60


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"attempts": 0}, "attempts: a number from 1 is needed, not 0"),
        ({"age": 0}, "age: more than 0 seconds are needed, not 0"),
        ({"first": -1.0}, "first: more than 0 seconds are needed, not -1.0"),
        ({"longest": math.inf}, "longest: more than 0 seconds are needed, not inf"),
        ({"age": math.nan}, "age: more than 0 seconds are needed, not nan"),
        ({"first": 10.0, "longest": 5.0}, r"longest \(5.0 s\) is shorter than first \(10.0 s\)"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(EventError, match=told):
        RetryPolicy(**values)


def test_a_policy_can_not_be_changed() -> None:
    policy: Any = RetryPolicy()
    with pytest.raises(AttributeError):
        policy.attempts = 1
    assert msgspec.structs.replace(policy, attempts=1) != policy


POLICY = RetryPolicy(attempts=3, first=8.0)


def half() -> float:
    return 0.5


@pytest.mark.parametrize("answer", [True, 1, "yes"])
def test_what_was_taken_is_delivered(answer: object) -> None:
    assert judge(answer, 3, POLICY) == Delivered()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (False, "the handler answered False"),
        (None, "the handler answered False"),
        (DeliveryError("mail.example.net: 421 closing"), "mail.example.net: 421 closing"),
        (EventError("boto3 is missing"), "boto3 is missing"),
        (ValueError("password=hunter2"), "ValueError: password=[redacted]"),
    ],
)
def test_what_may_be_passing_is_tried_again_and_then_given_up(answer: object, reason: str) -> None:
    assert judge(answer, 2, POLICY, random=half) == Again(8.0, reason)
    assert judge(answer, 3, POLICY) == Dead(f"given up after 3 attempts: {reason}")


def test_a_rejected_event_is_dead_at_once() -> None:
    assert judge(RejectedError("550 no such user"), 1, POLICY) == Dead("550 no such user")


def test_an_old_event_is_dead_by_its_age() -> None:
    assert judge(False, 4, RetryPolicy(age=10), age=11) == Dead(
        "given up after 4 attempts: the handler answered False"
    )


def test_the_wish_of_a_sink_is_honoured() -> None:
    assert judge(DeliveryError("429", retry_after=7200), 1, POLICY, random=half) == Again(7204.0, "429")


class HollowError(Exception):
    """An exception that is false, as an empty collection is."""

    def __bool__(self) -> bool:
        return False


def test_an_exception_that_is_false_is_still_one() -> None:
    assert judge(HollowError("x"), 1, POLICY, random=half) == Again(4.0, "HollowError: x")
