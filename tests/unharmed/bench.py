"""Jobs behind `e3-event run` where something of ours fails, and what has to be true of them all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.command import COMMAND, Events, spool_of
from faults import machine

#: Bytes that a job prints at most; the last line has no end.
LARGE = 1_000_000
#: Seconds after which a run counts as one that hangs.
HANGS = 60.0
#: In front of a command: root gets the rights of everybody.
POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if os.geteuid() == 0 else ()


@dataclass(frozen=True)
class Job:
    """A command, and how it ends.

    :ivar script: for `sh`, behind what every job does
    :ivar code: its exit code, or minus the signal that kills it
    :ivar prints: bytes of further output
    :ivar options: of `e3-event run`
    :ivar status: of its event
    """

    script: str
    code: int
    status: str
    prints: int = 0
    options: tuple[str, ...] = ()

    @property
    def out(self) -> bytes:
        """What it prints."""
        return b"out\n" + line_after_line(self.prints)


JOBS = {
    "succeeds": Job("exit 0", 0, "ok"),
    "fails": Job("exit 3", 3, "failed"),
    "dies": Job("kill -TERM $$", -signal.SIGTERM, "failed"),
    "prints": Job('exec /bin/cat "$LARGE"', 0, "ok", prints=LARGE),
    "lasts": Job("exec /bin/sleep 1000", 124, "timeout", options=("--timeout", "0.2s")),
}
#: Leaves its mark where nothing fails, and writes to both outputs.
_EVERY = 'echo ran >>"$MARK"; echo out; echo err >&2; '
#: A process of a run has this variable, by which it is found if it is left behind.
_SIGN = "E3_EVENT_TEST_RUN"


def line_after_line(size: int) -> bytes:
    """So many bytes of numbered lines, the last one without an end."""
    return b"".join(b"line %d\n" % number for number in range(size // 7))[:size]


class Bench:
    """A job's surroundings, all of them in a private folder, in which a test breaks something.

    :ivar home: the folder of the user
    :ivar tmp: where temporary files lie
    :ivar events: what the configured handler `file` has got
    :ivar env: the environment
    :ivar before: a command in front of ours, that changes how it is started
    :ivar arguments: of `e3-event`, before `run`
    :ivar options: of `e3-event run`
    :ivar popen: of `subprocess.Popen`
    :ivar closing: ends what a test has begun
    :ivar is_sent: whether the event has to come to the handler
    :ivar others_say: a part of lines on stderr that are not ours, and may be there
    :ivar ours: the command that is tested
    """

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.folder = folder
        self.closing = closing
        self.home, self.tmp = folder / "home", folder / "tmp"
        self.home.mkdir()
        self.tmp.mkdir()
        self._mark, large = folder / "mark", folder / "large"
        self._mark.touch()
        large.write_bytes(line_after_line(LARGE))
        self.events = Events(folder / "events")
        self.env = {
            **{key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ},
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "LARGE": str(large),
            "MARK": str(self._mark),
            _SIGN: str(folder),
            "E3_EVENT_HANDLERS": f"file={self.events.folder}",
        }
        self.before: Sequence[str] = ()
        self.arguments: list[str] = []
        self.options: list[str] = []
        self.popen: dict[str, Any] = {}
        self.is_sent = True
        self.others_say = b""
        self.ours: Sequence[str] = COMMAND

    @property
    def spool(self) -> Path:
        """The user's spool."""
        return spool_of(self.home)

    def configure(self, text: str) -> Path:
        """Write a configuration file that is used, in place of the handlers of the environment."""
        path = self.folder / "config.toml"
        path.write_text(text)
        self.use(path)
        return path

    def use(self, path: Path | str) -> None:
        """Have this configuration file used, in place of the handlers of the environment."""
        self.arguments = ["--config", str(path)]
        self.env.pop("E3_EVENT_HANDLERS", None)

    def prepare(self, code: str) -> None:
        """Have this Python run in our process before anything else."""
        start = "import sys; sys.argv[0] = 'e3-event'; from e3_event.cli import main; main()"
        self.ours = [sys.executable, "-c", f"{code}\n{start}"]

    def fall_back(self) -> Path:
        """Have a folder in place of /var/tmp, which is private; return the place of a spool in it."""
        folder = self.folder / "fallback"
        folder.mkdir()
        self.prepare(f"import e3_event._config._place as place; place.FALLBACK = {str(folder)!r}")
        return folder / f"e3-event-{os.geteuid()}"

    def mount(self, place: Path, *options: str, kind: str = "tmpfs") -> None:
        """Have a file system there, until the end."""
        if lacks := machine.MOUNT.lacks():
            pytest.skip(lacks)
        self.closing.enter_context(machine.mounted(kind, str(place), "-t", kind, "-o", ",".join(options)))

    def in_its_own_mounts(self, script: str) -> None:
        """Have a shell change what is mounted, for our command alone."""
        if lacks := machine.MOUNT.lacks():
            pytest.skip(lacks)
        self.before = ("unshare", "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh")

    def check(self, name: str, told: Iterable[str] | None) -> None:
        """Run a job, and check that nobody has harmed it.

        :param told: a part of each line that we have to say; `None`: any lines
        """
        job = JOBS[name]
        command = [*self.before, *self.ours, *self.arguments, "run", "--name", "job", *job.options]
        command += [*self.options, "--", "/bin/sh", "-c", _EVERY + job.script]
        try:
            done = _run(command, self.env, self.popen)
            self._check_end(job, done, None if told is None else list(told))
        finally:
            for pid in _left_behind(str(self.folder)):
                os.kill(pid, signal.SIGKILL)

    def _check_end(self, job: Job, done: subprocess.CompletedProcess[bytes], told: list[str] | None) -> None:
        assert self._mark.read_text() == "ran\n", done
        assert done.returncode == job.code, done
        if done.stdout is not None:
            assert done.stdout == job.out
        if done.stderr is not None:
            lines = done.stderr.splitlines(keepends=True)
            says = self.others_say
            self._check_told([line for line in lines if not says or says not in line], told)
        assert list(self.tmp.iterdir()) == []
        assert _left_behind(str(self.folder)) == []
        if self.is_sent:
            event = self.events.only()
            assert (event["name"], event["status"]) == ("job", job.status)

    @staticmethod
    def _check_told(lines: list[bytes], told: list[str] | None) -> None:
        assert lines.count(b"err\n") == 1, lines
        lines.remove(b"err\n")
        assert [line for line in lines if not line.startswith(b"e3-event: ") or line[-1:] != b"\n"] == []
        if told is None:
            return
        assert len(lines) == len(told), lines
        for part in told:
            found = [line for line in lines if part in line.decode()]
            assert found, (part, lines)
            lines.remove(found[0])


def _run(
    command: Sequence[str], env: Mapping[str, str], options: Mapping[str, Any]
) -> subprocess.CompletedProcess[bytes]:
    streams: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    return subprocess.run(command, env=env, timeout=HANGS, check=False, **{**streams, **options})


def _left_behind(sign: str) -> list[int]:
    """The numbers of the processes that a run has left behind."""
    found = []
    for number in filter(str.isdecimal, os.listdir("/proc")):
        try:
            environment = Path("/proc", number, "environ").read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if f"{_SIGN}={sign}".encode() in environment.split(b"\0"):
            found.append(int(number))
    return found


#: Breaks something on a bench; returns what is told of it, as for `Bench.check`.
Failure = Callable[[Bench], Iterable[str]]


class Failures:
    """The failures of one kind, each with a part of the jobs, so that every job meets every kind."""

    def __init__(self) -> None:
        self.all: list[Failure] = []

    def __call__(self, failure: Failure) -> Failure:
        self.all.append(failure)
        return failure

    def by_jobs(self) -> pytest.MarkDecorator:
        """Parametrize a test with `failure` and `job`."""
        names = list(JOBS)
        pairs = [
            pytest.param(
                failure,
                names[(number + step) % len(names)],
                id=f"{failure.__name__}-{names[(number + step) % len(names)]}",
            )
            for number, failure in enumerate(self.all)
            for step in (0, 2)
        ]
        return pytest.mark.parametrize(("failure", "job"), pairs)
