"""Where a trial takes place: a folder of its own, its processes, its randomness."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Self

from .events import make_files
from .promise import Books, broken_promises

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .child import Child

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@dataclass
class Outcome:
    """What a trial showed.

    :ivar runs: how many faults it caused
    :ivar losses: what was broken, in words
    """

    runs: int
    losses: list[str] = field(default_factory=list)


class HangError(Exception):
    """A process did not come to its end."""


class Bench:
    """The folder of one trial, and all that is to be ended with it.

    :param number: which trial of its row (from 0)
    :param seed: of all randomness, with the number
    :param broken: name of the broken variant of the spool; `None`: the real one
    :param kept: what trials of this row keep for later ones; JSON
    :param is_short: a trial of `make test`, of a few seconds at most
    """

    def __init__(
        self,
        row: int,
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
        for process in self._processes:
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
        **options: object,
    ) -> subprocess.Popen[str]:
        """Start a process that does *plan*, under another command if one is given."""
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
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def hear(self, process: subprocess.Popen[str], line: str) -> None:
        """Wait until the child says *line*."""
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        if said != line:
            raise RuntimeError(f"the child said {said!r} instead of {line!r}: {self.stderr()}")

    def finish(self, process: subprocess.Popen[str], seconds: float = 60, *, exits: int | None = 0) -> int:
        """Wait for a child to end.

        :param exits: the exit code that it has to have; `None`: any
        :raises HangError: it does not end in time; it is killed then
        """
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(process)
            raise HangError(f"a process hung for {seconds:.0f} s") from None
        if exits is not None and code != exits:
            raise RuntimeError(f"the child ended with {code}: {self.stderr()}")
        return code

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill a child with all that it started."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def stderr(self) -> str:
        with open(self.path("stderr"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def books(self) -> Books:
        """What was tried and acknowledged so far."""
        try:
            with open(self.journal, "rb") as file:
                return Books(file.read())
        except FileNotFoundError:
            return Books(b"")

    def losses(self, spool: str | None = None) -> list[str]:
        """What of the promise is broken now."""
        return broken_promises(spool or self.spool, self.books())
