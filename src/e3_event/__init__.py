"""Tell other services what happened, with its logs.

The documented names of `e3.event` and what goes beyond them. `default_manager` is the manager behind the
module functions of the same names.

PYTEST_DONT_REWRITE, as there is no assertion here: pytest would warn where this is imported before it.
"""

from __future__ import annotations

from ._attachment import Attachment
from ._errors import DeliveryError, E3Error, EventError, RejectedError
from ._event import Event, Snapshot
from ._handler import EventHandler
from ._ids import unique_id
from ._manager import FLUSH_TIMEOUT, HANDLERS_VAR, EventManager
from ._record import Recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import Any

    from ._logger import logger
    from ._report import Outcome, Report
    from .job import CompletedRun

__all__ = [
    "Attachment",
    "CompletedRun",
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
    "run",
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


def run(command: Sequence[str], name: str | None = None, **options: Any) -> CompletedRun:
    """Run a command and send one event about it with the default manager: how it ended, how long it took,
    what it has used, and its output as the attachment `log`. POSIX only.

    ::

        done = run(["make", "-j4"], "build", data={"branch": "main"}, timeout=3600)
        if done.ok: ...

    Neither a command that fails or can't be started nor a failed delivery raises.

    :param command: the program and its arguments
    :param name: name of the event; by default the program's, without its folder
    :param options: those of `e3-event run`. `data` (a dictionary) and `attachments` (`{name: path}`) of the
        event; `check`: raise if the command does not succeed, see `CompletedRun.check_returncode`; `echo` and
        `quiet`: whether its output goes to ours, and only if it does not succeed; `pty`: give it a terminal
        of its own; `timeout`, `kill_after`, `retry_delay` and `lock_wait` in seconds; `retries`; `lock`: the
        name of a lock; `start_event`: also tell of the beginning; `max_log`: bytes of the output to keep;
        `redact`: `captured`, `all` or `nothing`
    :return: how it ended, its event, and what became of that
    :raises EventError: a parameter can't be what it is; nothing was run
    """
    return default_manager.run(command, name, **options)


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
    if name == "logger":  # brings logging
        from ._logger import load

        return load()
    if name in ("Outcome", "Report"):  # loaded when first used: they bring typing
        from . import _report

        return getattr(_report, name)
    if name == "CompletedRun":
        from .job import CompletedRun

        return CompletedRun
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
