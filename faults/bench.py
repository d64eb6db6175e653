"""Where a trial takes place: a folder of its own, its processes, its randomness."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Self

from .events import make_files
from .promise import Books, broken_promises
from .words import PATIENCE, STACKS, tell, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .child import Child
    from .row import Number

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@dataclass
class Outcome:
    """What a trial showed.

    :ivar runs: how many faults it caused
    :ivar losses: what was broken, in words
    :ivar first: the run of the first loss (from 1); 0: there was none
    """

    runs: int = 0
    losses: list[str] = field(default_factory=list)
    first: int = 0

    def add(self, losses: list[str]) -> None:
        """Count a run, and what it showed."""
        self.runs += 1
        self.losses += losses
        if losses and not self.first:
            self.first = self.runs

    @classmethod
    def of(cls, losses: list[str]) -> Self:
        """The outcome of a single run."""
        outcome = cls()
        outcome.add(losses)
        return outcome


class HangError(Exception):
    """A process did not come to its end."""


class DiedError(Exception):
    """A process came to another end than it should have."""


class Bench:
    """The folder of one trial, and all that is to be ended with it.

    :param row: which row it is of
    :param number: which trial of its row (from 0)
    :param seed: of all randomness, with the number
    :param broken: name of the broken variant of the spool; `None`: the real one
    :param kept: what trials of this row keep for later ones; JSON
    :param is_short: a trial of `make test`, of a few seconds at most
    """

    def __init__(
        self,
        row: Number,
        number: int,
        seed: int,
        broken: str | None,
        kept: dict[str, Any],
        *,
        is_short: bool = False,
    ) -> None:
        self.number, self.seed, self.broken, self.kept = number, seed, broken, kept
        self.is_short = is_short
        self.random = Random(f"{seed} {row} {number}")

    def __enter__(self) -> Self:
        cache = os.path.join(ROOT, ".cache")
        os.makedirs(cache, exist_ok=True)
        self.folder = tempfile.mkdtemp(prefix="fault-", dir=cache)
        self.spool = os.path.join(self.folder, "spool")
        self.journal = os.path.join(self.folder, "journal")
        self.files = os.path.join(self.folder, "files")
        make_files(self.files, self.random)
        self._processes: list[subprocess.Popen[str]] = []
        return self

    def __exit__(self, *_: object) -> None:
        for process in list(self._processes):
            self.kill(process)
        shutil.rmtree(self.folder)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def child(
        self,
        plan: Callable[[Child], None],
        *,
        under: Sequence[str] = (),
        spool: str | None = None,
        env: Mapping[str, str] | None = None,
        **options: object,
    ) -> subprocess.Popen[str]:
        """Start a process that does *plan*, under another command if one is given.

        :param env: what is added to its environment
        """
        spec = {
            "folder": spool or self.spool,
            "journal": self.journal,
            "files": self.files,
            "seed": self.random.random(),
            "broken": self.broken,
            "options": options,
        }
        name = f"{plan.__module__}:{plan.__name__}"
        with open(self.path("stderr"), "ab") as stderr:
            process = subprocess.Popen(
                [*under, sys.executable, "-m", "faults.child", name, json.dumps(spec)],
                cwd=ROOT,
                env={**os.environ, "PYTHONFAULTHANDLER": "1", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def hear(self, process: subprocess.Popen[str], line: str) -> None:
        """Wait until the child says *line*.

        :raises HangError: it says nothing
        :raises DiedError: it ends instead
        """
        assert process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while not select.select([process.stdout], [], [], 0.1)[0]:
            if process.poll() is not None:  # while one that it forked lives on, and could say something
                code = process.returncode
                raise DiedError(f"instead of saying {line!r} it ended with {code}: {self.stderr()}")
            if time.monotonic() > deadline:
                raise HangError(f"a process said nothing for {PATIENCE:.0f} s: {self._stacks(process)}")
        said = process.stdout.readline().strip()
        if said != line:
            code = self.finish(process, exits=None)
            raise DiedError(
                f"instead of saying {line!r} it said {said!r}, ended with {code}: {self.stderr()}"
            )

    def tell(self, word: str) -> None:
        """Tell the children that wait for it."""
        tell(self.journal, word)

    def wait_for(self, word: str, seconds: float = PATIENCE) -> None:
        """Wait until a child tells this.

        :raises HangError: none does
        """
        try:
            wait_for(self.journal, word, seconds)
        except TimeoutError as error:
            raise HangError(f"no process came to say {word}") from error

    def finish(
        self, process: subprocess.Popen[str], seconds: float = PATIENCE, *, exits: int | None = 0
    ) -> int:
        """Wait for a child to end.

        :param exits: the exit code that it has to have; `None`: any
        :raises HangError: it does not end in time; it is killed then
        :raises DiedError: it ends otherwise
        """
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            stacks = self._stacks(process)
            self.kill(process)
            raise HangError(f"a process hung for {seconds:.0f} s: {stacks}") from None
        if exits is not None and code != exits:
            raise DiedError(f"ended with {code}: {self.stderr()}")
        return code

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill a child with all that it started."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        if process in self._processes:  # else another one might be killed that got its number since
            self._processes.remove(process)
        if process.stdout is not None:
            process.stdout.close()

    def stderr(self) -> str:
        with open(self.path("stderr"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def _stacks(self, process: subprocess.Popen[str]) -> str:
        """What a child that hangs has said, and where it and all that it started are."""
        said = self.stderr()
        start = os.path.getsize(self.path("stderr"))
        os.killpg(process.pid, STACKS)
        time.sleep(1.0)
        with open(self.path("stderr"), encoding="utf-8", errors="replace") as file:
            file.seek(start)
            return f"{said}\n{file.read()}"

    def books(self) -> Books:
        """What was tried and acknowledged so far."""
        try:
            with open(self.journal, "rb") as file:
                return Books(file.read())
        except FileNotFoundError:
            return Books(b"")

    def losses(self, spool: str | None = None, *, may_leave_out: bool = False) -> list[str]:
        """What of the promise is broken now."""
        return broken_promises(spool or self.spool, self.books(), may_leave_out=may_leave_out)
