"""`python -m faults`: cause the faults of all rows and print what broke; `make faults` runs it."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .bench import ROOT
from .report import HEAD, about, as_markdown, line
from .rows import ROWS
from .runner import attempt, run_row
from .state import State, finished, new, resumed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .row import Number, Row

REPORT = os.path.join(ROOT, "benchmarks", "faults.md")
#: The seed of the first full run; any other does as well.
SEED = 1


def main() -> int:
    """Run what the command line names. Return 1 if anything was lost, or a control was not caught."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # mounts and processes are ended on the way
    options = _options()
    chosen = [row for row in ROWS if row.number in options.rows] if options.rows else list(ROWS)
    if options.trial is not None:
        return _replay(chosen, options)
    if options.jobs > 1 and len(chosen) > 1:
        return _share_out(chosen, options.jobs)
    started = time.monotonic()
    states = [_state(row, options) for row in chosen]
    print(f"{about(states[0].seed)}\n{HEAD}", flush=True)

    def more() -> bool:
        return options.minutes is None or time.monotonic() < started + options.minutes * 60

    for row, state in zip(chosen, states, strict=True):
        _run(row, state, options.full, more)
        print(line(state.result), flush=True)
    print(f"{time.monotonic() - started:.0f} s")
    if options.full and (done := finished(ROWS)):
        with open(REPORT, "w") as file:
            file.write(as_markdown(done))
        print(f"written: {os.path.relpath(REPORT)}")
    return int(any(state.result.verdict == "FAILED" for state in states))


def _share_out(chosen: list[Row], jobs: int) -> int:
    """Run each row in a process of its own, so many at once."""
    rest = [word for word in sys.argv[1:] if not word.startswith("--jobs")]

    def run(row: Row) -> int:
        command = [sys.executable, "-m", "faults", *rest, "--jobs=1", f"--rows={row.number}"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        print("\n".join(done.stdout.splitlines()[2:]), flush=True)
        return done.returncode

    print(HEAD, flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        return max(pool.map(run, chosen))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--rows", type=_numbers, default=[], metavar="N,…", help="these rows (default: all)")
    parser.add_argument("--seed", type=int, help="of all randomness (default: the time; --full: as before)")
    parser.add_argument("--jobs", type=int, default=1, metavar="=N", help="so many rows at once")
    parser.add_argument("--full", action="store_true", help="all runs; goes on where the last --full ended")
    parser.add_argument("--restart", action="store_true", help="with --full: begin anew")
    parser.add_argument("--minutes", type=float, help="stop after this time; --full can go on later")
    parser.add_argument("--trial", type=int, help="this trial only, of one row and --seed, to look at it")
    parser.add_argument("--control", help="with --trial: use this broken variant")
    options = parser.parse_args()
    known = [row.number for row in ROWS]
    if unknown := [number for number in options.rows if number not in known]:
        parser.error(f"there is no row {unknown[0]}; there are: {', '.join(map(str, known))}")
    if options.trial is not None and (len(options.rows) != 1 or options.seed is None):
        parser.error("--trial needs one row and --seed")
    return options


def _numbers(text: str) -> list[Number]:
    return [int(number) if number.isdecimal() else number for number in text.split(",")]


def _state(row: Row, options: argparse.Namespace) -> State:
    """Where to begin."""
    if not options.full:
        return new(row, int(time.time()) if options.seed is None else options.seed)
    if options.restart:
        return new(row, SEED if options.seed is None else options.seed)
    return resumed(row, options.seed, SEED)


def _run(row: Row, state: State, full: bool, more: Callable[[], bool]) -> None:
    """Run a row, saving what it has reached now and then. A trial that can't be done fails the row."""
    saved, result = time.monotonic(), state.result

    def more_and_save() -> bool:
        nonlocal saved
        if full and time.monotonic() > saved + 5:
            state.save()
            saved = time.monotonic()
        return more()

    try:
        run_row(row, result, state.seed, full=full, more=more_and_save)
    except Exception:
        result.lost += 1
        result.losses.append(f"trial {result.trials} can't be done: {traceback.format_exc(limit=-3)}")
    if full:
        state.save()


def _replay(chosen: list[Row], options: argparse.Namespace) -> int:
    """Do one trial again, and say all that it finds."""
    outcome = attempt(chosen[0], options.trial, options.seed, options.control, {})
    print(f"{outcome.runs} {chosen[0].unit}, {len(outcome.losses)} losses", *outcome.losses, sep="\n  ")
    return int(bool(outcome.losses))


if __name__ == "__main__":
    sys.exit(main())
