"""Runs a row: first its controls, then the real spool until the figure is reached or the time is up."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from .bench import Bench, DiedError, HangError, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from .row import Number, Row

#: Losses that are kept in words.
_WORDS = 10


@dataclass
class Result:
    """What is known of a row; also what a later run goes on from.

    :ivar wanted: how many runs there are to be
    :ivar trials: how many there were; the next one gets this number
    :ivar controls: runs until each broken variant was caught; 0: it was not
    :ivar losses: in words, at most so many
    :ivar lost: their number
    :ivar kept: what trials keep for later ones
    :ivar lacking: why it can't run here
    """

    number: Number
    what: str
    unit: str
    wanted: int = 0
    runs: int = 0
    trials: int = 0
    seconds: float = 0.0
    controls: dict[str, int] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)
    lost: int = 0
    kept: dict[str, Any] = field(default_factory=dict)
    lacking: str = ""
    is_skipped: bool = False

    @property
    def verdict(self) -> str:
        if self.lacking:
            return "skipped" if self.is_skipped else "FAILED"
        if self.lost or not all(self.controls.values()):
            return "FAILED"
        return "ok" if self.runs >= self.wanted else "unfinished"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def lacking(row: Row) -> tuple[str, bool]:
    """Say what the machine lacks for a row, and whether that is an excuse."""
    in_ci = os.environ.get("CI") == "true"
    for need in row.needs:
        if missing := need.lacks():
            return missing, not (need.is_tool and in_ci)
    return "", False


def run_row(row: Row, result: Result, seed: int, *, full: bool, more: Callable[[], bool]) -> None:
    """Run a row, from where *result* stands on.

    :param more: is there time for another trial?
    """
    result.lacking, result.is_skipped = lacking(row)
    if result.lacking:
        return
    started = time.monotonic()
    before = result.seconds
    result.wanted = _wanted(row, result, seed) if full else row.scaled
    for control in row.controls:
        if control not in result.controls and more():
            result.controls[control] = catch(row, control, seed, result.kept)
    while result.runs < result.wanted and more():
        outcome = attempt(row, result.trials, seed, None, result.kept)
        result.runs += outcome.runs
        result.lost += len(outcome.losses)
        words = [f"trial {result.trials}: {loss}" for loss in outcome.losses]
        result.losses += words[: max(0, _WORDS - len(result.losses))]
        result.trials += 1
        result.seconds = before + time.monotonic() - started
    result.seconds = before + time.monotonic() - started


def _wanted(row: Row, result: Result, seed: int) -> int:
    if isinstance(row.full, int):
        return row.full
    with Bench(row.number, -1, seed, None, result.kept) as bench:
        return row.full(bench)


def catch(row: Row, control: str, seed: int, kept: dict[str, Any], *, is_short: bool = False) -> int:
    """Run trials with a broken variant until one fails.

    :return: the runs until then; 0: none did
    """
    runs = 0
    for number in range(row.tries):
        outcome = attempt(row, number, seed, control, kept, is_short=is_short)
        if outcome.first:
            return runs + outcome.first
        runs += outcome.runs
    return 0


def attempt(
    row: Row, number: int, seed: int, control: str | None, kept: dict[str, Any], *, is_short: bool = False
) -> Outcome:
    """Do one trial. A process that hangs, or ends as it should not, is a loss.

    :raises Exception: the trial itself does not work, or a control dies: that is not how it has to fail
    """
    with Bench(row.number, number, seed, control, kept, is_short=is_short) as bench:
        try:
            return row.trial(bench)
        except HangError as error:
            return Outcome.of([str(error)])
        except DiedError as error:
            if control is not None:
                raise
            return Outcome.of([str(error)])
