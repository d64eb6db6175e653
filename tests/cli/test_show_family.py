"""`show` and `ls --parent`: what an event is part of, and what is part of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from cli.command import e3_event
from e3_event import Event
from e3_event.spool import Spool
from e3_event.testing import HOSTILE
from spool.worker import put


@pytest.fixture
def spool(private_environment: Path) -> Spool:
    """The user's own spool, where the command looks for it."""
    return Spool(private_environment / ".local" / "state" / "e3-event" / "spool")


@pytest.fixture
def nightly(spool: Spool) -> Event:
    """An event that began a while ago, to be put when what is part of it was put."""
    return Event("nightly", begin_time=time.time() - 100, status="ok", duration=80.0)


def family(uid: str) -> list[list[str]]:
    """The rows below `Family` that `show` prints, as words."""
    done = e3_event("show", uid)
    assert (done.returncode, done.stderr) == (0, b"")
    _, _, rows = done.stdout.decode().partition("\nFamily\n")
    return [row.split() for row in rows.splitlines()]


def listed(*arguments: str) -> list[str]:
    done = e3_event("ls", "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, b"")
    return [event["name"] for event in json.loads(done.stdout)]


def test_show_tells_what_an_event_is_part_of_and_what_it_has(spool: Spool, nightly: Event) -> None:
    (tests,) = put(spool, "tests", parent_uid=nightly.uid, status="failed", duration=1.5)
    (unit,) = put(spool, "unit", parent_uid=tests, status="ok", duration=0.25)
    (note,) = put(spool, "note", parent_uid=nightly.uid)
    spool.put(nightly)
    assert family(nightly.uid) == [["has", "tests", "failed", "1.5", "s", tests], ["has", "note", note]]
    assert family(unit) == [["part", "of", "tests", "failed", "1.5", "s", tests]]
    assert family(note) == [["part", "of", "nightly", "ok", "80", "s", nightly.uid]]


def test_what_belongs_to_nobody_has_no_family(spool: Spool) -> None:
    (alone,) = put(spool, "alone")
    (orphan,) = put(spool, "orphan", parent_uid="elsewhere")
    assert family(alone) == family(orphan) == []


def test_a_child_that_was_sent_twice_is_shown_once_as_it_is_now(spool: Spool, nightly: Event) -> None:
    child = Event("child", parent_uid=nightly.uid, status="running")
    spool.put(child)
    (other,) = put(spool, "other", parent_uid=nightly.uid)
    child.status = "ok"
    spool.put(child)
    spool.put(nightly)
    assert family(nightly.uid) == [["has", "child", "ok", child.uid], ["has", "other", other]]


def test_of_an_event_that_still_runs_all_that_came_is_shown(spool: Spool, nightly: Event) -> None:
    nightly.status = "running"
    spool.put(nightly)
    (child,) = put(spool, "child", parent_uid=nightly.uid, status="ok")
    assert family(nightly.uid) == [["has", "child", "ok", child]]


def test_what_came_when_it_had_ended_is_listed_by_ls(spool: Spool, nightly: Event) -> None:
    put(spool, "in time", parent_uid=nightly.uid)
    spool.put(nightly)
    put(spool, "late", parent_uid=nightly.uid)
    assert [row[1:3] for row in family(nightly.uid)] == [["in", "time"]]
    assert listed("--parent", nightly.uid) == ["late", "in time"]


def test_where_there_are_many_show_says_how_to_see_them_all(spool: Spool, nightly: Event) -> None:
    put(spool, *(f"child-{n}" for n in range(60)), parent_uid=nightly.uid)
    spool.put(nightly)
    *rows, last = family(nightly.uid)
    assert [row[1] for row in rows] == [f"child-{n}" for n in range(10, 60)]
    assert " ".join(last) == f"perhaps more; `e3-event ls --parent {nightly.uid}` lists all"
    assert len(listed("--parent", nightly.uid, "-n", "0")) == 60


def test_ls_lists_what_is_part_of_an_event_with_the_other_filters(spool: Spool, nightly: Event) -> None:
    put(spool, "a", "b", parent_uid=nightly.uid, status="ok")
    put(spool, "c", parent_uid=nightly.uid, status="failed")
    put(spool, "d", status="failed", text=nightly.uid)  # it is only told of
    spool.put(nightly)
    assert listed("--parent", nightly.uid) == ["c", "b", "a"]
    assert listed("--parent", nightly.uid, "--status", "failed") == ["c"]
    assert listed("--parent", nightly.uid, "--name", "[ab]", "-n", "1") == ["b"]
    assert listed("--parent", "elsewhere") == []


def test_the_beginning_of_a_uid_names_the_parent(spool: Spool) -> None:
    put(spool, "nightly", uid="0192-abc")
    put(spool, "other", uid="0192-abd")
    put(spool, "child", parent_uid="0192-abc")
    assert listed("--parent", "0192-abc") == ["child"]
    put(spool, "nightly", uid="0333-abc")
    put(spool, "child of 0333", parent_uid="0333-abc")
    assert listed("--parent", "0333") == ["child of 0333"]
    done = e3_event("ls", "--parent", "0192")
    assert done.returncode == 2
    assert b"'0192' is the beginning of several: 0192-abc, 0192-abd; give more of it" in done.stderr


def test_the_beginning_of_a_uid_is_not_the_parent_of_an_event(spool: Spool) -> None:
    put(spool, "nightly", uid="0192-abc")
    put(spool, "other", uid="0333-abc")
    put(spool, "another", uid="0333-abd")
    for parent_uid in ("0192", "0333"):
        (child,) = put(spool, "child", parent_uid=parent_uid)
        assert family(child) == []


@pytest.mark.parametrize("value", [17, None, True, 1.5, ["x"], {"x": 1}, "", *filter(None, HOSTILE)])
def test_odd_parents_and_durations_do_no_harm(value: Any, spool: Spool) -> None:
    odd = Event("odd", uid="odd", parent_uid=value, duration=value, status="ok")
    spool.put(odd)
    parent_uid = spool.ledger.show("odd").event.as_dict()["parent_uid"]  # type: ignore[union-attr]  # it is there
    put(spool, "above", uid=str(parent_uid) or "x", duration=value)
    done = e3_event("show", "odd")
    assert (done.returncode, done.stderr) == (0, b"")
    assert all(c.isprintable() or c == "\n" for c in done.stdout.decode())
    assert e3_event("ls", "--parent", "odd", "--json").returncode == 0


def test_the_duration_is_in_the_json_of_a_list(spool: Spool) -> None:
    put(spool, "a", duration=1.5)
    put(spool, "b")
    durations = {event["name"]: event["duration"] for event in json.loads(e3_event("ls", "--json").stdout)}
    assert durations == {"a": 1.5, "b": None}
