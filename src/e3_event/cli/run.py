"""`e3-event run`: a command as an event."""

from __future__ import annotations

import os
import signal

import click

from e3_event import EventManager
from e3_event._redact import describe

from . import _options
from ._terminal import say, tell_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from e3_event.job import Ending, Job

#: What timeout(1) exits with.
_TIMED_OUT = 124
#: What sysexits.h calls a temporary failure: another one runs.
_SKIPPED = 75
#: Seconds to wait for another process that keeps the spool locked; then the next one gets our event as well.
_PATIENCE = 2.0


@click.command(
    short_help="Run a command and send an event about it, with its output.",
    context_settings={"allow_interspersed_args": False},
    epilog="\b\nExamples:\n  e3-event run -- make -j4"
    "\n  e3-event run --name nightly --data branch=main --attach report=out.xml -- ./nightly.sh"
    "\n\nExit codes: those of COMMAND, whatever becomes of the event. Where a signal kills it, e3-event dies"
    " of the same one. 124: the time given with --timeout was over. 75: it did not run, as another process"
    " has the lock given with --lock. 127 and 126: COMMAND was not found or can't be executed. 1: also what"
    " --require-delivery says. 2: bad usage, nothing ran.",
)
@click.option("--name", "-n", help="Name of the event.  [default: the name of the program]")
@_options.data
@_options.attach
@click.option(
    "--quiet", "-q", is_flag=True, help="Show its output at the end, and only if it did not succeed."
)
@click.option("--pty", is_flag=True, help="Give COMMAND a terminal of its own, so that it writes as to one.")
@click.option(
    "--timeout",
    metavar="DURATION",
    callback=_options.duration,
    help="End COMMAND after so long, such as 10m, and all processes that it has started: by SIGTERM.",
)
@click.option(
    "--kill-after",
    metavar="DURATION",
    default="10s",
    show_default=True,
    callback=_options.duration,
    help="Kill those that are left so long after that.",
)
@click.option(
    "--retries",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    default=0,
    help="Run COMMAND again if it does not succeed, so many times at most.",
)
@click.option(
    "--retry-delay",
    metavar="DURATION",
    default="1s",
    show_default=True,
    callback=_options.duration_or_none,
    help="Wait so long before that.",
)
@click.option(
    "--lock", metavar="NAME", help="Don't run COMMAND while another process has the lock of this name."
)
@click.option(
    "--lock-wait",
    metavar="DURATION",
    default="0",
    callback=_options.duration_or_none,
    help="Wait for the lock so long.  [default: 0]",
)
@click.option("--start-event", is_flag=True, help="Also send an event when COMMAND begins.")
@click.option(
    "--require-delivery",
    is_flag=True,
    help="Exit with 1 if COMMAND succeeds and a handler does not get the event in time.",
)
@_options.max_log
@_options.redact
@_options.flush_timeout
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, shell_complete=_options.files)
def run(
    name: str | None,
    data: dict[str, Any],
    attachments: dict[str, str],
    quiet: bool,
    pty: bool,
    timeout: float | None,
    kill_after: float,
    retries: int,
    retry_delay: float,
    lock: str | None,
    lock_wait: float,
    start_event: bool,
    require_delivery: bool,
    max_log: int | None,
    redact: str | None,
    flush_timeout: float | None,
    command: tuple[str, ...],
) -> int:
    """Run COMMAND and send one event about it: how it ended, how long it took, and its output as the
    attachment `log`.

    Its output passes through as it comes. Files given with --attach are looked for when COMMAND has ended, so
    that it can make them.
    """
    from e3_event.job import Ending, Job, Way

    manager = EventManager()
    with Job(
        command,
        name,
        manager=manager,
        data=data,
        attachments=attachments,
        way=Way(True, quiet, pty, timeout, kill_after, retries, retry_delay, stand_in=True),
        max_log=max_log,
        redact=redact,
        lock=lock,
        lock_wait=lock_wait,
        start_event=start_event,
    ) as job:
        try:
            with _Never("the configured handlers can't be used", job.problems, Exception):
                _load(manager)
            if flush_timeout is not None:
                manager.flush_timeout = flush_timeout
            ending = job.run()
        except KeyboardInterrupt:  # before there was a command that could have it
            return _leave(Ending(None, signal.SIGINT))
        if ending.error and not (ending.skipped and quiet):
            say(ending.error)
        sent = f"the event {job.event.name} may not have been sent"
        with _Never(sent, job.problems, Exception, KeyboardInterrupt):
            _send(job, manager, insist=require_delivery)
    code = _leave(ending)
    return code or (_undelivered(job) if require_delivery else 0)


def _load(manager: EventManager) -> None:
    """Give *manager* the configured handlers and the spool, and load what sending needs: the command may
    replace our files.
    """
    from e3_event._config import configure

    configure(manager, _options.config_file(), tell=lambda text, *values: say(text % values))
    if manager._setup.front:
        setattr(manager._setup.front[1], "patience", _PATIENCE)  # noqa: B010  not every one has it
    if manager._setup.front and manager.handlers:
        from e3_event import _flush  # noqa: F401


def _send(job: Job, manager: EventManager, *, insist: bool) -> None:
    try:
        tell_of(job.send(insist=insist))
    except KeyboardInterrupt:
        if job.report is None or not job.report.kept:
            raise
        say(f"the event {job.event.name} is kept, and delivered later")
    manager._close_all(wait=False)


def _undelivered(job: Job) -> int:
    """Tell of those that did not get the event; return 1 if there are any, or nobody is to get it."""
    behind = [one for one in job.report.outcomes if not one.in_front] if job.report else []
    missing = [one.handler for one in behind if not one.delivered]
    if behind and not missing:
        return 0
    to = f"to {', '.join(missing)}" if missing else "to anybody: no handler is configured"
    say(f"the event {job.event.name} was not delivered {to}, which --require-delivery wants")
    return 1


class _Never:
    """Nothing inside keeps the command from running or changes its exit code: it is told in one line.

    :param what: what it means, for that line
    :param problems: that line is added here
    :param caught: which exceptions
    """

    def __init__(self, what: str, problems: list[str], *caught: type[BaseException]) -> None:
        self.what = what
        self.problems = problems
        self.caught = caught

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _tb: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, self.caught):
            return False
        self.problems.append(f"{self.what}: {describe(error)}")
        say(self.problems[-1])
        return True


def _leave(ending: Ending) -> int:
    """Die of the signal that killed the command, so that our caller sees what it would see without us."""
    if ending.timed_out or ending.skipped:
        return _SKIPPED if ending.skipped else _TIMED_OUT
    if ending.signal is None:
        return ending.exit_code or 0
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if ending.signal not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(ending.signal, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [ending.signal])
    os.kill(os.getpid(), ending.signal)
    return 128 + ending.signal  # process 1 of a container does not die of its own signals
