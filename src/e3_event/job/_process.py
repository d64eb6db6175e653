"""A command as a process: its output passed on and logged, and how it ended."""

from __future__ import annotations

import errno
import logging
import os
import selectors
import signal
import subprocess
import threading
import time
from typing import NamedTuple

from ._signals import Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import FileIO

    from ._log import Log

logger = logging.getLogger("e3.event")

#: Seconds to wait for what is printed by processes that a command has left behind.
GRACE = 2.0
_CHUNK = 1 << 16  # as much as a pipe holds
_MOST = 1 << 20  # as much as a pipe can be made to hold


class Ending(NamedTuple):
    """How a command ended.

    :ivar exit_code: what it exited with, 127 or 126 if it could not be started; `None` if a signal killed it
    :ivar signal: the number of that signal
    :ivar error: why it could not be started
    :ivar interrupted: whether this process was told to end meanwhile (Ctrl-C, SIGTERM)
    """

    exit_code: int | None
    signal: int | None = None
    error: str = ""
    interrupted: bool = False

    @property
    def status(self) -> str:
        """The event's `status`: `ok`, `failed` or `cancelled`."""
        return "ok" if self.exit_code == 0 else "cancelled" if self.interrupted else "failed"

    @property
    def signal_name(self) -> str:
        """The signal as text, such as `SIGKILL`."""
        try:
            return signal.Signals(self.signal or 0).name
        except ValueError:  # a real-time signal
            return f"SIG{self.signal}"


def run_process(
    command: Sequence[str],
    log: Log,
    *,
    echo: bool = True,
    grace: float = GRACE,
    env: Mapping[str, str] | None = None,
) -> Ending:
    """Run a command to its end. Its input is ours; its output goes to ours, as it comes, and to *log*.

    When our reader goes away (`| head -1`), the command is told as it would be without us: by SIGPIPE.

    :param echo: whether its output goes to ours
    :param grace: seconds to wait, once the command has ended, for processes that keep its output open
    :param env: variables that it gets besides ours
    """
    with Signals() as signals:
        try:
            process = subprocess.Popen(  # noqa: S603  running what we are told to is the purpose
                command,
                bufsize=0,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **env} if env else None,
                close_fds=False,  # what the caller lets it inherit (make's job server) it inherits
            )
        except OSError as error:
            return _not_started(command[0], error)
        with process:
            signals.go_to(process)
            _carry(process, log, echo, grace)
    code = process.returncode
    interrupted = bool(signals.received)
    if code < 0:
        return Ending(None, -code, interrupted=interrupted)
    return Ending(code, interrupted=interrupted)


def _not_started(program: str, error: OSError) -> Ending:
    """What a shell makes of it: 127 if there is no such program, else 126."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if "/" in program and os.path.exists(program):
            return Ending(126, error=f"{program}: the interpreter that its first line names is missing")
        return Ending(127, error=f"{program}: command not found")
    return Ending(126, error=f"{program}: {error.strerror}")


class _Stream:
    """One output of the command, the descriptor it is passed on to, and the log."""

    def __init__(self, source: FileIO, target: int | None, log: Log) -> None:
        self.source = source
        self.target = target
        self.log = log

    def move(self, size: int = _CHUNK) -> bool:
        """Move what is there; False when it is over: all was read, or the reader is gone."""
        data = os.read(self.source.fileno(), size)
        wanted = bool(data) and self._pass_on(data)
        self.log.write(data)
        return wanted

    def _pass_on(self, data: bytes) -> bool:
        if self.target is None:
            return True
        try:
            _write(self.target, data)
        except BrokenPipeError:
            return False
        except OSError as error:
            logger.warning("the output is only logged from here on, it can't be written: %s", error.strerror)
            self.target = None
        return True


def _carry(process: subprocess.Popen[bytes], log: Log, echo: bool, grace: float) -> None:
    """Move the output until the command has ended and its output with it, or *grace* seconds later."""
    with selectors.DefaultSelector() as selector:
        for source, target in ((process.stdout, 1), (process.stderr, 2)):
            stream = _Stream(source, target if echo else None, log)  # type: ignore[arg-type]  # bufsize=0
            selector.register(stream.source, selectors.EVENT_READ, stream)
        ended = _watch(process)
        selector.register(ended, selectors.EVENT_READ)
        deadline: float | None = None
        while selector.get_map():
            ready = selector.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
            for key, _ in ready:
                if key.fileobj is ended:
                    selector.unregister(ended)
                    deadline = time.monotonic() + grace
                elif not key.data.move():
                    selector.unregister(key.fileobj)
                    key.data.source.close()
            if deadline is not None and time.monotonic() >= deadline:
                break
        ended.close()
        if selector.get_map():
            logger.warning("not waiting for processes that the command left behind with its output open")
        for key, _ in selector.select(0):  # what the command itself may have left in a pipe
            key.data.move(_MOST)


def _watch(process: subprocess.Popen[bytes]) -> FileIO:
    """Return a pipe that becomes readable when the process has ended."""
    reading, writing = os.pipe()

    def wait() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the main thread
        process.wait()
        os.close(writing)

    threading.Thread(target=wait, name="e3-event wait", daemon=True).start()
    return open(reading, "rb", buffering=0)


def _write(fd: int, data: bytes) -> None:
    """Write all of *data*, also to a descriptor that another process has made non-blocking."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            with selectors.PollSelector() as selector:
                selector.register(fd, selectors.EVENT_WRITE)
                selector.select()
