"""What is looked for before a shape is there whenever the shape is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event._redact import BEHIND, SHAPES, STARTS, TRIGGERS
from e3_event._redaction._keys import KEY
from e3_event._redaction._shapes import shapes_in
from e3_event._redaction._triggers import triggers_in
from redaction.examples import SECRETS, plain

_ASCII = st.characters(min_codepoint=0, max_codepoint=127)
_around = st.text(st.sampled_from(" \t\"'=:;,.-_/@aZ0"), max_size=9)
_LOW = sorted({trigger.lower() for triggers in TRIGGERS.values() for trigger in triggers})


def test_every_shape_has_triggers_and_nothing_else_has() -> None:
    assert TRIGGERS.keys() == SHAPES.keys()
    assert STARTS.keys() < SHAPES.keys()
    assert {trigger.lower() for trigger in BEHIND} < set(_LOW)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "(?i:" in SHAPES[shape]])
def test_what_counts_in_any_case_can_be_looked_for_in_small_letters(shape: str) -> None:
    assert [trigger for trigger in TRIGGERS[shape] if trigger != trigger.lower()] == []
    letters = re.sub(r"\\[A-Z]|\(\?P[<=]|a-zA-Z", "", SHAPES[shape])
    assert letters == letters.lower()


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != KEY])
def test_every_text_of_a_shape_is_found(shape: str) -> None:
    pattern = re.compile(SHAPES[shape], re.ASCII)  # what is white space in bytes

    @given(_around, st.from_regex(pattern, alphabet=_ASCII), _around)
    def found(before: str, text: str, behind: str) -> None:
        line = before + text + behind
        expected = {match.span() for match in pattern.finditer(line)}
        assert expected <= {(f.begin, f.end) for f in shapes_in(line.encode()) if f.name == shape}

    found()


@given(st.lists(st.sampled_from(_LOW), max_size=9), _around)
def test_all_triggers_of_a_text_are_found(triggers: list[str], joint: str) -> None:
    text = joint.join(triggers).lower()
    behind = {trigger.lower(): behind for trigger, behind in BEHIND.items()}
    expected = {
        (trigger.encode(), match.start())
        for trigger in _LOW
        for match in re.finditer(f"(?={re.escape(trigger)}{behind.get(trigger, '')})", text)
    }
    assert set(triggers_in(text.encode())) == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_a_trigger_is_in_each_example(shape: str) -> None:
    for marked in SECRETS[shape]:
        assert any(trigger.lower() in plain(marked).lower() for trigger in TRIGGERS[shape])
