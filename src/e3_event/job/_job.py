"""A command as an event."""

from __future__ import annotations

import logging
import os
import time

from e3_event._errors import EventError
from e3_event._event import Event
from e3_event._redact import redact, redact_command

from ._log import Log
from ._process import run_process
from ._way import GRACE, KILL_AFTER, Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self

    from e3_event._manager import EventManager
    from e3_event._report import Report

    from ._child import Usage
    from ._process import Ending

logger = logging.getLogger("e3.event")

#: Data keys that a job writes itself.
OWN_KEYS = (
    *("name", "begin_time", "end_time", "status", "duration", "exit_code", "signal", "error"),
    *("command", "host", "user", "cwd", "attachments_left_out", "log_incomplete"),
    *("cpu_user", "cpu_system", "peak_memory"),
)


class Job:
    """Runs a command and makes an event of it; a context manager that removes the log at its end.

    The event has `command` (the list of arguments, secrets masked), `host`, `user`, `cwd`, `status` (`ok`;
    `failed`; `timeout`; `cancelled` if this process was told to end and the command did not succeed),
    `exit_code` or `signal` (by name), `duration` in seconds, `cpu_user` and `cpu_system` in seconds and
    `peak_memory` in bytes (see `Usage`), `error` if the command could not be started, and its output, both
    streams in the order in which they came, as the attachment `log`.

    :param command: the program and its arguments
    :param name: name of the event; by default the program's, without its folder
    :param data: further data
    :param attachments: further attachments, `{name: path}`. They are looked for when the command has ended,
        so that it can make them; one that is missing is named in the data key `attachments_left_out`
    :param echo: whether the command's output goes to ours as well
    :param quiet: whether that happens at its end only, and only if it did not succeed
    :param pty: whether the command gets a terminal of its own
    :param timeout: seconds after which the command, with all processes that it has started, is told to end
    :param kill_after: seconds after that when those that are left are killed
    :param grace: seconds to wait, once the command has ended, for processes that keep its output open
    :param stand_in: whether this process is there for the command alone, as `e3-event run` is; see `Way`
    :ivar event: the event
    :ivar ending: how the command ended, once it has
    :ivar report: what became of the event, once it was sent
    :raises EventError: there is no command, or *data* or *attachments* have a name that the job itself uses
    """

    ending: Ending
    report: Report

    def __init__(
        self,
        command: Sequence[str],
        name: str | None = None,
        *,
        data: Mapping[str, Any] | None = None,
        attachments: Mapping[str, str] | None = None,
        echo: bool = True,
        quiet: bool = False,
        pty: bool = False,
        timeout: float | None = None,
        kill_after: float = KILL_AFTER,
        grace: float = GRACE,
        stand_in: bool = False,
    ) -> None:
        if isinstance(command, str) or not command:
            raise EventError("a command is a list: the program and its arguments")
        if any("\0" in argument for argument in command):
            raise EventError("no argument of a command can hold a NUL character")
        for key in OWN_KEYS:
            if data and key in data:
                raise EventError(f"the data key `{key}` is written by the job itself; choose another one")
        if attachments and "log" in attachments:
            raise EventError("the attachment `log` is the command's output; choose another name")
        self.command = list(command)
        self.event = Event(name or os.path.basename(command[0]) or command[0])
        self._data = dict(data or {})
        self._attachments = dict(attachments or {})
        self._way = Way(echo, quiet, pty, timeout, kill_after, grace, stand_in)
        self._log = Log()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.remove()

    def run(self) -> Ending:
        """Run the command to its end, whatever that is."""
        event = self.event
        event.begin_time = time.time()
        event.command = redact_command(self.command)
        for key, value in {**_place(), **self._data}.items():
            setattr(event, key, value)
        started = time.monotonic()
        self.ending = ending = run_process(self.command, self._log, self._way)
        event.duration = round(time.monotonic() - started, 6)
        event.status = ending.status
        if ending.signal is None:
            event.exit_code = ending.exit_code
        else:
            event.signal = ending.signal_name
        if ending.error:
            event.error = redact(ending.error)
        if ending.usage:
            self._tell_usage(ending.usage)
        return ending

    def send(self, manager: EventManager, timeout: float | None = None) -> Report:
        """Attach the log and the other files, close the event and send it, as `record` does.

        :param timeout: seconds for which it is delivered from a spool; by default the manager's
            `flush_timeout`
        """
        if not self.event._closed:
            self._attach()
            self.event.close()
        self.report = manager._accept(self.event)
        self.report = manager._follow(self.event, self.report, timeout)
        return self.report

    def _tell_usage(self, usage: Usage) -> None:
        self.event.cpu_user, self.event.cpu_system = usage.user, usage.system
        if usage.peak_memory is not None:
            self.event.peak_memory = usage.peak_memory

    def _attach(self) -> None:
        log = self._log
        log.close()
        left_out = {}
        if log.path and not self.ending.error:
            self._attachments = {"log": log.path, **self._attachments}
            if log.error:
                self.event.log_incomplete = log.error
        elif log.error:
            left_out["log"] = log.error
        for name, path in self._attachments.items():
            try:
                self.event.attach_file(path, name)
            except EventError as error:
                left_out[name] = getattr(error.__cause__, "strerror", None) or "not a regular file"
        if left_out:
            self.event.attachments_left_out = left_out
        for name, reason in left_out.items():
            logger.warning("attachment %r is left out: %s", name, reason)


def run_command(
    command: Sequence[str],
    name: str | None = None,
    *,
    data: Mapping[str, Any] | None = None,
    attachments: Mapping[str, str] | None = None,
    manager: EventManager | None = None,
    echo: bool = True,
    grace: float = GRACE,
) -> Job:
    """Run a command, send one event about it, and return the job with `ending`, `event` and `report`.

    Neither a command that fails or can't be started nor a failed delivery raises. Parameters as for `Job`.

    :param manager: sends the event, as `record` does; by default the default manager
    """
    from e3_event import default_manager
    from e3_event._config import set_up

    sender = default_manager if manager is None else manager
    set_up(sender)
    with Job(command, name, data=data, attachments=attachments, echo=echo, grace=grace) as job:
        job.run()
        sender._tell_of_waiting(job.event, job.send(sender))
    return job


def _place() -> dict[str, str]:
    """Where a command runs, and as whom."""
    import pwd

    user = os.getuid()
    place = {"host": os.uname().nodename, "user": str(user)}
    try:
        place["user"] = pwd.getpwuid(user).pw_name
    except KeyError:  # a container may have users without names
        pass
    try:
        place["cwd"] = os.getcwd()
    except FileNotFoundError:  # deleted under us
        pass
    return place
