"""A command as a process: its output passed on and logged, and how it ended."""

from __future__ import annotations

import errno
import logging
import os
import signal
from contextlib import ExitStack
from typing import NamedTuple

from ._child import Child, Exit, Usage
from ._environment import inherited
from ._held import Held
from ._pipes import Pipes
from ._poll import Poll
from ._run import Run
from ._signals import Signals
from ._target import Target
from ._tree import Tree, adopt
from ._way import Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._log import Log
    from ._pty import Pty
    from ._run import Process
    from ._stream import Output

logger = logging.getLogger("e3.event")


class Ending(NamedTuple):
    """How a command ended.

    :ivar exit_code: what it exited with, 127 or 126 if it could not be started; `None` if a signal killed it
    :ivar signal: the number of that signal
    :ivar error: why it could not be started, or why it is not known how it ended
    :ivar interrupted: whether this process was told to end meanwhile (Ctrl-C, SIGTERM)
    :ivar timed_out: whether the command was told to end as its time was over
    :ivar usage: what it has used, if it was started
    """

    exit_code: int | None
    signal: int | None = None
    error: str = ""
    interrupted: bool = False
    timed_out: bool = False
    usage: Usage | None = None

    @property
    def status(self) -> str:
        """The event's `status`: `ok`, `failed`, `timeout` or `cancelled`."""
        if self.timed_out:
            return "timeout"
        return "ok" if self.exit_code == 0 else "cancelled" if self.interrupted else "failed"

    @property
    def signal_name(self) -> str:
        """The signal as text, such as `SIGKILL`."""
        try:
            return signal.Signals(self.signal or 0).name
        except ValueError:  # a real-time signal
            return f"SIG{self.signal}"


def run_process(
    command: Sequence[str], log: Log, way: Way | None = None, *, env: Mapping[str, str] | None = None
) -> Ending:
    """Run a command to its end. Its input is ours; its output goes to ours, as it comes, and to *log*.

    When our reader goes away (`| head -1`), the command is told as it would be without us: by SIGPIPE.

    :param way: how it is run
    :param env: variables that it gets besides ours
    """
    way = way or Way()
    environment = {**inherited(exactly=way.stand_in), **(env or {})}
    with ExitStack() as closing:
        try:
            prepared = _Prepared(closing, log, way)
        except (OSError, ImportError) as error:
            closing.close()
            log.error = f"the output could not be read: {getattr(error, 'strerror', None) or error}"
            logger.warning("%s", log.error)
            return _run_alone(command, environment)
        return prepared.run(command, environment)


class _Prepared:
    """All that is needed to carry a command to its end, made before it is started.

    :param closing: closes what is made here
    :raises OSError: the descriptors that it takes are not to be had
    """

    def __init__(self, closing: ExitStack, log: Log, way: Way) -> None:
        self._way = way
        self._signals = closing.enter_context(Signals(all_of_them=way.stand_in, reads_terminal=way.pty))
        self._poll = closing.enter_context(Poll())
        self._held: Held | None = None
        self._place = self._prepare_place(closing, log)

    def _prepare_place(self, closing: ExitStack, log: Log) -> Pipes | Pty:
        pair = _terminal() if self._way.pty else None
        outputs = self._outputs(closing, (1,) if pair else (1, 2))
        if pair:
            from ._pty import Pty

            return Pty(closing, self._poll, pair, outputs[0], log, stand_in=self._way.stand_in)
        return Pipes(closing, self._poll, outputs, log, stand_in=self._way.stand_in)

    def _outputs(self, closing: ExitStack, numbers: tuple[int, ...]) -> Sequence[Output | None]:
        """What takes the output for our descriptors of these numbers."""
        if not self._way.echo:
            return [None] * len(numbers)
        targets = [Target(number) for number in numbers]
        for target in targets:
            closing.callback(target.close)
        if not self._way.quiet:
            return targets
        self._held = Held(*targets)
        closing.callback(self._held.close)
        return self._held.outputs()

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> Ending:
        """Run the command."""
        if self._way.stand_in and self._way.timeout is not None:
            adopt()
        early = self._signals.take()
        try:
            process = self._place.start(command, environment)
        except OSError as error:
            return _not_started(command[0], error)
        for number in early:  # it was not there yet when they came
            process.tell(number)
        run = Run(process, self._tree(process), self._place.streams, self._poll, self._signals, self._way)
        run.to_end()
        ending = _ending(process.exit, interrupted=run.is_interrupted, timed_out=run.timed_out)
        if self._held and ending.status != "ok":
            before = self._signals.ending
            self._held.release(lambda: self._signals.ending > before)
        return ending

    def _tree(self, process: Process) -> Tree:
        """The processes of a command: all below us if we are there for nothing else."""

        def known() -> tuple[int, ...]:
            return (process.pid,) if process.exit is None else ()

        if not self._way.stand_in:
            return Tree(process.pid, lambda: process.helpers, known)
        return Tree(os.getpid(), lambda: (os.getpid(), self._signals.witness, *process.helpers), known)


def _terminal() -> tuple[int, int] | None:
    """Make a pseudo-terminal; `None`: there are none."""
    try:
        return os.openpty()
    except OSError as error:
        logger.warning("the command gets pipes, there is no terminal for it: %s", error.strerror)
        return None


def _ending(exit_: Exit | None, *, interrupted: bool = False, timed_out: bool = False) -> Ending:
    code, number, usage = exit_ or Exit()
    error = (
        "" if code is not None or number else "how it ended is not known: another part of this program knows"
    )
    return Ending(code, number, error, interrupted, timed_out, usage)


def _run_alone(command: Sequence[str], environment: Mapping[str, str]) -> Ending:
    """Run it with our own streams, and only wait for it."""
    try:
        child = Child(command, environment)
    except OSError as error:
        return _not_started(command[0], error)
    child.wait()
    child.close()
    return _ending(child.exit)


def _not_started(program: str, error: OSError) -> Ending:
    """What a shell makes of it: 127 if there is no such program, else 126."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if "/" in program and os.path.exists(program):
            return Ending(126, error=f"{program}: the interpreter that its first line names is missing")
        return Ending(127, error=f"{program}: command not found")
    return Ending(126, error=f"{program}: {error.strerror}")
