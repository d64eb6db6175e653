"""`retry`, `dead`, `replay` and `forget`: people's decisions, and what the command says it did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.command import e3_event
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import State
from spool.worker import by_name, put, work

ARCHIVE, ONCALL = Key("archive"), Key("oncall")


@pytest.fixture
def spool(private_environment: Path) -> Spool:
    spool = Spool(private_environment / ".local" / "state" / "e3-event" / "spool")
    spool.register([ARCHIVE, ONCALL])
    return spool


def printed(*arguments: str) -> str:
    done = e3_event(*arguments)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def refused(*arguments: str) -> str:
    done = e3_event(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    return done.stderr.decode()


def dead(*arguments: str) -> list[Any]:
    found: list[Any] = json.loads(printed("dead", "--json", *arguments))
    return found


def test_retry_lets_an_event_be_tried_now(spool: Spool) -> None:
    uids = put(spool, "a", "b")
    work(spool, ARCHIVE, State.AGAIN)
    work(spool, ONCALL, State.DEAD)
    assert printed("retry", uids[0]) == "archive: 1 to be tried now\noncall: 1 to be tried now\n"
    assert printed("retry", "--handler", "oncall", "--since", "1h") == "oncall: 2 to be tried now\n"
    assert (work(spool, ARCHIVE), work(spool, ONCALL)) == (1, 2)
    assert printed("retry", uids[0]) == "nothing waits for another try, and nothing was given up\n"


def test_retry_of_everything_has_to_be_said_so(spool: Spool) -> None:
    assert "give a UID or --handler" in refused("retry")


def test_dead_lists_what_was_given_up_and_why(spool: Spool) -> None:
    assert printed("dead") == "there are no dead letters\n"
    uids = put(spool, "a", "b")
    work(spool, ONCALL, State.DEAD, reason="mailbox full")
    head, b, a = printed("dead").splitlines()
    assert head.split() == ["SINCE", "HANDLER", "NAME", "UID", "TRIES", "REASON"]
    assert b.split()[1:] == ["oncall", "b", uids[1], "1", "mailbox", "full"]
    assert a.split()[3] == uids[0]
    assert [(letter["name"], letter["handler"], letter["reason"]) for letter in dead()] == [
        ("b", "oncall", "mailbox full"),
        ("a", "oncall", "mailbox full"),
    ]
    assert [letter["name"] for letter in dead("--limit", "1")] == ["b"]
    assert [letter["name"] for letter in dead(uids[0])] == ["a"]
    assert dead("--handler", "archive") == []
    assert dead("--since", "2999-01-01") == []
    assert printed("dead", "--handler", "archive") == "no dead letter fits\n"


def test_dead_letters_are_requeued(spool: Spool) -> None:
    uids = put(spool, "a", "b")
    work(spool, ONCALL, by_name(a=State.DEAD, b=State.AGAIN))
    assert printed("dead", uids[1], "--requeue") == "there are no such dead letters\n"
    assert printed("dead", "--requeue") == "oncall: 1 requeued\n"
    assert dead() == []
    assert work(spool, ONCALL) == 1


def test_dead_letters_are_dropped_if_it_is_said_which(spool: Spool) -> None:
    uids = put(spool, "a", "b", "c")
    work(spool, ONCALL, State.DEAD)
    work(spool, ARCHIVE, by_name(c=State.DEAD))
    assert "--drop needs a UID, --handler or --all" in refused("dead", "--drop")
    assert "--drop needs" in refused("dead", "--drop", "--since", "1d")
    assert "either --requeue or --drop" in refused("dead", "--drop", "--requeue", "--all")
    assert len(dead()) == 4
    assert printed("dead", uids[0], "--drop") == "oncall: 1 dropped\n"
    assert printed("dead", "--handler", "oncall", "--drop") == "oncall: 2 dropped\n"
    assert printed("dead", "--all", "--drop") == "archive: 1 dropped\n"
    assert dead() == []
    assert (work(spool, ARCHIVE), work(spool, ONCALL)) == (0, 0)


def test_replay_delivers_again(spool: Spool) -> None:
    put(spool, "a", "b")
    work(spool, ARCHIVE)
    assert printed("replay", "--handler", "archive", "--since", "1h") == "archive: 2 to be delivered again\n"
    assert printed("replay", "--handler", "archive", "--since", "1h") == "there are no such events\n"
    assert work(spool, ARCHIVE) == 2


def test_replay_needs_a_handler_and_a_time(spool: Spool) -> None:
    assert "'--handler'" in refused("replay", "--since", "1h")
    assert "'--since'" in refused("replay", "--handler", "archive")
    assert "there are: archive, oncall" in refused("replay", "--handler", "typo", "--since", "1h")


def test_forget_drops_what_a_handler_is_owed(spool: Spool) -> None:
    put(spool, "a", "b")
    work(spool, ONCALL, by_name(a=State.DEAD))
    put(spool, "c")
    assert printed("forget", "oncall") == "oncall: forgotten; 2 deliveries dropped\n"
    assert printed("forget", "oncall") == "oncall: forgotten; 0 deliveries dropped\n"
    assert dead() == []
    assert "there are: archive, oncall" in refused("forget", "typo")
    assert "'HANDLER'" in refused("forget")


def test_a_handler_of_several_of_a_name_is_told_by_its_fingerprint(spool: Spool) -> None:
    one, other = Key("file", "1111aaaa0000"), Key("file", "2222bbbb0000")
    put(spool, "x", owed_to=(one, other))
    work(spool, one, State.DEAD)
    work(spool, other, State.DEAD)
    assert printed("dead", "--handler", "file@2222", "--drop") == "file@2222bbbb: 1 dropped\n"
    assert [letter["fingerprint"] for letter in dead("--handler", "file")] == ["1111aaaa0000"]


def test_a_handler_that_is_served_is_not_forgotten(spool: Spool) -> None:
    (number,) = spool.register([ARCHIVE])
    queue = spool.queue(number)
    assert queue.acquire()
    assert "a relay serves archive right now" in refused("forget", "archive")
