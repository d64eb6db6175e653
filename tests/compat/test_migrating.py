"""`docs/migrating.md` names every difference of the comparison in its section, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compat.comparison import all_listed
from compat.environments import ROOT

PAGE = ROOT / "docs" / "migrating.md"
LINES = range(1, 15)
SMALL = 0


def sections() -> dict[int, str]:
    """The text of each section of differences, by the number of its line; 0 is that of small things."""
    text = PAGE.read_text()
    found = {}
    for part in re.split(r"^##+ ", text, flags=re.MULTILINE):
        if match := re.match(r"(\d+)\. ", part):
            found[int(match[1])] = part
        elif part.startswith("Small differences"):
            found[SMALL] = part
    return found


def bullets(section: str) -> set[str]:
    """The items of the list in a section, each on one line."""
    items = re.findall(r"^- (.*(?:\n  .*)*)", section, flags=re.MULTILINE)
    return {" ".join(item.split()) for item in items}


def test_there_is_a_section_for_every_line() -> None:
    assert sorted(sections()) == [SMALL, *LINES]


@pytest.mark.parametrize("line", [SMALL, *LINES])
def test_a_section_lists_the_differences_of_its_line_and_no_other(line: int) -> None:
    assert bullets(sections()[line]) == {entry.why for entry in all_listed() if entry.line == line}


@pytest.mark.parametrize("line", LINES)
def test_a_section_says_what_to_do(line: int) -> None:
    assert "**To do:** " in sections()[line]


def test_the_tests_that_it_names_are_there() -> None:
    named = re.findall(r"`(tests/[\w./*]+)`", PAGE.read_text())
    assert len(named) >= 4
    for pattern in named:
        assert list(Path(ROOT).glob(pattern)), pattern
