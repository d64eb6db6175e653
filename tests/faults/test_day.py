"""A day in small, in a few seconds (`make day`: ten minutes), and that its checks see what is broken."""

from __future__ import annotations

import pytest
from faults.day.__main__ import CONTROLS, is_caught, run
from faults.day.checks import Account, memory, problems
from faults.day.life import SHORT, Record, Sample
from faults.day.people import content
from faults.office import Noted
from faults.promise import Books

from e3_event.spool._deliveries import State

SEED = 1
MIB = 1 << 20


def test_whatever_happens_each_event_is_delivered_or_a_dead_letter() -> None:
    result = run(SHORT, SEED)
    assert result.losses == []
    assert len(result.books.acknowledged) > 100
    assert sum(kill.out for kill in result.record.kills) > 0
    for name, account in result.accounts.items():
        end = State.DEAD if name == "dead" else State.DELIVERED
        assert account.count(end) == len(result.books.acknowledged)


@pytest.mark.parametrize("control", CONTROLS)
def test_a_broken_one_is_caught(control: str) -> None:
    assert is_caught(control, SEED)


BOOKS = Books(b'{"do": "ack", "id": "e", "data": "d", "files": {"log": "f"}, "at": 1.0, "pid": 1}\n')
GOT = Noted("e", content("d", {"log": "f"}), 1, 2.0)
DELIVERED, DEAD = {"e": (State.DELIVERED, 0)}, {"e": (State.DEAD, 0)}


@pytest.mark.parametrize(
    ("account", "problem"),
    [
        (Account([GOT], DELIVERED, {}), None),
        (Account([GOT, GOT], DELIVERED, {"e": 1}), None),
        (Account([GOT, GOT], DELIVERED, {}), "it came 2 times, though it was out at 0 kills only"),
        (Account([], {}, {}), "nothing became of it"),
        (Account([], {"e": (State.AGAIN, 0)}, {}), "it ended as AGAIN"),
        (Account([], DELIVERED, {}), "it is said to be delivered, and was not"),
        (Account([], DEAD, {}), "it was given up without a reason"),
        (Account([], DEAD, {}, is_dead=True), None),
        (Account([], {"e": (State.DEAD, 3)}, {}), None),
        (Account([GOT, GOT._replace(id="x")], DELIVERED, {}), "it was never put"),
        (Account([GOT._replace(name="y")], DELIVERED, {}), "what came is not what was put"),
    ],
)
def test_what_is_broken_is_seen(account: Account, problem: str | None) -> None:
    found = [text.partition(": ")[2] for text in problems(BOOKS, account)]
    assert found == ([problem] if problem else [])


@pytest.mark.parametrize(("growth", "is_flat"), [(0, True), (3 * MIB, True), (5 * MIB, False)])
def test_memory_that_grows_is_seen(growth: int, is_flat: bool) -> None:
    record = Record(steady=1, ended=600.0)
    for second in range(600):
        record.samples.append(Sample(float(second), {1: 50 * MIB + growth * second // 500}, {}, 0))
    found = memory(record)
    assert found is not None
    assert found.is_flat == is_flat


def test_a_day_that_is_too_short_says_nothing_of_memory() -> None:
    assert memory(Record(ended=100.0)) is None
