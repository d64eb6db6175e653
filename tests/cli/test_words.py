"""Times, sizes and cells of tables, as people read them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import click
import pytest

from e3_event.cli._table import cell, padded, width
from e3_event.cli._words import exactly, many, size, span, summary, when
from e3_event.spool import Key
from e3_event.spool._standings import Standing

NOW = 1_795_468_502.0  # 2026-11-23 21:15:02 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    if before is None:
        monkeypatch.delenv("TZ")
    else:
        monkeypatch.setenv("TZ", before)
    time.tzset()


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (0, "21:15:02"),
        (3600, "20:15:02"),
        (86400, "11-22 21:15"),
        (200 * 86400, "05-07 21:15"),
        (400 * 86400, "2025-10-19"),
        (-86400, "11-24 21:15"),
        (-1e300, "1e+300"),
    ],
)
def test_a_time_is_as_short_as_it_can_be_told(ago: float, shown: str) -> None:
    assert when(NOW - ago, NOW) == shown


def test_a_time_to_the_second_has_its_zone() -> None:
    assert exactly(NOW) == "2026-11-23 21:15:02 +0000"
    assert exactly(float("inf")) == "inf"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "under 1 ms"),
        (0.0121, "12.1 ms"),
        (1, "1 s"),
        (12.34, "12.3 s"),
        (600, "10 min"),
        (7200, "2 h"),
        (86400, "24 h"),
        (86400 * 30, "30 days"),
    ],
)
def test_a_span_has_the_unit_that_fits(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1024, "1 KiB"),
        (1_500_000, "1.43 MiB"),
        (1 << 30, "1 GiB"),
        (1 << 44, "16384 GiB"),
    ],
)
def test_a_size_has_three_digits(count: int, shown: str) -> None:
    assert size(count) == shown


def test_a_number_of_things_has_its_plural() -> None:
    assert [many(n, "event") for n in (0, 1, 1234)] == ["0 events", "1 event", "1,234 events"]
    assert many(2, "delivery", "deliveries") == "2 deliveries"


def test_a_summary_names_who_has_not_got_an_event() -> None:
    def told(**states: str) -> str:
        found = [Standing(1, Key(name.replace("_", "\x1b")), state) for name, state in states.items()]
        return click.unstyle(summary(found))

    assert told() == "owed to nobody"
    assert told(a="delivered", b="delivered") == "delivered"
    assert told(a="delivered", b="waiting", c="dead", d="waiting") == "dead: c; waiting: b, d; 1 delivered"
    assert told(_x="again") == "again: \\x1bx"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("exactly ten", "exactly t…"),
        ("日本語のビルド", "日本語の…"),
        ("\x1b\x1b\x1b", "\\x1b\\x1b\\…"),
        ("", ""),
    ],
)
def test_a_cell_is_cut_where_its_column_ends(text: str, shown: str) -> None:
    assert cell(text, 10) == shown
    assert width(cell(text, 10)) <= 10


def test_a_column_is_as_wide_as_what_is_seen() -> None:
    assert width(click.style("e\u0301日", fg="red")) == 3
    assert padded("日", 4) == "日  "
    assert padded("7", 3, right=True) == "  7"
