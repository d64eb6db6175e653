"""Families: what begins inside a command or a recorded block is part of it, and they make one trace."""

from __future__ import annotations

import asyncio
import contextvars
import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.command import COMMAND, DEADLINE, e3_event, kept, spool_of
from e3_event import Event, EventManager, Snapshot, child_variables
from e3_event._family import _parsed, begin, end, parent
from e3_event.job import run
from e3_event.testing import Recorder

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OUTSIDE = f"00-{TRACE}-{SPAN}-01"

#: A program of tasks, threads and subprocesses, each of which records one event or more.
PROGRAM = """
import asyncio, contextvars, os, subprocess, sys, threading
from e3_event import child_variables, default_manager, record
from e3_event import run

RECORDS = "import sys, e3_event\\nwith e3_event.record(sys.argv[1]): pass"
before = dict(os.environ)
default_manager.flush_timeout = 0

def leaf(name):
    with record(name):
        pass

@record("function")
def function():
    leaf("in the function")

@record("coroutine")
async def coroutine():
    await asyncio.sleep(0)
    leaf("in the coroutine")

async def task(number):
    with record(f"task {number}"):
        for step in range(3):
            await asyncio.sleep(0)  # the others go on meanwhile
            leaf(f"step of task {number}")
        await asyncio.to_thread(leaf, f"thread of task {number}")

async def tasks():
    with record("tasks"):
        await asyncio.gather(*(task(number) for number in range(3)), coroutine())

def in_thread(target, *arguments):
    thread = threading.Thread(target=target, args=arguments)
    thread.start()
    thread.join()

with record("block"):
    leaf("nested")
    function()
    in_thread(contextvars.copy_context().run, leaf, "thread with the context")
    in_thread(contextvars.Context().run, leaf, "thread of its own")
    asyncio.run(tasks())
    run(["true"], "job in the block")
    subprocess.run([sys.executable, "-c", RECORDS, "told"], env=os.environ | child_variables(), check=True)
    subprocess.run([sys.executable, "-c", RECORDS, "not told"], check=True)
    if not os.fork():
        leaf("fork")
        os._exit(0)
    os.wait()
leaf("after")
sys.exit(dict(os.environ) != before)
"""
#: Event -> the one that it is part of.
TREE = {
    "outer": None,
    "note": "outer",
    "inner": "outer",
    "block": "inner",
    **dict.fromkeys(("nested", "function", "thread with the context", "tasks", "told", "fork"), "block"),
    "job in the block": "block",
    "in the function": "function",
    "coroutine": "tasks",
    "in the coroutine": "coroutine",
    **{f"task {number}": "tasks" for number in range(3)},
    **{f"step of task {number}": f"task {number}" for number in range(3)},
    **{f"thread of task {number}": f"task {number}" for number in range(3)},
    **dict.fromkeys(("thread of its own", "not told", "after"), "inner"),
}


def leaf(manager: EventManager, name: str) -> None:
    with manager.record(name):
        pass


def parents(recorder: Recorder) -> dict[str, str | None]:
    """Name of each event -> name of its parent."""
    names = {event.uid: event.name for event in recorder.events}
    return {e.name: names[e.parent_uid] if "parent_uid" in e else None for e in recorder.events}


@pytest.mark.parametrize("outside", ["", OUTSIDE], ids=["a new trace", "a trace from outside"])
def test_commands_blocks_tasks_threads_and_subprocesses_are_one_family(
    outside: str, private_environment: Path, tmp_path: Path
) -> None:
    (tmp_path / "prog.py").write_text(PROGRAM)
    ours = " ".join(COMMAND)
    script = f"{ours} send note && {ours} run --name inner -- {sys.executable} {tmp_path}/prog.py"
    done = e3_event(
        *("run", "--name", "outer", "--flush-timeout", "0", "--", "sh", "-c", script), TRACEPARENT=outside
    )
    assert (done.returncode, done.stderr) == (0, b"")
    events = kept(spool_of(private_environment))
    names = {event.uid: event.name for event in events}
    assert {e.name: names[e.parent_uid] if "parent_uid" in e else None for e in events} == TREE
    assert len(events) == len(TREE) + 6  # each task has three steps
    check_trace(events, outside)


def check_trace(events: list[Snapshot], outside: str) -> None:
    """Each event has a place of its own in one trace, below that of its parent, and its time lies inside."""
    by_uid = {event.uid: event for event in events}
    (trace,) = {event.trace_id for event in events}
    assert re.fullmatch("[0-9a-f]{32}", trace)
    assert not outside or trace == TRACE
    spans = [event.span_id for event in events if event.name != "note"]
    assert len(set(spans)) == len(spans)
    assert all(re.fullmatch("[0-9a-f]{16}", span) for span in spans)
    for event in events:
        if "parent_uid" in event:
            above = by_uid[event.parent_uid]
            assert event.parent_span_id == above.span_id
            assert above.begin_time <= event.begin_time
            assert (event.end_time or 0) <= (above.end_time or 0)
        elif outside:
            assert event.parent_span_id == SPAN
        else:
            assert "parent_span_id" not in event
        assert ("span_id" in event) is (event.name != "note")


SHOW = 'echo "$E3_EVENT_PARENT/$TRACEPARENT/$TRACESTATE"'


def shown(*before: str, **environment: str) -> list[str]:
    """What a command that is run sees of its family."""
    done = e3_event("run", *before, "sh", "-c", SHOW, env=environment)
    assert done.returncode == 0
    return done.stdout.decode().rstrip("\n").split("/")


def test_a_command_is_told_the_event_and_its_place_in_the_trace(private_environment: Path) -> None:
    uid, trace, state = shown()
    (event,) = kept(spool_of(private_environment))
    assert uid == event.uid
    assert trace == f"00-{event.trace_id}-{event.span_id}-03"
    assert state == ""


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        (f"00-{TRACE}-{SPAN}-00", "00"),
        (f"00-{TRACE}-{SPAN}-01", "01"),
        (f"00-{TRACE}-{SPAN}-02", "02"),
        (f"00-{TRACE}-{SPAN}-03", "03"),
        (f"00-{TRACE}-{SPAN}-ff", "03"),  # flags without a meaning yet are not ours to set
        (f"01-{TRACE}-{SPAN}-03", "01"),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", "01"),
        (f"cc-{TRACE}-{SPAN}-00-", "00"),
    ],
)
def test_a_trace_is_continued_with_its_flags_and_state(
    given: str, passed_on: str, private_environment: Path
) -> None:
    _, trace, state = shown(TRACEPARENT=given, TRACESTATE="congo=t61rcWkgMzE,rojo=1")
    (event,) = kept(spool_of(private_environment))
    assert (event.trace_id, event.parent_span_id) == (TRACE, SPAN)
    assert event.span_id != SPAN
    assert trace == f"00-{TRACE}-{event.span_id}-{passed_on}"
    assert state == "congo=t61rcWkgMzE,rojo=1"


NO_TRACES = [
    *("", "garbage", "00", "00-", f"00-{TRACE}", f"00-{TRACE}-{SPAN}", f"{TRACE}-{SPAN}-01"),
    *(f"ff-{TRACE}-{SPAN}-01", f"0-{TRACE}-{SPAN}-01", f"0g-{TRACE}-{SPAN}-01", f"FF-{TRACE}-{SPAN}-01"),
    *(f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01"),
    *(f"00-{TRACE}-{SPAN.upper()}-01", f"00-{TRACE}-{SPAN}-0", f"00-{TRACE}-{SPAN}-0X"),
    *(
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01.",
        f"00-{TRACE}-{SPAN}-1",
    ),
    *(f"cc-{TRACE}-{SPAN}-01.more", f"cc-{TRACE}-{SPAN}-011", f" {OUTSIDE}", f"{OUTSIDE} ", f"{OUTSIDE}\n"),
    *(f"00_{TRACE}_{SPAN}_01", f"00-{TRACE[1:]}-{SPAN}-01", f"00-{TRACE}-{SPAN}0-01", "0" * 100_000),
    *(f"00-{TRACE[:-1]}٣-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-{'x' * 1000}", os.fsdecode(b"\xff\xfe")),
]


@pytest.mark.parametrize("given", NO_TRACES)
def test_what_is_no_trace_is_ignored(given: str) -> None:
    assert parent({"TRACEPARENT": given}) is None


@pytest.mark.parametrize("given", ["garbage", f"00-{'0' * 32}-{SPAN}-01"])
def test_in_place_of_garbage_a_trace_is_started_and_its_state_left_behind(
    given: str, private_environment: Path
) -> None:
    _, trace, state = shown(TRACEPARENT=given, TRACESTATE="rojo=1")
    (event,) = kept(spool_of(private_environment))
    assert "parent_span_id" not in event
    assert trace == f"00-{event.trace_id}-{event.span_id}-03"
    assert state == ""


@given(st.text(alphabet="0123456789abcdefABCDEFg-\n ", max_size=80) | st.text())
def test_no_text_breaks_the_reader_of_traces(text: str) -> None:
    found = _parsed(text)
    if found:
        trace, span, flags = found
        assert text.startswith(f"{text[:2]}-{trace}-{span}-")
        assert flags in range(4)


@pytest.mark.parametrize(
    "uid", ["0199fb5c-8b2f-7cc0-a4a5-5b1e6d1f0000", "17", "nightly build/3", "größe", "x" * 256]
)
def test_any_sensible_uid_travels(uid: str, private_environment: Path) -> None:
    shown(E3_EVENT_PARENT=uid)
    (event,) = kept(spool_of(private_environment))
    assert event.parent_uid == uid


@pytest.mark.parametrize("uid", ["", "x" * 257, "a\nb", "\x1b[31m", "\u202eabc", os.fsdecode(b"\xff")])
def test_what_can_be_no_uid_is_ignored(uid: str, private_environment: Path) -> None:
    shown(E3_EVENT_PARENT=uid)
    (event,) = kept(spool_of(private_environment))
    assert "parent_uid" not in event


@pytest.mark.parametrize("uid", ["a\nb", "x" * 257, 17])
def test_a_uid_that_can_not_travel_leaves_no_wrong_parent(
    uid: Any, manager: EventManager, recorder: Recorder
) -> None:
    with manager.record("odd", uid):
        variables = child_variables()
        leaf(manager, "inside")
    assert variables["E3_EVENT_PARENT"] == ""
    assert recorder.events[0].parent_uid == uid  # in the program nothing has to travel


def test_a_program_is_told_nothing_where_no_event_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E3_EVENT_PARENT", "17")
    assert child_variables() == {}


def test_nothing_is_put_into_our_own_environment(manager: EventManager) -> None:
    before = dict(os.environ)
    with manager.record("x"):
        assert dict(os.environ) == before
        run(["true"], manager=manager)
        assert child_variables().keys() == {"E3_EVENT_PARENT", "TRACEPARENT"}
        assert dict(os.environ) == before
    assert dict(os.environ) == before


def test_a_command_in_a_program_gets_all_of_our_environment(
    manager: EventManager, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ODD", os.fsdecode(b"\xff"))
    run(["env", "-0"], manager=manager)
    printed = dict(
        line.partition("=")[::2] for line in capfd.readouterr().out.encode().decode().split("\0") if line
    )
    added = {"E3_EVENT_PARENT", "TRACEPARENT"}
    assert printed.keys() - added == os.environ.keys()
    assert added <= printed.keys()


def test_keys_that_are_given_stay(manager: EventManager, recorder: Recorder) -> None:
    own: dict[str, Any] = {"parent_uid": "another", "trace_id": "t", "span_id": 1, "parent_span_id": None}
    with manager.record("outer") as outer, manager.record("mine", **own):
        leaf(manager, "inside")
    inside, mine, _ = recorder.events
    assert (mine.parent_uid, mine.trace_id, mine.span_id, mine.parent_span_id) == ("another", "t", 1, None)
    assert (inside.parent_uid, inside.trace_id) == (mine.uid, outer.trace_id)


def test_a_command_takes_a_parent_that_is_given(manager: EventManager, recorder: Recorder) -> None:
    with manager.record("outer"):
        run(["true"], data={"parent_uid": "another"}, manager=manager)
    assert recorder.events[0].parent_uid == "another"


@pytest.mark.parametrize("key", ["trace_id", "span_id", "parent_span_id"])
def test_the_place_of_a_command_in_the_trace_is_not_for_the_caller_to_say(key: str) -> None:
    done = e3_event("run", "-d", f"{key}=x", "true")
    assert done.returncode == 2
    assert f"`{key}` is written by the job itself" in done.stderr.decode()


def test_an_event_that_is_merely_sent_in_a_program_stays_as_it_is(
    manager: EventManager, recorder: Recorder
) -> None:
    with manager.record("outer"):
        manager.send_event(Event("sent", uid="17"))
    assert recorder.events[0].as_dict().keys() == {"uid", "name", "begin_time", "end_time"}


def test_an_event_sent_in_a_command_belongs_to_it(private_environment: Path) -> None:
    e3_event("send", "note", E3_EVENT_PARENT="17", TRACEPARENT=OUTSIDE)
    (event,) = kept(spool_of(private_environment))
    assert (event.parent_uid, event.trace_id, event.parent_span_id) == ("17", TRACE, SPAN)
    assert "span_id" not in event


def test_an_event_sent_by_itself_belongs_to_nothing(private_environment: Path) -> None:
    e3_event("send", "note")
    (event,) = kept(spool_of(private_environment))
    assert event.as_dict().keys() == {"uid", "name", "begin_time", "end_time"}


def test_data_and_dumps_that_are_sent_keep_their_own_family(
    private_environment: Path, tmp_path: Path
) -> None:
    family = {"E3_EVENT_PARENT": "17", "TRACEPARENT": OUTSIDE}
    e3_event("send", "note", "-d", "parent_uid=another", "-d", "trace_id=t", env=family)
    e3_event("send", "--from-file", Event("dumped").dump(tmp_path), env=family)
    dumped, note = kept(spool_of(private_environment))
    assert (note.parent_uid, note.trace_id, note.parent_span_id) == ("another", "t", SPAN)
    assert "parent_uid" not in dumped


def test_a_failed_block_gives_its_place_back(manager: EventManager, recorder: Recorder) -> None:
    with manager.record("outer"):
        for error in (ValueError, KeyboardInterrupt, SystemExit):
            with pytest.raises(error), manager.record(f"fails with {error.__name__}"):
                raise error
        leaf(manager, "next")
    assert set(parents(recorder).values()) == {"outer", None}
    leaf(manager, "last")
    assert parents(recorder)["last"] is None


def test_a_recursive_function_is_a_chain(manager: EventManager, recorder: Recorder) -> None:
    @manager.record("down")
    def down(n: int) -> int:
        return n and down(n - 1)

    down(3)
    chain = recorder.events
    assert [event.parent_uid for event in chain[:-1]] == [event.uid for event in chain[1:]]
    assert "parent_uid" not in chain[-1]


def test_what_a_handler_records_while_it_sends_is_not_part_of_the_event(recorder: Recorder) -> None:
    class Telling(Recorder):
        def send_event(self, event: Event) -> bool:
            leaf(inner, "told")
            return super().send_event(event)

    inner, outer = EventManager(), EventManager()
    inner.handlers["it"] = outer.handlers["other"] = recorder
    outer.handlers["it"] = Telling()
    outer.flush_timeout = inner.flush_timeout = 0
    with outer.record("x"):
        pass
    outer.flush()
    inner.flush()
    assert parents(recorder) == {"x": None, "told": None}


def test_blocks_of_generators_end_in_any_order(manager: EventManager, recorder: Recorder) -> None:
    def steps(name: str) -> Iterator[None]:
        with manager.record(name):
            yield
            leaf(manager, f"in {name}")

    first, second = steps("first"), steps("second")
    next(first)
    next(second)
    list(first)
    leaf(manager, "while the second goes on")
    list(second)
    leaf(manager, "after both")
    assert parents(recorder)["while the second goes on"] == "second"
    assert parents(recorder)["after both"] is None


def test_blocks_of_generators_that_are_thrown_away(manager: EventManager, recorder: Recorder) -> None:
    def steps() -> Iterator[None]:
        with manager.record("steps"):
            yield

    generator = steps()
    next(generator)
    del generator
    leaf(manager, "after")
    assert parents(recorder) == {"steps": None, "after": None}
    assert recorder.events[0].status == "cancelled"


def test_an_asynchronous_generator_may_end_in_another_task(manager: EventManager, recorder: Recorder) -> None:
    async def steps() -> AsyncIterator[None]:
        with manager.record("steps"):
            yield

    async def work() -> None:
        generator = steps()
        await anext(generator)
        await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]  # a generator has it
        leaf(manager, "after")

    asyncio.run(work())
    assert parents(recorder) == {"steps": None, "after": None}


def test_a_block_may_end_in_another_thread(manager: EventManager, recorder: Recorder) -> None:
    recording = manager.record("handed over")
    recording.__enter__()
    thread = threading.Thread(target=recording.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    leaf(manager, "after")
    assert parents(recorder) == {"handed over": None, "after": None}


def test_a_task_that_outlives_the_block_stays_part_of_it(manager: EventManager, recorder: Recorder) -> None:
    async def later(ended: asyncio.Event) -> None:
        await ended.wait()
        leaf(manager, "first")
        leaf(manager, "second")

    async def work() -> None:
        ended = asyncio.Event()
        with manager.record("starts a task"):
            task = asyncio.create_task(later(ended))
        ended.set()
        await task
        leaf(manager, "after")

    asyncio.run(work())
    found = parents(recorder)
    assert (found["first"], found["second"], found["after"]) == ("starts a task", "starts a task", None)


def test_an_event_of_a_copied_context_is_not_seen_outside() -> None:
    event = Event("x")
    context = contextvars.copy_context()
    member = context.run(begin, event)
    assert child_variables() == {}
    assert context.run(child_variables)["E3_EVENT_PARENT"] == event.uid
    end(member)  # here, where it did not begin
    assert context.run(child_variables) == {}


def test_of_many_threads_each_has_its_own_family(manager: EventManager, recorder: Recorder) -> None:
    together = threading.Barrier(8)

    def work(number: int) -> None:
        with manager.record(f"outer {number}"):
            together.wait(DEADLINE)
            for _ in range(5):
                leaf(manager, f"inner {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = parents(recorder)
    assert {name: found[name] for name in found if found[name]} == {
        f"inner {number}": f"outer {number}" for number in range(8)
    }
    assert len({event.trace_id for event in recorder.events}) == 8


def test_importing_the_package_does_not_load_it() -> None:
    code = "import sys, e3_event; sys.exit('e3_event._family' in sys.modules or 'contextvars' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
