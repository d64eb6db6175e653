"""A command as a process: its output passed on and logged, and how it ended."""

from __future__ import annotations

import errno
import os
import signal
import time
from contextlib import ExitStack
from typing import NamedTuple

from e3_event._logger import logger

from ._child import Child, Exit, Usage
from ._environment import inherited
from ._pipes import Pipes
from ._poll import READABLE, Poll
from ._run import Run
from ._signals import STOPPING, Signals
from ._target import Target
from ._tree import Tree, adopt
from ._way import Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._held import Held
    from ._log import Log
    from ._pty import Pty
    from ._run import Process
    from ._stream import Output


class Ending(NamedTuple):
    """How a command ended.

    :ivar exit_code: what it exited with, 127 or 126 if it could not be started; `None` if a signal killed it
    :ivar signal: the number of that signal
    :ivar error: why it could not be started, or why it is not known how it ended
    :ivar interrupted: whether this process was told to end meanwhile (Ctrl-C, SIGTERM)
    :ivar timed_out: whether the command was told to end as its time was over
    :ivar usage: what it has used, if it was started
    :ivar attempts: how often it was started; what is said here is of the last time, but for *usage*
    :ivar skipped: whether it was not to be started, as another process has its lock
    """

    exit_code: int | None
    signal: int | None = None
    error: str = ""
    interrupted: bool = False
    timed_out: bool = False
    usage: Usage | None = None
    attempts: int = 1
    skipped: bool = False

    @property
    def status(self) -> str:
        """The event's `status`: `ok`, `failed`, `timeout`, `cancelled` or `skipped`."""
        if self.timed_out or self.skipped:
            return "skipped" if self.skipped else "timeout"
        return "ok" if self.exit_code == 0 else "cancelled" if self.interrupted else "failed"

    @property
    def signal_name(self) -> str:
        """The signal as text, such as `SIGKILL`."""
        try:
            return signal.Signals(self.signal or 0).name
        except ValueError:  # a real-time signal
            return f"SIG{self.signal}"

    def __str__(self) -> str:
        if self.timed_out:
            return "its time was over"
        return self.error or (f"exit code {self.exit_code}" if self.signal is None else self.signal_name)


def run_process(
    command: Sequence[str], log: Log, way: Way | None = None, *, env: Mapping[str, str] | None = None
) -> Ending:
    """Run a command to its end, again if it does not succeed and *way* says so. Its input is ours; its output
    goes to ours, as it comes, and to *log*.

    When our reader goes away (`| head -1`), the command is told as it would be without us: by SIGPIPE.

    :param way: how it is run
    :param env: variables that it gets besides ours
    """
    way = way or Way()
    environment = {**inherited(exactly=way.stand_in), **(env or {})}
    with ExitStack() as closing:
        try:
            attempts = _Attempts(closing, log, way)
        except (OSError, ImportError) as error:
            closing.close()
            return _run_alone(command, environment, log, error)
        return attempts.run(command, environment)


class _Attempts:
    """What all attempts to run a command have in common: signals to us, and where its output goes.

    :param closing: closes what is made here
    :raises OSError: the descriptors that it takes are not to be had
    """

    def __init__(self, closing: ExitStack, log: Log, way: Way) -> None:
        self._log = log
        self._way = way
        self._signals = closing.enter_context(Signals(all_of_them=way.stand_in, reads_terminal=way.pty))
        self._held: Held | None = None
        self._outputs: Sequence[Output | None] = (None, None)
        if way.echo:
            self._outputs = targets = [Target(number) for number in (1, 2)]
            for target in targets:
                closing.callback(target.close)
            if way.quiet:
                from ._held import Held

                self._held = Held(*targets)
                closing.callback(self._held.close)
                self._outputs = self._held.outputs()

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> Ending:
        """Run the command until it succeeds, somebody wants an end, or there were enough attempts."""
        if self._way.stand_in and self._way.timeout is not None:
            adopt()
        ending = self._run_once(command, environment)
        used = ending.usage
        for attempt in range(1, self._way.retries + 1):
            if ending.status in ("ok", "cancelled") or not used:
                break
            self._tell(f"attempt {attempt} of {self._way.retries + 1} has failed: {ending}")
            if not self._pause():
                ending = ending._replace(interrupted=True)
                break
            ending = self._run_once(command, environment)._replace(attempts=attempt + 1)
            used = used.plus(ending.usage)
        if self._held and ending.status != "ok":
            before = self._signals.ending
            self._held.release(lambda: self._signals.ending > before)
        return ending._replace(usage=used)

    def _run_once(self, command: Sequence[str], environment: Mapping[str, str]) -> Ending:
        with ExitStack() as closing:
            try:
                poll = closing.enter_context(Poll())
                place = self._place(closing, poll)
            except (OSError, ImportError) as error:
                closing.close()
                return _run_alone(command, environment, self._log, error)
            early = self._signals.take()
            try:
                process = place.start(command, environment)
            except OSError as error:
                return _not_started(command[0], error)
            for number in early:  # it was not there yet when they came
                process.tell(number)
            run = Run(process, self._tree(process), place.streams, poll, self._signals, self._way)
            run.to_end()
            return _ending(process.exit, interrupted=run.is_interrupted, timed_out=run.timed_out)

    def _place(self, closing: ExitStack, poll: Poll) -> Pipes | Pty:
        pair = _terminal() if self._way.pty else None
        if pair:
            from ._pty import Pty

            return Pty(closing, poll, pair, self._outputs[0], self._log, self._way)
        return Pipes(closing, poll, self._outputs, self._log, self._way)

    def _tree(self, process: Process) -> Tree:
        """The processes of a command: all below us if we are there for nothing else."""

        def known() -> tuple[int, ...]:
            return (process.pid,) if process.exit is None else ()

        if not self._way.stand_in:
            return Tree(process.pid, lambda: process.helpers, known)
        return Tree(os.getpid(), lambda: (os.getpid(), self._signals.witness, *process.helpers), known)

    def _tell(self, text: str) -> None:
        """Say something between two attempts, and in the log."""
        self._log.write(f"\n[e3-event: {text}]\n".encode())
        if not self._way.quiet:
            logger.warning("%s", text)

    def _pause(self) -> bool:
        """Wait for the time of the next attempt; False: somebody wants an end."""
        until = time.monotonic() + self._way.retry_delay
        before = self._signals.ending
        with Poll() as poll:
            if self._signals.fd >= 0:
                poll.watch(self._signals.fd, READABLE, lambda _: None)
            while self._signals.ending == before and (left := until - time.monotonic()) > 0:
                poll.wait(left)
                for number in self._signals.take():
                    if number in STOPPING:
                        self._signals.stop(number, group=False)
        return self._signals.ending == before


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


def _run_alone(command: Sequence[str], environment: Mapping[str, str], log: Log, why: Exception) -> Ending:
    """Run it with our own streams, and only wait for it."""
    log.error = f"the output could not be read: {getattr(why, 'strerror', None) or why}"
    logger.warning("%s", log.error)
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
