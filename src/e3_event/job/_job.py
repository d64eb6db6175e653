"""A command as an event."""

from __future__ import annotations

import os
import time

from e3_event._attachment import attach_files
from e3_event._config._redaction import SCOPES
from e3_event._course import Course
from e3_event._errors import EventError
from e3_event._event import Event
from e3_event._family import join
from e3_event._logger import logger
from e3_event._redact import describe

from ._context import context
from ._lock import LockedError, acquire, check_name
from ._log import LIMIT, Log
from ._process import Ending, run_process
from ._start import tell_start
from ._way import Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self

    from e3_event._manager import EventManager
    from e3_event._report import Report

    from ._child import Usage

#: Data keys that a job writes itself.
OWN_KEYS = (
    *("name", "begin_time", "end_time", "status", "duration", "exit_code", "signal", "error"),
    *("command", "host", "user", "cwd", "attachments_left_out", "log_incomplete"),
    *("cpu_user", "cpu_system", "peak_memory", "attempts", "problems"),
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
    :param way: how the command is run
    :param max_log: bytes of the output to keep, 64 MiB by default; 0: there is no `log`
    :param redact: in what secrets are masked: `captured` (the log, the command line, errors), `all` (also
        *data* and *attachments*) or `nothing`; by default what the configuration says
    :param lock: name of a lock that one process of this user at a time has. While another one has it, the
        command is not run, and the event says `skipped`; where there can be none, the command is run without
    :param lock_wait: seconds to wait for it
    :param start_event: whether an event with `status` `running`, which is part of this one, tells of the
        beginning. It is sent while the command runs
    :ivar problems: what went wrong, but for the command itself; the event has it
    :ivar event: the event
    :ivar ending: how the command ended, once it has
    :raises EventError: there is no command, *data* or *attachments* have a name that the job itself uses, or
        *max_log*, *redact* or *lock* can't be what they are
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
        way: Way | None = None,
        max_log: int | None = None,
        redact: str | None = None,
        lock: str | None = None,
        lock_wait: float = 0.0,
        start_event: bool = False,
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
        if lock is not None:
            check_name(lock)
        self.command = list(command)
        self.event = Event(name or os.path.basename(command[0]) or command[0])
        self._data = dict(data or {})
        self._attachments = dict(attachments or {})
        self.problems: list[str] = []
        self._way = way or Way()
        self._redact = redact
        self._lock = (lock, lock_wait)
        self._start_event = start_event
        self._max_log = limit
        self._manager = manager
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
        self._log = Log(path, keep, redactor) if path else Log.temporary(keep, redactor)
        self.ending = ending = self._run(family)
        event.status = ending.status
        if ending.skipped:
            pass
        elif ending.signal is None:
            event.exit_code = ending.exit_code
        else:
            event.signal = ending.signal_name
        if ending.error:
            event.error = self._course.masking.text(ending.error)
        if ending.usage:
            self._tell_usage(ending.usage)
        if self._way.retries:
            event.attempts = ending.attempts
        return ending

    def _run(self, family: Mapping[str, str]) -> Ending:
        """Run it while we have its lock."""
        name, wait = self._lock
        lock = None
        if name is not None:
            try:
                lock = acquire(name, wait)
            except LockedError as error:
                self.event.duration = 0.0
                return Ending(None, error=str(error), skipped=True)
            except (OSError, EventError) as error:
                self.problems.append(f"it runs without the lock {name}: {describe(error)}")
                logger.warning("%s", self.problems[-1])
        if self._start_event:
            tell_start(self._manager, self.event, self._redact)
        started = time.monotonic()
        ending = run_process(self.command, self._log, self._way, env=family)
        self.event.duration = round(time.monotonic() - started, 6)
        if lock is not None:
            os.close(lock)
        return ending

    def send(self, timeout: float | None = None, *, insist: bool = False) -> Report:
        """Attach the log and the other files, close the event and send it, as `record` does.

        :param timeout: seconds for which it is delivered from a spool; by default the manager's
            `flush_timeout`
        :param insist: whether that time is waited for others who deliver it, and sinks that are down
        """
        if not self.event._closed:
            self._attach()
            if problems := [*self._manager._setup.problems, *self.problems, *self._course.problems]:
                self.event.problems = problems
            self.event.close()
        return self._course.send(timeout, insist=insist)

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
