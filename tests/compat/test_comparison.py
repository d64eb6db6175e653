"""The same programs with e3-core and with ours: they differ where `differences.toml` says, nowhere else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from compat.comparison import (
    NOTHING,
    PROGRAMS,
    Difference,
    all_listed,
    differing,
    observe,
    problems,
    programs,
)
from compat.comparison import listed as listed_of
from compat.stores import observe_both

PLANTED = """
from observe import see
import e3.event
see("where it lives", e3.event.Event.__module__)
see("a name", e3.event.Event.__name__)
if not e3.event.Event.__module__.startswith("e3_event"):
    see("said by one side", 1)
"""


@pytest.mark.parametrize("program", programs())
def test_a_program_sees_the_listed_differences_and_no_other(program: str, e3_core: Path) -> None:
    found = differing(*observe_both(PROGRAMS / f"{program}.py"))
    wrong = problems(found, listed_of(program))
    assert not wrong, "\n".join(wrong)


def test_every_entry_belongs_to_a_program_and_says_why() -> None:
    for entry in all_listed():
        assert entry.program in programs()
        assert entry.why.endswith(".")
        assert 0 <= entry.line <= 14


@pytest.fixture(scope="module")
def found(e3_core: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """The differences of the program in which some are planted."""
    program = tmp_path_factory.mktemp("planted") / "planted.py"
    program.write_text(PLANTED)
    return differing(*observe_both(program))


class TestThatTheComparisonFindsWhatItShould:
    def known(self, key: str, e3_core: str, ours: str) -> Difference:
        return Difference("planted", key, e3_core, ours, 1, "planted")

    def both(self) -> list[Difference]:
        where = self.known("where it lives", '"e3.event"', '"e3_event._event"')
        return [where, self.known("said by one side", "1", NOTHING)]

    def test_a_planted_difference_that_is_not_listed(self, found: dict[str, tuple[str, str]]) -> None:
        assert list(found) == ["where it lives", "said by one side"]
        wrong = problems(found, [])
        assert len(wrong) == 2
        assert all(text.startswith("not listed: ") for text in wrong)

    def test_a_listed_one_is_accepted(self, found: dict[str, tuple[str, str]]) -> None:
        assert problems(found, self.both()) == []

    def test_a_pattern_is_accepted(self, found: dict[str, tuple[str, str]]) -> None:
        pattern = self.known("where it lives", '"e3.event"', 're:"e3_event\\..*"')
        assert problems(found, [pattern, *self.both()[1:]]) == []

    @pytest.mark.parametrize(("theirs", "ours"), [('"e3.event"', '"other"'), ('"e3"', '"e3_event._event"')])
    def test_one_that_is_listed_otherwise(
        self, found: dict[str, tuple[str, str]], theirs: str, ours: str
    ) -> None:
        wrong = problems(found, [self.known("where it lives", theirs, ours), *self.both()[1:]])
        assert [text.splitlines()[0] for text in wrong] == ["listed otherwise: where it lives"]

    def test_a_listed_one_that_is_not_seen(self, found: dict[str, tuple[str, str]]) -> None:
        wrong = problems(found, [*self.both(), self.known("a name", '"Event"', '"Other"')])
        assert wrong == ["listed, not seen: a name"]

    def test_an_entry_that_stands_twice(self, found: dict[str, tuple[str, str]]) -> None:
        assert problems(found, [*self.both(), self.both()[0]]) == ["listed twice: where it lives"]

    def test_a_program_that_fails_is_an_error(self, tmp_path: Path) -> None:
        program = tmp_path / "failing.py"
        program.write_text("from observe import see\nsee('a', 1)\nraise SystemExit(3)\n")
        with pytest.raises(RuntimeError, match=r"failing.py .* failed after \[\['a', 1\]\]"):
            observe(sys.executable, program)

    def test_a_key_that_is_said_twice_is_an_error(self, tmp_path: Path) -> None:
        program = tmp_path / "twice.py"
        program.write_text("from observe import see\nsee('a', 1)\nsee('a', 2)\n")
        with pytest.raises(RuntimeError, match="says twice"):
            observe(sys.executable, program)


def test_dumps_and_configuration_load_in_both_directions(e3_core: Path, tmp_path: Path) -> None:
    """Each side reads what the other has written as if it were its own."""
    sides = {"e3-core": e3_core, "ours": Path(sys.executable)}
    seen: dict[tuple[str, str], dict[str, str]] = {}
    for writer, writing in sides.items():
        for reader, reading in sides.items():
            folder = tmp_path / f"{writer} for {reader}"
            folder.mkdir()
            observe(writing, PROGRAMS / "crossing" / "write.py", str(folder))
            seen[writer, reader] = observe(reading, PROGRAMS / "crossing" / "read.py", str(folder))
    expected = seen["e3-core", "e3-core"]
    assert json.loads(expected["handlers"])["file"] == "<given>/sent, to = here"
    assert json.loads(expected["exported again"]) is True
    for (writer, reader), found in seen.items():
        assert differing(expected, found) == {}, f"written by {writer}, read by {reader}"
