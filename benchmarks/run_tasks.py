"""The work of ours with `e3-event run`, as people run it: a process of its own, with the user's own spool.

The function with a row's name prepares it, as in `tasks`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from .batches import Made
from .logs import ORDINARY, log_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .tasks import Work
    from .worker import Setting

_RUN = (sys.executable, "-m", "e3_event", "run")
#: Bytes of the log that a command prints again and again.
_LOG = 1 << 22
_FEW = 1 << 23  # bytes of output
#: Seconds after which a run that delivers has to go on.
FLUSH_TIMEOUT = 1.0
#: A bare interpreter starts a command, and says how much memory that had at its peak. It has to be small, as
#: the peak of a process begins with what its parent had.
_PEAK = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(pid, 0)
print(used.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""
_MAIL = """
[handlers.sink]
type = "smtp"
subject = "nightly"
from_addr = "ci@example.net"
to_addr = "dev@example.net"
smtp_servers = "smtp://127.0.0.1:{port}?starttls=never"
"""


class Home:
    """A user, who has a spool and the configuration that is given, if one is, and nothing else.

    :ivar env: the environment of this user's commands
    """

    def __init__(self, setting: Setting, config: str = "") -> None:
        self._state = os.path.join(setting.folder, "state")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("E3_EVENT_")}
        self.env |= {"HOME": setting.folder, "XDG_STATE_HOME": self._state, "XDG_CONFIG_HOME": setting.folder}
        if config:
            os.makedirs(os.path.join(setting.folder, "e3-event"))
            with open(os.path.join(setting.folder, "e3-event", "config.toml"), "w") as file:
                file.write(config)
        self.renew()

    def renew(self) -> None:
        """Let the spool be a new one."""
        shutil.rmtree(self._state, ignore_errors=True)
        env = self.env | {"E3_EVENT_CONFIG": os.devnull}
        subprocess.run([*_RUN, "--", "true"], env=env, check=True)


def run_start(setting: Setting) -> Work:
    home = Home(setting)
    return lambda: subprocess.run([*_RUN, "--", "true"], env=home.env, check=True)


def run_output(setting: Setting) -> Made:
    return _passed_on(setting, "--redact", "nothing")


def run_redacted(setting: Setting) -> Made:
    return _passed_on(setting)


def run_pty(setting: Setting) -> Made:
    return _passed_on(setting, "--redact", "nothing", "--pty")


def _passed_on(setting: Setting, *options: str) -> Made:
    home = Home(setting)
    command = [*_RUN, *options, "--", *printing(setting.folder, setting.size)]
    return Made(lambda count: [command] * count, lambda command: to_reader(command, home.env), home.renew)


def printing(folder: str, size: int) -> list[str]:
    """A command that prints so many bytes of ordinary logs, faster than anybody could take them."""
    path = os.path.join(folder, "ordinary.log")
    if not os.path.exists(path):
        log = b"".join(log_of(kind, _LOG // len(ORDINARY) + 1) for kind in ORDINARY)
        with open(path, "wb") as file:
            file.write(log[:_LOG])
    return ["cat", *[path] * (size // _LOG)]


def to_reader(command: Sequence[str], env: dict[str, str] | None = None) -> bytes:
    """Run a command whose output somebody reads who is fast; return what is on its stderr."""
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdout=pipe, stderr=pipe, env=env) as process,
        subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL) as reader,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        reader.wait()
    if process.returncode:
        raise RuntimeError(said.decode().strip() or f"exit code {process.returncode}")
    return said


class _Peak:
    """The peak memory of a run with so many bytes of output, in MB."""

    def __init__(self, setting: Setting, size: int) -> None:
        self._home = Home(setting)
        bare = [sys.executable, "-I", "-S", "-c", _PEAK]
        self._command = [*bare, *_RUN, "--", *printing(setting.folder, size)]

    def batch(self, count: int) -> float:
        return sum(self._once() for _ in range(count))

    def _once(self) -> float:
        self._home.renew()
        return int(to_reader(self._command, self._home.env)) * 1024 / 1e6


def run_memory(setting: Setting) -> _Peak:
    return _Peak(setting, setting.size)


def run_memory_few(setting: Setting) -> _Peak:
    return _Peak(setting, _FEW)


class _Exit:
    """The seconds from the end of a command to that of the run.

    :param config: the user's configuration
    :param renews: whether each run has a new spool, which knows nothing of what is down
    """

    def __init__(self, setting: Setting, config: str = "", *, renews: bool = False) -> None:
        self._home = Home(setting, config)
        self._renews = renews
        self._command = [*_RUN, "--flush-timeout", f"{FLUSH_TIMEOUT:g}s", "--", "date", "+%s.%N"]

    def batch(self, count: int) -> float:
        return sum(self._once() for _ in range(count))

    def _once(self) -> float:
        if self._renews:
            self._home.renew()
        done = subprocess.run(self._command, env=self._home.env, capture_output=True, check=True)
        return time.time() - float(done.stdout)


def run_exit(setting: Setting) -> _Exit:
    return _Exit(setting)


def run_down(setting: Setting) -> _Exit:
    """Nobody listens; the batches are for the runs that know it from the one before them."""
    return _Exit(setting, _MAIL.format(port=_bound().getsockname()[1]))


def run_hung(setting: Setting) -> _Exit:
    """Somebody listens, and never says a word."""
    server = _bound()
    server.listen(1024)
    return _Exit(setting, _MAIL.format(port=server.getsockname()[1]), renews=True)


def _bound() -> socket.socket:
    """A socket with a port that nobody else gets; it stays open."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    _kept.append(server)
    return server


_kept: list[socket.socket] = []
