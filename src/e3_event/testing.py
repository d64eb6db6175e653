"""For tests of programs that send events, and of handlers: `Recorder` and `HandlerContract`."""

from __future__ import annotations

from e3_event import Event, EventHandler, Snapshot


class Recorder(EventHandler):
    """A handler that keeps what it is given, and fails on demand.

    :ivar events: the snapshots it took, in order
    :ivar failures: what to do on the next calls, in order: an exception is raised, anything else is answered;
        when it is empty, events are taken
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
