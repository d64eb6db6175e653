"""One row: its sides in processes of their own, taking turns batch by batch."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .rows import Row

#: Batches of each side at least, and at most.
FEWEST, MOST = 3, 200
#: Where `python -m benchmarks` finds this package.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class SideError(Exception):
    """The work of a side failed."""


@dataclass
class Result:
    """What a row gave.

    :ivar costs: side -> cost of one operation, batch by batch; those of one number ran in turn
    :ivar missing: why the other side is not there
    :ivar error: why the row could not run
    """

    row: Row
    costs: dict[str, list[float]] = field(default_factory=dict)
    missing: str = ""
    error: str = ""

    def p50(self, side: str) -> float | None:
        return statistics.median(self.costs[side]) if self.costs.get(side) else None

    @property
    def ratios(self) -> list[float]:
        """Ours to the other side, pair by pair."""
        ours, other = self.costs.get("ours", []), self.costs.get(self.row.other, [])
        if self.row.goal is None:
            return [a / b for a, b in zip(ours, other, strict=False)]
        return [self.row.goal.ratio(a, b) for a, b in zip(ours, other, strict=False)]

    @property
    def ratio(self) -> float | None:
        """The median of the ratios."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def verdict(self) -> str:
        if self.error:
            return "FAILED"
        if self.ratio is None:
            return "n/a"
        if self.row.goal is None:
            return "-"
        return "met" if self.row.goal.is_met(self.ratio) else "MISSED"


class Side:
    """A worker process, which does the work of one side."""

    def __init__(
        self, name: str, row: Row, python: str, setting: Mapping[str, object], env: dict[str, str]
    ) -> None:
        self.name = name
        folder = str(setting["folder"])
        os.makedirs(folder, exist_ok=True)
        command = [python, "-m", "benchmarks.worker", row.works[name], json.dumps(setting)]
        self._errors = open(os.path.join(folder, "errors"), "w+")  # noqa: SIM115  closed by close()
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def batch(self, count: int) -> float:
        """Do so many operations; return the cost of one.

        :raises SideError: says what the worker said last
        """
        answer = ""
        with contextlib.suppress(BrokenPipeError):
            _pipe(self._process.stdin).write(f"{count}\n")
            _pipe(self._process.stdin).flush()
            answer = _pipe(self._process.stdout).readline()
        if not answer:
            self._process.wait(10)
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines() or ["nothing"]
            raise SideError(f"{self.name}: {said[-1]}")
        return float(json.loads(answer)) / count

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()
        self._errors.close()


def measure(result: Result, sides: list[Side]) -> None:
    """Let *sides* take turns, in an order that rotates, and write what it cost into *result*.

    Each side has at least `FEWEST` batches, also if that takes longer than the row's time.
    """
    for side in sides:
        side.batch(1)  # imports and first connections
    result.costs = {side.name: [] for side in sides}
    ends = time.monotonic() + result.row.seconds
    done = 0
    while done < FEWEST or (done < MOST and time.monotonic() < ends):
        for turn in range(len(sides)):
            side = sides[(turn + done) % len(sides)]
            result.costs[side.name].append(side.batch(result.row.batch(side.name)))
        done += 1


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
