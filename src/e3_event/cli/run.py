"""`e3-event run`: a command as an event."""

from __future__ import annotations

import os
import signal
import sys

import click

from e3_event import EventManager
from e3_event._redact import describe

from . import _options
from ._limit import Limit, exit_within
from ._terminal import say, tell_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from e3_event.job import Ending, Job

#: What timeout(1) exits with.
_TIMED_OUT = 124
#: Seconds to wait for another process that keeps the spool locked; then the next one gets our event as well.
_PATIENCE = 2.0
#: Seconds that the configuration and what it names may take before the command starts without it.
_LOADING = 30.0
#: Seconds after which this process leaves threads alone that do not end.
_LEAVING = 10.0


@click.command(
    short_help="Run a command and send an event about it, with its output.",
    context_settings={"allow_interspersed_args": False},
    epilog="\b\nExamples:\n  e3-event run -- make -j4"
    "\n  e3-event run --name nightly --data branch=main --attach report=out.xml -- ./nightly.sh"
    "\n\nExit codes: those of COMMAND, whatever becomes of the event. Where a signal kills it, e3-event dies"
    " of the same one. 124: the time given with --timeout was over. 127 and 126: COMMAND was not found or"
    " can't be executed. 2: bad usage, nothing ran.",
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
    from e3_event.job import Ending, Job

    sys.stdout = sys.stderr  # what a handler prints is none of the command's output
    manager = EventManager()
    with Job(
        command,
        name,
        manager=manager,
        data=data,
        attachments=attachments,
        quiet=quiet,
        pty=pty,
        timeout=timeout,
        kill_after=kill_after,
        max_log=max_log,
        redact=redact,
        stand_in=True,
    ) as job:
        try:
            what = "the configured handlers can't be used"
            with _Never(what, but=KeyboardInterrupt), Limit(_LOADING, "not ready"):
                _load(manager)
            ending = job.run()
        except KeyboardInterrupt:  # before there was a command that could have it
            return _leave(Ending(None, signal.SIGINT))
        if ending.error:
            say(ending.error)
        what = f"the event {job.event.name} may not have been sent"
        with _Never(what), _limit_of_sending(manager, flush_timeout):
            _send(job, manager, flush_timeout)
    return _leave(ending)


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


def _send(job: Job, manager: EventManager, timeout: float | None) -> None:
    try:
        tell_of(job.send(timeout))
    except KeyboardInterrupt:
        if job.report is None or not job.report.kept:
            raise
        say(f"the event {job.event.name} is kept, and delivered later")
    manager._close_all(wait=False)


def _limit_of_sending(manager: EventManager, timeout: float | None) -> Limit:
    """Bounds a spool, and handlers that are called directly: they have only their own time-outs."""
    from e3_event._retry import DEADLINE

    deadline = max([DEADLINE, *(named.deadline for named in manager._setup.named.values())])
    if manager._setup.front:  # which bounds what is delivered from it
        deadline += timeout or 0.0
    else:
        deadline = timeout or deadline
    return Limit(deadline, "no answer", max(1, len(manager.handlers)))


class _Never:
    """Nothing inside keeps the command from running or changes its exit code: it is told in one line.

    :param what: what it means, for that line
    :param but: exceptions that go on; any other one can be of foreign code, which may even exit
    """

    def __init__(self, what: str, *, but: type[BaseException] | tuple[()] = ()) -> None:
        self.what = what
        self.but = but

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _tb: TracebackType | None
    ) -> bool:
        if error is None or isinstance(error, self.but):
            return False
        say(f"{self.what}: {describe(error)}")
        return True


def _leave(ending: Ending) -> int:
    """Die of the signal that killed the command, so that our caller sees what it would see without us."""
    if ending.timed_out or ending.signal is None:
        code = _TIMED_OUT if ending.timed_out else ending.exit_code or 0
        exit_within(_LEAVING, code)
        return code
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if ending.signal not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(ending.signal, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [ending.signal])
    os.kill(os.getpid(), ending.signal)
    return 128 + ending.signal  # process 1 of a container does not die of its own signals
