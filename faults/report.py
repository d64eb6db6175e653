"""The results, as a table to look at and as a file to keep."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .runner import Result
    from .state import State

_FORMAT = "{:>3}  {:<34} {:>14} {:>6} {:<10} {:>6}  {}"
HEAD = _FORMAT.format("row", "what", "runs", "losses", "verdict", "s", "control caught after")


def line(result: Result) -> str:
    """One row of the table, and below it what went wrong."""
    runs = f"{result.runs} {result.unit}" if not result.lacking else "-"
    text = _FORMAT.format(
        result.number,
        result.what,
        runs,
        result.lost,
        result.verdict,
        f"{result.seconds:.0f}",
        _caught(result),
    )
    return "\n".join([text.rstrip(), *(f"       {_one_line(loss)}" for loss in result.losses)])


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def _caught(result: Result) -> str:
    if result.lacking:
        return result.lacking
    return "; ".join(
        f"{name}: {f'{runs} {result.unit}' if runs else 'NOT CAUGHT'}"
        for name, runs in result.controls.items()
    )


def about(seed: int | str) -> str:
    """Where and when this was."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, seed {seed}, Python {platform.python_version()},"
        f" SQLite {apsw.sqlite_lib_version()}, Linux {platform.release()}, {os.cpu_count()} CPUs"
    )


def as_markdown(states: Sequence[State]) -> str:
    """The file that is committed."""
    seeds = ", ".join(map(str, sorted({state.seed for state in states})))
    lines = [
        "# Faults: the last full run",
        "",
        f"`make faults-full`, ended {about(seeds)}. A control is a broken spool that a row has to",
        "catch. Each row was done with one version of the source, whose commit is named.",
        "",
        "| row | what | runs | wanted | losses | verdict | s | commit | control caught after |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for state in states:
        result = state.result
        lines.append(
            f"| {result.number} | {result.what} | {result.runs} {result.unit} | {result.wanted} |"
            f" {result.lost} | {result.verdict} | {result.seconds:.0f} | {state.commit} | {_caught(result)} |"
        )
        lines += [f"| | {_one_line(loss).replace('|', '/')} | | | | | | | |" for loss in result.losses]
    return "\n".join(lines) + "\n"
