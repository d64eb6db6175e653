"""What a process delivers from the spool before it goes on: its own event first, and never for long."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import e3_event
from cli.command import kept
from e3_event import Event, EventHandler, EventManager, RejectedError, Report
from e3_event.handler.spool import SpoolHandler
from e3_event.spool import Spool, key_of
from e3_event.spool._subscriptions import Lane
from e3_event.testing import Recorder

DEADLINE = 30.0
#: So long a handler hangs. What does not wait for it ends sooner.
HANGS = 60.0


class Hanging(Recorder):
    """Hangs until it is let go.

    :ivar called: set when it hangs
    """

    def __init__(self) -> None:
        super().__init__()
        self.called, self.go = threading.Event(), threading.Event()

    def send_event(self, event: Event) -> bool:
        self.called.set()
        self.go.wait(HANGS)
        return super().send_event(event)


class InBulk(Recorder):
    """Takes many at once.

    :ivar batches: the names of those that came together
    """

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []

    def send_events(self, events: Sequence[Event]) -> list[bool | Exception]:
        self.batches.append([event.name for event in events])
        return [self.send_event(event) for event in events]


Make = Callable[..., EventManager]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes managers with one spool in front of their handlers."""
    made = []

    def make(**handlers: EventHandler) -> EventManager:
        manager = EventManager()
        manager.handlers.update({"spool": SpoolHandler(tmp_path / "spool"), **handlers})
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager._close_all(wait=False)


def record(manager: EventManager, name: str = "x") -> Report:
    recording = manager.record(name)
    with recording:
        pass
    assert recording.report is not None
    return recording.report


def test_what_is_recorded_is_delivered_and_reported(make: Make) -> None:
    recorder = Recorder()
    report = record(make(it=recorder))
    assert (report.ok, report.kept, report.waiting) == (True, True, ())
    assert [event.name for event in recorder.events] == ["x"]
    assert recorder.events[0].snapshot_id == report.snapshot_id
    assert report.outcomes[1].duration >= 0


def test_its_own_event_goes_before_what_waits(make: Make) -> None:
    recorder = Recorder()
    manager = make(it=recorder)
    for name in ("a", "b", "c"):
        manager.dispatch(Event(name))
    record(manager, "mine")
    assert [event.name for event in recorder.events] == ["mine", "a", "b", "c"]


def test_what_failed_waits_with_its_reason_and_is_delivered_by_a_later_flush(make: Make) -> None:
    recorder = Recorder()
    recorder.failures = [OSError("no route")]
    manager = make(it=recorder)
    report = record(manager)
    (waiting,) = report.waiting
    assert (waiting.handler, waiting.reason, waiting.delivered) == ("it", "OSError: no route", False)
    assert waiting.retry_after is not None
    assert not manager.flush(0.01)
    until = time.monotonic() + DEADLINE
    while not manager.flush(1) and time.monotonic() < until:
        threading.Event().wait(0.05)
    assert [event.name for event in recorder.events] == ["x"]
    assert manager.flush()


def test_what_is_given_up_is_failed_and_owed_no_more(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    recorder.failures = [RejectedError("never")]
    manager = make(it=recorder)
    report = record(manager)
    (failed,) = report.failed
    assert (failed.handler, failed.reason, failed.rejected) == ("it", "never", True)
    assert (report.ok, report.kept, report.waiting) == (False, False, ())
    assert "handler it failed: never" in caplog.text
    assert manager.flush()


def test_a_handler_that_hangs_is_waited_for_no_longer_than_is_said(make: Make) -> None:
    hanging, recorder = Hanging(), Recorder()
    manager = make(hanging=hanging, it=recorder)
    manager.flush_timeout = 0.3
    started = time.monotonic()
    report = record(manager)
    assert time.monotonic() - started < HANGS / 2
    assert [(one.handler, one.delivered) for one in report.outcomes[1:]] == [("hanging", False), ("it", True)]
    assert report.waiting[0].reason == "no answer within 0.3 s"
    manager._close_all(wait=False)  # returns
    hanging.go.set()


def test_a_handler_that_still_hangs_is_not_called_again_meanwhile(make: Make) -> None:
    hanging = Hanging()
    manager = make(hanging=hanging)
    manager.flush_timeout = 0.3
    record(manager, "first")
    hanging.called.clear()
    report = record(manager, "second")
    assert report.waiting[0].reason == "it is still busy with an earlier event"
    assert not hanging.called.is_set()
    hanging.go.set()


def test_one_that_is_finishing_is_given_the_time_for_it(make: Make) -> None:
    """Some events are enough that the time is up while one of them is being delivered."""

    class Slow(Recorder):
        def send_event(self, event: Event) -> bool:
            threading.Event().wait(0.02)
            return super().send_event(event)

    slow = Slow()
    manager = make(it=slow)
    for _ in range(100):
        manager.dispatch(Event("x"))
    assert not manager.flush(0.4)
    assert manager.flush(DEADLINE)
    assert len(slow.events) == 100  # none came twice


def test_what_a_relay_serves_is_left_to_it(make: Make, tmp_path: Path) -> None:
    recorder = Recorder()
    manager = make(it=recorder)
    spool = Spool(tmp_path / "spool")
    (number,) = spool.register([key_of("it", recorder)])
    queue = spool.queue(number)
    assert queue.acquire()
    manager.flush_timeout = HANGS
    started = time.monotonic()
    report = record(manager)
    assert time.monotonic() - started < HANGS / 2
    assert (report.waiting[0].reason, recorder.events) == ("", [])
    queue.release()
    spool.close()
    assert manager.flush()


def test_a_sink_that_is_down_is_not_waited_for(make: Make, tmp_path: Path) -> None:
    hanging = Hanging()
    manager = make(it=hanging)
    spool = Spool(tmp_path / "spool")
    (number,) = spool.register([key_of("it", hanging)])
    queue = spool.queue(number)
    assert queue.acquire()
    now = time.time()

    def note(lane: Lane) -> None:
        lane.down, lane.reason, lane.probe = now, "no route", now + 3600

    queue.turn([], note=note)
    queue.release()
    spool.close()
    manager.flush_timeout = HANGS
    report = record(manager)
    (waiting,) = report.waiting
    assert waiting.reason == "it is down: no route"
    assert waiting.retry_after == pytest.approx(3600, abs=60)
    assert not hanging.called.is_set()


def test_many_at_once_come_at_once(make: Make) -> None:
    handler = InBulk()
    manager = make(it=handler)
    for name in "abcde":
        manager.dispatch(Event(name))
    assert manager.flush()
    assert handler.batches == [list("abcde")]


def test_a_handler_may_record_an_event_itself(make: Make) -> None:
    class Echo(Recorder):
        def send_event(self, event: Event) -> bool:
            if event.name != "echo":
                record(manager, "echo")
            return super().send_event(event)

    echo = Echo()
    manager = make(it=echo)
    manager.flush_timeout = HANGS
    started = time.monotonic()
    assert record(manager).ok
    assert time.monotonic() - started < HANGS / 2
    assert [event.name for event in echo.events] == ["x", "echo"]


def test_threads_that_record_at_once_lose_and_double_nothing(make: Make) -> None:
    recorder = Recorder()
    manager = make(it=recorder)
    manager.flush_timeout = DEADLINE
    reports: list[Report] = []
    threads = [threading.Thread(target=lambda n=n: reports.append(record(manager, f"{n}"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event.name for event in recorder.events) == [f"{n}" for n in range(8)]
    assert [report.ok for report in reports] == [True] * 8


def test_a_child_of_a_fork_delivers_its_own(make: Make, tmp_path: Path) -> None:
    manager = EventManager()
    manager.handlers["spool"] = make().handlers["spool"]
    manager.add_handler("file", tmp_path / "files")
    assert record(manager, "parent").ok
    pid = os.fork()
    if pid == 0:
        signal.alarm(int(DEADLINE))
        os._exit(0 if record(manager, "child").ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert record(manager, "parent again").ok
    assert len(list((tmp_path / "files").iterdir())) == 3


def test_a_spool_that_fails_meanwhile_is_told(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    manager = make(it=recorder)
    manager.dispatch(Event("x"))
    (tmp_path / "spool/spool.db").unlink()
    assert not manager.flush()
    assert "spool can't deliver: " in caplog.text
    assert recorder.events == []


def test_without_a_spool_nothing_is_owed() -> None:
    manager = EventManager()
    manager.handlers["it"] = Recorder()
    assert manager.flush()


def test_with_another_kind_of_spool_it_is_not_known(tmp_path: Path) -> None:
    class Front(Recorder):
        in_front = True

        def keep(self, event: Event, handlers: object, named: object) -> str:
            return str(self.send_event(event))

    manager = EventManager()
    manager.handlers.update({"front": Front(), "it": Recorder()})
    assert record(manager).waiting[0].handler == "it"
    assert not manager.flush()


def test_a_spool_may_stand_there_itself(tmp_path: Path) -> None:
    manager = EventManager()
    recorder = Recorder()
    manager.handlers.update({"spool": Spool(tmp_path), "it": recorder})
    assert record(manager).ok
    manager.close()
    assert [event.name for event in kept(tmp_path)] == ["x"]


def test_a_spool_behind_a_spool_is_fed_and_one_is_never_fed_by_itself(make: Make, tmp_path: Path) -> None:
    manager = make(other=SpoolHandler(tmp_path / "other"), same=SpoolHandler(tmp_path / "spool"))
    report = record(manager)
    assert [event.name for event in kept(tmp_path / "other")] == ["x"]
    (waiting,) = report.waiting
    assert waiting.handler == "same"
    assert "puts events back into the spool that it gets them from" in waiting.reason


def test_the_module_function_flushes_the_default_manager(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    manager = make(it=recorder)
    monkeypatch.setattr(e3_event, "default_manager", manager)
    assert e3_event.send_event(Event("x"))
    assert recorder.events == []
    assert e3_event.flush()
    assert [event.name for event in recorder.events] == ["x"]
