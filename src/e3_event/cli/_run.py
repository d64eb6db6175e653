"""What `e3-event run` does."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import nullcontext

from e3_event import EventManager
from e3_event._redact import describe

from ._limit import Limit, exit_within
from ._terminal import say, tell_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Any, NoReturn

    from e3_event.job import Ending, Job

#: What timeout(1) exits with.
_TIMED_OUT = 124
#: What sysexits.h calls a temporary failure: another one runs.
_SKIPPED = 75
#: Seconds that the configuration and what it names may take before the command starts without it.
_LOADING = 30.0
#: Seconds after which this process leaves threads alone that do not end.
_LEAVING = 10.0


def run(
    command: tuple[str, ...],
    name: str | None = None,
    *,
    config: str | None = None,
    flush_timeout: float | None = None,
    require_delivery: bool = False,
    **options: Any,
) -> int:
    """Run a command and send its event.

    :param config: the configuration file, as for `find_config`
    :param options: what is not given is as usual: the fields of `Way` and the other arguments of `Job`
    :return: the exit code
    """
    from e3_event.job import Ending, Job, Way

    sys.stdout = sys.stderr  # what a handler prints is none of the command's output
    manager = EventManager()
    way = Way(stand_in=True, **{key: options.pop(key) for key in Way._fields if key in options})
    with Job(command, name, manager=manager, way=way, **options) as job:
        try:
            what = "the configured handlers can't be used"
            with _Never(what, job.problems, but=KeyboardInterrupt), Limit(_LOADING, "not ready"):
                _load(manager, config)
            gc.enable()
            if flush_timeout is not None:
                manager.flush_timeout = flush_timeout
            ending = job.run()
        except KeyboardInterrupt:  # before there was a command that could have it
            return _leave(Ending(None, signal.SIGINT))
        if ending.error and not (ending.skipped and way.quiet):
            say(ending.error)
        what = f"the event {job.event.name} may not have been sent"
        with _Never(what, job.problems), _limit_of_sending(manager, flush_timeout):
            _send(job, manager, insist=require_delivery)
    code = _leave(ending)
    code = code or (_undelivered(job) if require_delivery else 0)
    if not manager.handlers:
        _exit(code)
    exit_within(_LEAVING, code)
    return code


def _load(manager: EventManager, config: str | None) -> None:
    """Give *manager* the configured handlers and the spool, and load what sending needs: the command may
    replace our files.
    """
    from e3_event import _report  # noqa: F401
    from e3_event._config import PATIENCE, configure

    configure(manager, config, tell=lambda text, *values: say(text % values), patience=PATIENCE)
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


def _limit_of_sending(manager: EventManager, timeout: float | None) -> AbstractContextManager[None]:
    """Bounds handlers, and the spool in front of them: called directly they have only their own time-outs."""
    if not manager.handlers:
        return nullcontext()
    from e3_event._retry import DEADLINE

    deadline = max([DEADLINE, *(named.deadline for named in manager._setup.named.values())])
    if manager._setup.front:  # which bounds what is delivered from it
        deadline += timeout or 0.0
    else:
        deadline = timeout or deadline
    return Limit(deadline, "no answer", max(1, len(manager.handlers)))


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
    :param but: exceptions that go on; any other one can be of foreign code, which may even exit
    """

    def __init__(self, what: str, problems: list[str], *, but: type[BaseException] | tuple[()] = ()) -> None:
        self.what = what
        self.problems = problems
        self.but = but

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _tb: TracebackType | None
    ) -> bool:
        if error is None or isinstance(error, self.but):
            return False
        self.problems.append(f"{self.what}: {describe(error)}")
        say(self.problems[-1])
        return True


def _exit(code: int) -> NoReturn:
    """Exit as things are: to take the interpreter apart first would take as long as a run does. For where no
    code of others was loaded, which may still have something to do.
    """
    sys.stderr.flush()
    os._exit(code)


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
