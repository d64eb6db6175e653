"""What `e3-event run` does."""

from __future__ import annotations

import gc
import os
import signal
import sys

from e3_event import EventManager
from e3_event._redact import describe

from ._terminal import say, tell_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, NoReturn

    from e3_event.job import Ending, Job

#: What timeout(1) exits with.
_TIMED_OUT = 124
#: Seconds to wait for another process that keeps the spool locked; then the next one gets our event as well.
_PATIENCE = 2.0


def run(
    command: tuple[str, ...],
    name: str | None = None,
    *,
    config: str | None = None,
    flush_timeout: float | None = None,
    **options: Any,
) -> int:
    """Run a command and send its event.

    :param config: the configuration file, as for `find_config`
    :param options: further arguments of `Job`
    :return: the exit code
    """
    gc.disable()  # nothing of what is loaded now is garbage
    from e3_event.job import Ending, Job

    manager = EventManager()
    with Job(command, name, manager=manager, stand_in=True, **options) as job:
        try:
            with _Never("the configured handlers can't be used", Exception):
                _load(manager, config)
            gc.enable()
            ending = job.run()
        except KeyboardInterrupt:  # before there was a command that could have it
            return _leave(Ending(None, signal.SIGINT))
        if ending.error:
            say(ending.error)
        with _Never(f"the event {job.event.name} may not have been sent", Exception, KeyboardInterrupt):
            _send(job, manager, flush_timeout)
    code = _leave(ending)
    if not manager.handlers:
        _exit(code)
    return code


def _load(manager: EventManager, config: str | None) -> None:
    """Give *manager* the configured handlers and the spool, and load what sending needs: the command may
    replace our files.
    """
    from e3_event import _report  # noqa: F401
    from e3_event._config import configure

    configure(manager, config, tell=lambda text, *values: say(text % values))
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


class _Never:
    """Nothing inside keeps the command from running or changes its exit code: it is told in one line.

    :param what: what it means, for that line
    :param caught: which exceptions
    """

    def __init__(self, what: str, *caught: type[BaseException]) -> None:
        self.what = what
        self.caught = caught

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _tb: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, self.caught):
            return False
        say(f"{self.what}: {describe(error)}")
        return True


def _exit(code: int) -> NoReturn:
    """Exit as things are: to take the interpreter apart first would take as long as a run does. For where no
    code of others was loaded, which may still have something to do.
    """
    sys.stderr.flush()
    os._exit(code)


def _leave(ending: Ending) -> int:
    """Die of the signal that killed the command, so that our caller sees what it would see without us."""
    if ending.timed_out:
        return _TIMED_OUT
    if ending.signal is None:
        return ending.exit_code or 0
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if ending.signal not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(ending.signal, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [ending.signal])
    os.kill(os.getpid(), ending.signal)
    return 128 + ending.signal  # process 1 of a container does not die of its own signals
