"""What a handler may do when it is called: answer for one or many, raise anything, answer too little."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from e3_event import DeliveryError, Event, EventHandler, RejectedError
from e3_event._relay._sink import ENOUGH
from e3_event._retry import RetryPolicy
from e3_event.spool._deliveries import State
from e3_event.testing import Recorder
from relay.kit import Bulk, Gate, Post, names, until

PATIENT = RetryPolicy(first=1000.0)


class Picky(Recorder):
    """Raises for events of some names."""

    def __init__(self, errors: dict[str, Any]) -> None:
        super().__init__()
        self.errors = errors

    def send_event(self, event: Event) -> bool:
        error = self.errors.get(event["name"], True)
        if isinstance(error, BaseException):
            raise error
        return super().send_event(event) if error is True else error


class HostileError(Exception):
    """Whatever is asked of it, it raises."""

    @property
    def retry_after(self) -> float:
        raise SystemExit

    def __str__(self) -> str:
        raise ValueError


class HostileAnswer:
    def __bool__(self) -> bool:
        raise SystemExit


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        StopIteration(),
        HostileError(),
        False,
        None,
        HostileAnswer(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_handler_raises_concerns_that_event_only(post: Post, error: object) -> None:
    handler = Picky({"bad": error})
    relay = post.relay(handler, retry=PATIENT)
    post.put("a", "b", "bad", "c", "d", "e", "f")
    assert relay.run_once(60)
    assert names(handler.events) == list("abcdef")
    assert post.states().pop("bad") == State.AGAIN
    assert post.ledger()["bad"].attempts == 1


def raising(at: int, error: BaseException) -> Callable[[Sequence[Event]], Iterator[bool]]:
    """Takes so many events of a batch, then raises."""

    def answers(events: Sequence[Event]) -> Iterator[bool]:
        for place, _ in enumerate(events):
            if place == at:
                raise error
            yield True

    return answers


@pytest.mark.parametrize("error", [RejectedError("no"), SystemExit(), ValueError()], ids=repr)
def test_a_batch_that_raises_does_not_make_its_innocent_events_pay(post: Post, error: Exception) -> None:
    def answers(events: Sequence[Event]) -> list[bool]:
        if "bad" in names(events):
            raise error
        return [True] * len(events)

    relay = post.relay(Bulk(answers), retry=RetryPolicy(attempts=1))
    post.put("a", "b", "bad", "c", "d")
    assert relay.run_once(60)
    dead = [name for name, state in post.states().items() if state != State.DELIVERED]
    assert dead == ["bad"]


def test_what_a_batch_answered_before_it_raised_is_not_sent_again(post: Post) -> None:
    handler = Bulk(raising(2, ValueError("x")))
    relay = post.relay(handler)
    post.put(*"abcde")
    assert relay.run_once(60)
    assert handler.batches == [list("abcde"), ["c"], ["d"], ["e"]]
    assert set(post.states().values()) == {State.DELIVERED}


def test_an_event_without_an_answer_is_tried_again(post: Post) -> None:
    relay = post.relay(Bulk(lambda events: [True] * (len(events) - 1)), retry=PATIENT)
    post.put(*"abc")
    assert relay.run_once(60)
    assert post.states() == {"a": State.DELIVERED, "b": State.DELIVERED, "c": State.AGAIN}
    assert "no answer" in post.ledger()["c"].reason


@pytest.mark.parametrize("answers", [None, 7, "", {}], ids=repr)
def test_an_answer_that_is_no_list_is_a_failure(post: Post, answers: object) -> None:
    relay = post.relay(Bulk(lambda events: answers), retry=PATIENT)
    post.put("a")
    assert relay.run_once(60)
    assert post.states() == {"a": State.AGAIN}


def test_too_many_answers_are_cut_off(post: Post) -> None:
    relay = post.relay(Bulk(lambda events: [True] * 100))
    post.put(*"abc")
    assert relay.run_once(60)
    assert set(post.states().values()) == {State.DELIVERED}


def generator(answers: Callable[[Sequence[Event]], list[Any]]) -> Callable[[Sequence[Event]], Iterator[Any]]:
    def answer(events: Sequence[Event]) -> Iterator[Any]:
        yield from answers(events)

    return answer


@pytest.mark.parametrize("form", [lambda answers: answers, generator], ids=["list", "generator"])
def test_a_batch_that_was_sent_is_not_sent_again_since_its_first_events_failed(
    post: Post, form: Callable[[Any], Any]
) -> None:
    handler = Bulk(form(lambda events: [name > "c" for name in names(events)]))
    relay = post.relay(handler, retry=PATIENT)
    post.put(*"abcdefgh")
    assert relay.run_once(60)
    assert handler.batches == [list("abcdefgh")]
    again = [name for name, state in post.states().items() if state == State.AGAIN]
    assert again == list("abc")


@pytest.mark.parametrize("form", [lambda answers: answers, generator], ids=["list", "generator"])
def test_a_batch_that_was_sent_is_not_sent_again_after_a_stop(post: Post, form: Callable[[Any], Any]) -> None:
    gate = Gate()

    def answers(events: Sequence[Event]) -> list[bool]:
        gate.send_event(events[0])
        return [True] * len(events)

    relay = post.relay(Bulk(form(answers)))
    post.put(*"abcdef")
    relay.start()
    until(gate.is_in.is_set)
    for worker in relay._workers:
        worker.stop()
    gate.go.set()
    assert relay.stop()
    assert set(post.states().values()) == {State.DELIVERED}


def test_one_by_one_a_sink_that_goes_down_is_not_given_the_rest(post: Post) -> None:
    handler = Recorder()
    handler.failures = [False] * 100
    relay = post.relay(handler, retry=PATIENT)
    post.put(*range(50))
    assert relay.run_once(60)
    assert len(handler.failures) == 100 - ENOUGH
    assert post.lane().down


def test_in_strict_order_nothing_behind_a_failure_is_given_to_a_handler_of_batches(post: Post) -> None:
    handler = Bulk(lambda events: ["bad" not in names(events)] * len(events))
    relay = post.relay(handler, order="strict", retry=PATIENT)
    post.put("a", "bad", "c")
    assert relay.run_once(60)
    assert handler.batches == [["a"], ["bad"]]
    assert post.states()["bad"] == State.AGAIN


def test_a_handler_that_cannot_be_made_loses_nothing(post: Post) -> None:
    built: list[EventHandler] = []

    class Rejecting(Recorder):
        def __init__(self) -> None:
            super().__init__()
            if not built:
                built.append(self)
                raise RejectedError("not configured")

    handler: list[Recorder] = []

    def build() -> EventHandler:
        made = Rejecting()
        handler.append(made)
        return made

    from e3_event._relay import Subscriber
    from e3_event.spool import Key

    relay = post.relay_of(Subscriber(key=Key("h0"), build=build, retry=RetryPolicy(first=1.0, longest=1.0)))
    post.put("a", "b")
    assert relay.run_once(60)
    post.clock.advance(100)
    assert relay.run_once(60)
    assert sorted(names(handler[0].events)) == ["a", "b"]


def test_a_relay_does_not_feed_its_own_spool(post: Post, tmp_path: Any) -> None:
    from e3_event.spool import Spool

    (tmp_path / "up").symlink_to(tmp_path)
    relay = post.relay(Spool(tmp_path / "up" / "spool"), retry=PATIENT)
    post.put("a")
    assert relay.run_once(60)
    assert list(post.states()) == ["a"]
    assert "the spool that it gets them from" in post.ledger()["a"].reason


def test_a_sink_that_asks_for_time_gets_it(post: Post) -> None:
    handler = Recorder()
    handler.failures = [DeliveryError("busy", retry_after=500.0)]
    relay = post.relay(handler, retry=RetryPolicy(first=10.0))
    post.put("a")
    assert relay.run_once(60)
    assert post.ledger()["a"].due == post.clock.now + 505.0
