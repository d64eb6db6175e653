"""Commands run from Python: `run`, and what it returns."""

from __future__ import annotations

from typing import NamedTuple

from e3_event._config import set_up
from e3_event._course import tell_of_waiting

from ._job import Job
from ._way import GRACE, KILL_AFTER, RETRY_DELAY, Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from e3_event._event import Event
    from e3_event._manager import EventManager
    from e3_event._report import Report

    from ._process import Ending


class CompletedRun(NamedTuple):
    """A command that was run.

    :ivar args: the program and its arguments
    :ivar ending: how it ended
    :ivar event: the event about it; its `uid` names it everywhere
    :ivar report: what became of the event
    """

    args: list[str]
    ending: Ending
    event: Event
    report: Report

    @property
    def ok(self) -> bool:
        """Did the command succeed?"""
        return self.ending.status == "ok"

    @property
    def status(self) -> str:
        """The event's `status`: `ok`, `failed`, `timeout`, `cancelled` or `skipped`."""
        return self.ending.status

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the number of the signal that killed it, as in `subprocess`. `None`: it was
        skipped, or nobody knows.
        """
        return self.ending.exit_code if self.ending.signal is None else -self.ending.signal

    def check_returncode(self) -> None:
        """Raise if the command did not succeed.

        :raises subprocess.TimeoutExpired: its time was over
        :raises subprocess.CalledProcessError: it did not succeed otherwise
        """
        import subprocess

        if self.ending.timed_out:
            raise subprocess.TimeoutExpired(self.args, self.event.duration)
        if not self.ok:
            raise subprocess.CalledProcessError(1 if self.returncode is None else self.returncode, self.args)


def run(
    command: Sequence[str],
    name: str | None = None,
    *,
    manager: EventManager,
    data: Mapping[str, Any] | None = None,
    attachments: Mapping[str, str] | None = None,
    check: bool = False,
    echo: bool = True,
    quiet: bool = False,
    pty: bool = False,
    timeout: float | None = None,
    kill_after: float = KILL_AFTER,
    retries: int = 0,
    retry_delay: float = RETRY_DELAY,
    grace: float = GRACE,
    max_log: int | None = None,
    redact: str | None = None,
    lock: str | None = None,
    lock_wait: float = 0.0,
    start_event: bool = False,
) -> CompletedRun:
    """Run a command and send one event about it. Parameters that are not here are those of `Job` and `Way`.

    Neither a command that fails or can't be started nor a failed delivery raises.

    :param manager: sends the event, as `record` does
    :param check: whether a command that does not succeed raises, when its event was sent: see
        `CompletedRun.check_returncode`
    :return: how the command ended, its event, and what became of that
    :raises EventError: a parameter can't be what it is; nothing was run
    """
    way = Way(echo, quiet, pty, timeout, kill_after, retries, retry_delay, grace)
    set_up(manager)
    job = Job(
        command,
        name,
        manager=manager,
        data=data,
        attachments=attachments,
        way=way,
        max_log=max_log,
        redact=redact,
        lock=lock,
        lock_wait=lock_wait,
        start_event=start_event,
    )
    with job:
        ending = job.run()
        report = job.send()
        tell_of_waiting(job.event, report)
    done = CompletedRun(job.command, ending, job.event, report)
    if check:
        done.check_returncode()
    return done
