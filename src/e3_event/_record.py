"""A block of code or a function as an event."""

from __future__ import annotations

import time

from ._course import Course, tell_of_waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Literal, TypeVar

    from ._event import Event
    from ._family import Member
    from ._manager import EventManager
    from ._masking import Masking
    from ._report import Report

    _F = TypeVar("_F", bound=Callable[..., Any])


class Recording:
    """Makes an event of what runs inside, closes it and sends it.

    As a context manager it gives the event; as a decorator (of a function or a coroutine function) it makes
    one event a call. The event gets `status` (`ok`; `failed` on an exception; `cancelled` on
    KeyboardInterrupt and when a coroutine is cancelled), unless the block has set one and ended well,
    `duration` in seconds, and on an exception `error` and `traceback` (secrets in them are masked).

    What is recorded inside, also in the tasks that are started there, is part of it: its event has this one's
    uid as `parent_uid`. `trace_id`, `span_id` and `parent_span_id` say the same in a trace. Programs that are
    started learn of it from `child_variables`. A key that is given stays as it is.

    An exception of the block goes on its way. Sending never raises: what failed is logged and in `report`.
    If the manager has no handlers when the block begins, those of `E3_EVENT_HANDLERS` are added, else those
    of the configuration file.

    The event goes into the user's spool (see `docs/delivery.md`), where it survives whatever happens, and
    from there to the handlers, for which at most the manager's `flush_timeout` is waited. If the process is
    killed in the block, or the machine goes down, the event comes with status `aborted`, by the next process
    that records or delivers.

    :ivar report: what became of the event, once it was sent
    """

    def __init__(self, manager: EventManager, name: str, uid: str | None, data: dict[str, Any]) -> None:
        self.report: Report | None = None
        self._manager = manager
        self._arguments = (name, uid, data)

    def __enter__(self) -> Event:
        from ._config import set_up
        from ._event import Event
        from ._family import begin

        name, uid, data = self._arguments
        self._event = event = Event(name, uid, **data)
        self._member: Member = begin(event)
        set_up(self._manager)
        self._course = Course(self._manager, event)
        self._course.begin()
        self._started = time.monotonic()
        return event

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _tb: TracebackType | None
    ) -> Literal[False]:
        from ._family import end

        end(self._member)
        event = self._event
        if not event._closed:
            event.duration = time.monotonic() - self._started
            _judge(event, error, self._course.masking)
            event.close()
        self.report = self._course.send()
        tell_of_waiting(event, self.report)
        return False

    def __call__(self, function: _F) -> _F:
        import functools
        import inspect

        def again() -> Recording:
            return Recording(self._manager, *self._arguments)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with again():
                    return await function(*args, **kwargs)

        else:

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with again():
                    return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]


def _judge(event: Event, error: BaseException | None, masking: Masking) -> None:
    """Write into *event* how its block ended."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        if "status" not in event:
            event.status = "ok"
        return
    import traceback

    from ._redact import describe

    # What is no Exception (KeyboardInterrupt, asyncio's CancelledError) comes from outside of the block.
    event.status = "failed" if isinstance(error, (Exception, SystemExit)) else "cancelled"
    event.error = masking.text(describe(error))
    event.traceback = masking.text("".join(traceback.format_exception(error)))
