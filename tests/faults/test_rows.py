"""Every kind of fault in a short form; `make faults` causes each of them more often."""

from __future__ import annotations

from typing import Any

import pytest
from faults.row import Number, Row
from faults.rows import ROWS
from faults.runner import attempt, catch, lacking

SEED = 1
#: What the trials of a row keep for later ones, by its number.
KEPT: dict[Number, dict[str, Any]] = {}


def name(row: Row) -> str:
    return f"{row.number}-{row.what}"


def must_run(row: Row) -> None:
    missing, is_excused = lacking(row)
    if missing:
        (pytest.skip if is_excused else pytest.fail)(missing)


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_nothing_that_was_acknowledged_is_lost(row: Row) -> None:
    must_run(row)
    for number in range(row.short):
        outcome = attempt(row, number, SEED, None, KEPT.setdefault(row.number, {}), is_short=True)
        assert outcome.runs
        assert outcome.losses == []


@pytest.mark.parametrize(
    ("row", "control"),
    [(row, control) for row in ROWS for control in row.controls],
    ids=lambda value: name(value) if isinstance(value, Row) else value,
)
def test_a_broken_spool_is_caught(row: Row, control: str) -> None:
    must_run(row)
    assert catch(row, control, SEED, KEPT.setdefault(row.number, {}), is_short=True)
