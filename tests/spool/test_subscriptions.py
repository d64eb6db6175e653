"""Who is owed events: subscriptions, audiences, and how far each has come."""

from __future__ import annotations

from pathlib import Path

import pytest

from e3_event import Event
from e3_event._errors import SpoolError
from e3_event.spool import Key, Spool
from e3_event.spool._key import REFRESH
from e3_event.spool._subscriptions import LEASE, Lane, load, save
from e3_event.testing import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Spool:
    return Spool(tmp_path / "spool", clock=clock)


def owed(spool: Spool, key: Key) -> list[str]:
    """The names of what a handler is owed."""
    (number,) = spool.register([key])
    queue = spool.queue(number)
    assert queue.acquire()
    found = [str(one.snapshot["name"]) for one in queue.turn([], 1000) if one.snapshot]
    queue.release()
    return found


def test_a_handler_keeps_its_place_when_it_is_registered_again(spool: Spool) -> None:
    ids = spool.register([Key("a"), Key("b")])
    spool.put(Event("x"))
    assert spool.register([Key("b"), Key("a")]) == ids[::-1]
    assert Spool(spool.path).register([Key("a")]) == ids[:1]
    assert owed(spool, Key("a")) == owed(spool, Key("b")) == ["x"]


def test_a_handler_of_another_configuration_is_another_one(spool: Spool) -> None:
    (file,) = spool.register([Key("mail")])
    one, two = spool.register([Key("mail", "f1"), Key("mail", "f2")])
    assert len({file, one, two}) == 3


def test_an_event_is_owed_to_its_audience_and_nobody_else(spool: Spool) -> None:
    file, one, two = Key("archive"), Key("mail", "f1"), Key("mail", "f2")
    spool.register([file, one, two])
    spool.put(Event("of all"))
    spool.put(Event("of one"), owed_to=[one])
    spool.put(Event("of two"), owed_to=[two])
    spool.put(Event("of both"), owed_to=[one, two])
    assert owed(spool, file) == ["of all"]
    assert owed(spool, one) == ["of one", "of both"]
    assert owed(spool, two) == ["of two", "of both"]


def test_handlers_of_the_file_are_one_audience_whoever_is_named(spool: Spool) -> None:
    a, b = Key("a"), Key("b")
    spool.register([a, b])
    spool.put(Event("x"), owed_to=[a])
    assert owed(spool, a) == owed(spool, b) == ["x"]


def test_who_puts_for_a_handler_that_is_not_known_registers_it(spool: Spool) -> None:
    spool.put(Event("x"), owed_to=[Key("job", "f")])
    assert owed(spool, Key("job", "f")) == ["x"]


def test_the_order_in_which_an_audience_is_named_does_not_matter(spool: Spool) -> None:
    one, two = Key("a", "f"), Key("b", "f")
    spool.put(Event("x"), owed_to=[one, two])
    spool.put(Event("y"), owed_to=[two, one])
    with spool._database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM audience WHERE id > 0").get == 1


def test_who_puts_for_a_handler_keeps_it_from_being_given_up(spool: Spool, clock: Clock) -> None:
    key = Key("job", "f")
    spool.put(Event("x"), owed_to=[key])
    for _ in range(40):
        clock.advance(86400.0)
        spool.put(Event("x"), owed_to=[key])
        spool.purge()
    assert len(owed(spool, key)) == 41


def test_what_was_forgotten_and_comes_back_starts_anew(spool: Spool) -> None:
    (number,) = spool.register([Key("h")])
    spool.put(Event("before"))
    with spool._database.writing() as connection:
        mine = load(connection, number)
        mine.lane.forgotten = True
        save(connection, mine)
    spool.put(Event("meanwhile"))
    assert spool.register([Key("h")]) == [number]
    spool.put(Event("after"))
    assert owed(spool, Key("h")) == ["after"]


def test_registering_again_of_late_costs_no_commit(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    other = Spool(spool.path)
    spool.register([Key("h")])
    before = other.version()
    spool.register([Key("h")])
    assert other.version() == before
    clock.advance(REFRESH)
    spool.register([Key("h")])
    assert other.version() != before


def test_a_damaged_state_is_told_with_the_handlers_name_and_the_remedy(spool: Spool) -> None:
    (number,) = spool.register([Key("mail")])
    spool.register([Key("other")])
    with spool._database.writing() as connection:
        connection.execute("UPDATE subscription SET lane = x'7b7d' WHERE id = ?", (number,))
    with pytest.raises(SpoolError, match=r"'mail' is damaged.*fsck --repair"):
        spool.queue(number).acquire()
    assert owed(spool, Key("other")) == []


def test_a_subscription_that_is_not_there_is_told(spool: Spool) -> None:
    with pytest.raises(SpoolError, match="no subscription 77"):
        spool.queue(77).acquire()


@pytest.mark.parametrize(
    ("until", "is_served"),
    [(0.0, False), (99.9, False), (100.1, True), (100.0 + 2 * LEASE, True), (101.0 + 2 * LEASE, False)],
)
def test_a_lease_counts_until_its_time_and_not_if_it_is_out_of_reach(until: float, is_served: bool) -> None:
    assert Lane(since=0, cursor=0, seen=0.0, lease="token", until=until).is_served(100.0) == is_served
    assert not Lane(since=0, cursor=0, seen=0.0, until=until).is_served(100.0)
