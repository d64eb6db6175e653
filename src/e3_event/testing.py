"""For tests of programs that send events, and of handlers: `Recorder`, `Clock` and `HandlerContract`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from e3_event import Event, EventHandler, EventManager, Snapshot
from e3_event._plugins import missing

if TYPE_CHECKING:
    from pathlib import Path

#: Texts that a name, a uid or a value may be and that have broken handlers.
HOSTILE = (
    "../../up",
    "/absolute",
    "CON",
    "line\r\nBcc: someone@example.net",
    "nul\0byte",
    "\x1b[31mred\x1b[0m \u202eright to left",
    "\udcff undecodable",
    "é☃𝄞 " + "long" * 300,
    "",
    "..",
    "a,b|c%2Cd",
    "<script>alert(1)</script>",
)


class Recorder(EventHandler):
    """A handler that keeps what it is given, and fails on demand.

    :ivar events: the snapshots it took, in order
    :ivar failures: what to do on the next calls, in order: an exception is raised, anything else is answered;
        when it is empty, events are taken
    :ivar closed: how often it was closed
    """

    def __init__(self) -> None:
        self.events: list[Snapshot] = []
        self.failures: list[Exception | bool] = []
        self.closed = 0

    def send_event(self, event: Event) -> bool:
        failure = self.failures.pop(0) if self.failures else True
        if isinstance(failure, Exception):
            raise failure
        if failure:
            self.events.append(event.snapshot())
        return failure

    def close(self) -> None:
        self.closed += 1


class Clock:
    """A clock that stands still unless it is told to move: for `Spool(..., clock=Clock())`.

    :ivar now: seconds since the epoch
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass; less than 0 sets it back."""
        self.now += seconds


class HandlerContract:
    """What every handler must do, as tests for pytest. Derive, and write `make_handler` and `received`.

    ::

        class TestMyHandler(HandlerContract):
            def make_handler(self, tmp_path):
                return MyHandler(...)

            def received(self, handler, tmp_path):
                return [...]  # the names of the events that arrived at the other side
    """

    def make_handler(self, tmp_path: Path) -> EventHandler:
        """Return a handler that can deliver. Called once a test; *tmp_path* is a folder of that test."""
        raise TypeError(f"{type(self).__name__} has to define make_handler")

    def received(self, handler: EventHandler, tmp_path: Path) -> list[str]:
        """Return the names of the events that arrived at the other side, in any order."""
        raise TypeError(f"{type(self).__name__} has to define received")

    def test_an_event_arrives(self, tmp_path: Path) -> None:
        handler = self.make_handler(tmp_path)
        assert handler.send_event(Event("arrives").snapshot()) is True
        assert self.received(handler, tmp_path) == ["arrives"]

    def test_an_event_with_attachments_arrives(self, tmp_path: Path) -> None:
        handler = self.make_handler(tmp_path)
        event = Event("attached")
        for name, content in (("log", b"a line\n"), ("empty", b""), ("binary", bytes(range(256)) * 512)):
            file = tmp_path / f"source-{name}"
            file.write_bytes(content)
            event.attach_file(str(file), name)
        assert handler.send_event(event.snapshot()) is True
        assert self.received(handler, tmp_path) == ["attached"]

    def test_an_event_whose_attachment_is_gone_arrives(self, tmp_path: Path) -> None:
        handler = self.make_handler(tmp_path)
        event = Event("without")
        file = tmp_path / "gone"
        file.write_bytes(b"x")
        event.attach_file(str(file))
        file.unlink()
        assert handler.send_event(event.snapshot()) is True
        assert self.received(handler, tmp_path) == ["without"]

    def test_hostile_content_arrives_or_is_rejected(self, tmp_path: Path) -> None:
        manager = EventManager()
        manager.handlers["it"] = self.make_handler(tmp_path)
        file = tmp_path / "attachment"
        file.write_bytes(b"x")
        for text in HOSTILE:
            event = Event(text, uid=text, value=text, status=text)
            event.attach_file(str(file), text)
            (outcome,) = manager.dispatch(event).outcomes
            assert outcome.delivered or outcome.rejected, (text, outcome.reason)
            assert "\n" not in outcome.reason

    def test_data_that_json_cannot_hold_arrives(self, tmp_path: Path) -> None:
        handler = self.make_handler(tmp_path)
        event = Event("odd", when=object(), nan=float("nan"), big=2**80, deep={"set": {1, 2}})
        assert handler.send_event(event.snapshot()) is True
        assert self.received(handler, tmp_path) == ["odd"]

    def test_the_same_snapshot_again_is_no_error(self, tmp_path: Path) -> None:
        handler = self.make_handler(tmp_path)
        snapshot = Event("again").snapshot()
        assert handler.send_event(snapshot) is True
        assert handler.send_event(snapshot) is True
        assert set(self.received(handler, tmp_path)) == {"again"}

    def test_several_at_once_arrive_with_an_answer_each(self, tmp_path: Path) -> None:
        handler = self.make_handler(tmp_path)
        batch = [Event(f"batch-{number}").snapshot() for number in range(5)]
        assert list(handler.send_events(batch)) == [True] * 5
        assert sorted(self.received(handler, tmp_path)) == [event.name for event in batch]

    def test_it_can_be_closed_twice_and_used_again(self, tmp_path: Path) -> None:
        handler = self.make_handler(tmp_path)
        handler.close()
        handler.send_event(Event("first").snapshot())
        handler.close()
        handler.close()
        assert handler.send_event(Event("second").snapshot()) is True
        assert sorted(self.received(handler, tmp_path)) == ["first", "second"]

    def test_it_works_on_both_sides_of_a_fork(self, tmp_path: Path) -> None:
        if not hasattr(os, "fork"):
            return
        handler = self.make_handler(tmp_path)
        handler.send_event(Event("before").snapshot())
        pid = os.fork()
        if pid == 0:
            signal.alarm(30)
            answer = False
            try:
                answer = handler.send_event(Event("child").snapshot())
            finally:
                os._exit(0 if answer else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert handler.send_event(Event("parent").snapshot()) is True
        assert sorted(self.received(handler, tmp_path)) == ["before", "child", "parent"]

    def test_its_configuration_string_makes_an_equal_handler(self, tmp_path: Path) -> None:
        handler = self.make_handler(tmp_path)
        config = handler.encode_config()
        assert "|" not in config
        again = type(handler)(**type(handler).decode_config(config))
        assert again.encode_config() == config

    def test_what_it_requires_is_installed(self, tmp_path: Path) -> None:
        assert missing(type(self.make_handler(tmp_path))) == {}
