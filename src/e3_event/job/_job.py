"""A command as an event."""

from __future__ import annotations

import logging
import os
import time

from e3_event._attachment import attach_files
from e3_event._config._redaction import SCOPES
from e3_event._course import Course, tell_of_waiting
from e3_event._errors import EventError
from e3_event._event import Event
from e3_event._family import join

from ._context import context
from ._log import LIMIT, Log
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
    *("trace_id", "span_id", "parent_span_id"),
)


class Job:
    """Runs a command and makes an event of it; a context manager that removes the log at its end.

    The event has `command` (the list of arguments, secrets masked), `host`, `user`, `cwd`, `git_commit` and
    `git_branch` of the folder, what the CI system says as `ci`, `status` (`ok`; `failed`; `timeout`;
    `cancelled` if this process was told to end and the command did not succeed), `exit_code` or `signal` (by
    name), `duration` in seconds, `cpu_user` and `cpu_system` in seconds and `peak_memory` in bytes (see
    `Usage`), `error` if the command could not be started, and its output, both streams in the order in which
    they came, as the attachment `log`. Of a long output the beginning and the end are kept, and a line
    between them says how much was cut.

    Where it runs inside another command or recorded block, it has that one's uid as `parent_uid`; `trace_id`,
    `span_id` and `parent_span_id` say the same in a trace. The command learns of it by its environment, so
    that its events are part of this one.

    :param command: the program and its arguments
    :param name: name of the event; by default the program's, without its folder
    :param manager: sends the event; what it has to have by then (see `configure`) it needs when the command
        starts
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
    :param max_log: bytes of the output to keep, 64 MiB by default; 0: there is no `log`
    :param redact: in what secrets are masked: `captured` (the log, the command line, errors), `all` (also
        *data* and *attachments*) or `nothing`; by default what the configuration says
    :ivar event: the event
    :ivar ending: how the command ended, once it has
    :raises EventError: there is no command, *data* or *attachments* have a name that the job itself uses, or
        *max_log* is no size
    """

    ending: Ending
    _log: Log

    def __init__(
        self,
        command: Sequence[str],
        name: str | None = None,
        *,
        manager: EventManager,
        data: Mapping[str, Any] | None = None,
        attachments: Mapping[str, str] | None = None,
        echo: bool = True,
        quiet: bool = False,
        pty: bool = False,
        timeout: float | None = None,
        kill_after: float = KILL_AFTER,
        grace: float = GRACE,
        stand_in: bool = False,
        max_log: int | None = None,
        redact: str | None = None,
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
        limit = LIMIT if max_log is None else max_log
        if limit < 0:
            raise EventError(f"`max_log` is a number of bytes, or 0 for no log, not {limit}")
        if redact not in (None, *SCOPES):
            raise EventError(f"`redact` is one of {', '.join(SCOPES)}, not {redact!r}")
        self.command = list(command)
        self.event = Event(name or os.path.basename(command[0]) or command[0])
        self._data = dict(data or {})
        self._attachments = dict(attachments or {})
        self._way = Way(echo, quiet, pty, timeout, kill_after, grace, stand_in)
        self._max_log = limit
        self._course = Course(manager, self.event, redact)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_log") and not self._course.log:  # else it goes when its event is kept
            self._log.remove()

    def run(self) -> Ending:
        """Run the command to its end, whatever that is.

        If this process is killed meanwhile, the event comes all the same (see `Spool.begin`).
        """
        event = self.event
        event.begin_time = time.time()
        event.command = self._course.masking.command(self.command)
        for key, value in {**context(os.environ), **self._data}.items():
            setattr(event, key, value)
        family = join(event, os.environ).variables(os.environ)
        self._course.begin(self._attachments, self._max_log)
        path = self._course.log
        keep, redactor = self._max_log, self._course.masking.redactor
        self._log = log = Log(path, keep, redactor) if path else Log.temporary(keep, redactor)
        started = time.monotonic()
        self.ending = ending = run_process(self.command, log, self._way, env=family)
        event.duration = round(time.monotonic() - started, 6)
        event.status = ending.status
        if ending.signal is None:
            event.exit_code = ending.exit_code
        else:
            event.signal = ending.signal_name
        if ending.error:
            event.error = self._course.masking.text(ending.error)
        if ending.usage:
            self._tell_usage(ending.usage)
        return ending

    def send(self, timeout: float | None = None) -> Report:
        """Attach the log and the other files, close the event and send it, as `record` does.

        :param timeout: seconds for which it is delivered from a spool; by default the manager's
            `flush_timeout`
        """
        if not self.event._closed:
            self._attach()
            self.event.close()
        return self._course.send(timeout)

    @property
    def report(self) -> Report | None:
        """What became of the event; `None`: nobody took it yet."""
        return self._course.report

    def _tell_usage(self, usage: Usage) -> None:
        self.event.cpu_user, self.event.cpu_system = usage.user, usage.system
        if usage.peak_memory is not None:
            self.event.peak_memory = usage.peak_memory

    def _attach(self) -> None:
        log = self._log
        log.finish()
        left_out = {}
        self._course.masking.captured.add(log.path)
        if log.path and not self.ending.error:
            self._attachments = {"log": log.path, **self._attachments}
            if log.error:
                self.event.log_incomplete = log.error
        elif log.error:
            left_out["log"] = log.error
        attach_files(self.event, self._attachments, left_out)


def run_command(
    command: Sequence[str],
    name: str | None = None,
    *,
    data: Mapping[str, Any] | None = None,
    attachments: Mapping[str, str] | None = None,
    manager: EventManager | None = None,
    echo: bool = True,
    quiet: bool = False,
    pty: bool = False,
    timeout: float | None = None,
    kill_after: float = KILL_AFTER,
    grace: float = GRACE,
    max_log: int | None = None,
    redact: str | None = None,
) -> Job:
    """Run a command, send one event about it, and return the job with `ending`, `event` and `report`.

    Neither a command that fails or can't be started nor a failed delivery raises. Parameters as for `Job`.

    :param manager: sends the event, as `record` does; by default the default manager
    """
    from e3_event import default_manager
    from e3_event._config import set_up

    sender = default_manager if manager is None else manager
    set_up(sender)
    job = Job(
        command,
        name,
        manager=sender,
        data=data,
        attachments=attachments,
        echo=echo,
        quiet=quiet,
        pty=pty,
        timeout=timeout,
        kill_after=kill_after,
        grace=grace,
        max_log=max_log,
        redact=redact,
    )
    with job:
        job.run()
        tell_of_waiting(job.event, job.send())
    return job
