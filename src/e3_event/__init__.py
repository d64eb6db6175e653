"""Tell other services what happened, with its logs.

The documented names of `e3.event` and what goes beyond them. `default_manager` is the manager behind the
module functions of the same names.

PYTEST_DONT_REWRITE, as there is no assertion here: pytest would warn where this is imported before it.
"""

from __future__ import annotations

from ._attachment import Attachment
from ._errors import DeliveryError, E3Error, EventError, RejectedError
from ._event import Event, Snapshot, logger
from ._handler import EventHandler
from ._ids import unique_id
from ._manager import FLUSH_TIMEOUT, HANDLERS_VAR, EventManager
from ._record import Recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any

    from ._report import Outcome, Report

__all__ = [
    "Attachment",
    "DeliveryError",
    "E3Error",
    "Event",
    "EventError",
    "EventHandler",
    "EventManager",
    "Outcome",
    "Recording",
    "RejectedError",
    "Report",
    "Snapshot",
    "add_handler",
    "child_variables",
    "default_manager",
    "dispatch",
    "flush",
    "handler_config_as_env",
    "load_handlers_from_env",
    "logger",
    "record",
    "send_event",
    "send_event_from_file",
    "unique_id",
]

#: The manager behind the functions of this module.
default_manager = EventManager()


def send_event(event: Event) -> bool:
    """Send an event with the default manager; see `EventManager.send_event`.

    :return: True if every handler delivered it, or (with a spool among them) it is kept for them
    """
    return default_manager.send_event(event)


def dispatch(event: Event) -> Report:
    """Send an event with the default manager and say what became of it; see `EventManager.dispatch`.

    :return: an outcome for each handler
    """
    return default_manager.dispatch(event)


def flush(timeout: float = FLUSH_TIMEOUT) -> bool:
    """Deliver what the spool holds for the default manager's handlers; see `EventManager.flush`.

    :param timeout: seconds that it may take
    :return: True if they are owed nothing any more
    """
    return default_manager.flush(timeout)


def send_event_from_file(filename: str | os.PathLike[str]) -> bool:
    """Send a dumped event with the default manager; see `EventManager.send_event_from_file`.

    :param filename: path of the file that `Event.dump` has written
    :return: True if every handler delivered it
    """
    return default_manager.send_event_from_file(filename)


def add_handler(name: str, *args: Any, **kwargs: Any) -> None:
    """Add a handler to the default manager; see `EventManager.add_handler`."""
    default_manager.add_handler(name, *args, **kwargs)


def load_handlers_from_env(var_name: str = HANDLERS_VAR) -> None:
    """Add the handlers of an environment variable to the default manager; see
    `EventManager.load_handlers_from_env`.
    """
    default_manager.load_handlers_from_env(var_name)


def handler_config_as_env(var_name: str = HANDLERS_VAR) -> None:
    """Put the default manager's handlers into an environment variable; see
    `EventManager.handler_config_as_env`.
    """
    default_manager.handler_config_as_env(var_name)


def record(name: str, /, uid: str | None = None, **kwargs: Any) -> Recording:
    """Make an event of a block or a function and send it with the default manager; see `Recording`.

    ::

        with record("nightly-build", branch="main") as event:
            event.compiled = build()

    :param name: name of the event
    :param uid: its unique id; by default a new one each time
    :param kwargs: further data
    """
    return default_manager.record(name, uid, **kwargs)


def child_variables() -> dict[str, str]:
    """Return the variables that make the events of a program that you start part of the one being recorded.

    ::

        with record("nightly"):
            subprocess.run(["make"], env=os.environ | child_variables())

    They are `E3_EVENT_PARENT` and `TRACEPARENT` (W3C Trace Context), and `TRACESTATE`, empty, where there is
    one without a trace.

    :return: what to add to its environment; nothing where no event is being recorded
    """
    import os

    from ._family import innermost

    member = innermost()
    return {} if member is None else member.variables(os.environ)


def __getattr__(name: str) -> object:
    if name in ("Outcome", "Report"):  # loaded when first used: they bring msgspec
        from . import _report

        return getattr(_report, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
