"""What JSON can hold, and dumps that are none."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event import Event, EventError
from e3_event._codec import MAX_DEPTH, as_text, jsonable
from e3_event._dump import encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)
objects = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values)


@given(objects)
def test_what_json_can_hold_is_copied_unmarked(data: dict[str, Any]) -> None:
    copy, marked = jsonable(data)
    assert (copy, marked) == (data, [])
    assert json.loads(encode(copy)) == data
    assert json.loads(encode(copy, indent=2, sort_keys=True)) == data
    assert encode(copy).isascii()


@given(objects)
def test_the_indented_form_is_that_of_the_json_module_numbers_aside(data: dict[str, Any]) -> None:
    def without_floats(value: Any) -> Any:
        if isinstance(value, float):
            return int(value) if abs(value) < 2**53 else 0
        if isinstance(value, dict):
            return {key: without_floats(item) for key, item in value.items()}
        return [without_floats(item) for item in value] if isinstance(value, list) else value

    plain = without_floats(data)
    assert encode(plain, indent=2, sort_keys=True).decode() == json.dumps(plain, indent=2, sort_keys=True)


class Colour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


Point = namedtuple("Point", "x y")  # noqa: PYI024


class Half(float):
    pass


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Number.ONE,
        Point(1, 2),
        Half(0.5),
        OrderedDict(a=1),
        (1, "x"),
        {2: "a", 2.5: "b", None: 0, True: 1},
    ],
)
def test_subclasses_are_held_as_the_json_module_holds_them(value: Any) -> None:
    copy, marked = jsonable({"value": value})
    assert marked == []
    assert copy == json.loads(json.dumps({"value": value}))


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (2**63, str(2**63)),
        (b"bytes", "b'bytes'"),
        (dt.date(2026, 11, 22), "2026-11-22"),
        ("\udcff.log", "\\udcff.log"),
        (Unprintable(), "<Unprintable>"),
    ],
)
def test_what_json_cannot_hold_becomes_text_and_is_marked(value: Any, text: str) -> None:
    assert jsonable({"a": 1, "b": {"c": [0, value]}}) == ({"a": 1, "b": {"c": [0, text]}}, ["b.c[1]"])


def test_an_integer_of_too_many_digits_for_a_text_is_named_by_its_type() -> None:
    assert jsonable({"n": 10**5000}) == ({"n": "<int>"}, ["n"])


def test_keys_that_become_the_same_text_are_all_kept() -> None:
    assert jsonable({"d": {1: "a", "1": "b"}}) == ({"d": {"1": "a", "'1'": "b"}}, ["d.'1'"])


def test_keys_that_json_cannot_hold_become_text_and_are_marked() -> None:
    assert jsonable({"d": {(1, 2): "a", "\udcff": "b"}}) == (
        {"d": {"(1, 2)": "a", "\\udcff": "b"}},
        ["d.(1, 2)", "d.\\udcff"],
    )


def test_what_is_nested_too_deep_or_in_itself_becomes_text() -> None:
    ring: list[Any] = []
    ring.append(ring)
    copy, marked = jsonable({"ring": ring})
    assert len(marked) == 1
    assert json.loads(encode(copy)) == copy


def test_the_text_of_a_value_can_always_be_encoded() -> None:
    assert as_text("\ud800é").encode() == b"\\ud800\xc3\xa9"


def dump_with(**changes: Any) -> dict[str, Any]:
    return {"data": {"uid": "u", "name": "n"}, "attachments": {}, "closed": True, **changes}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("nonsense", "invalid character"),
        ("[]", "Expected `object`"),
        ("{}", "missing required field `data`"),
        (
            json.dumps({"data": {"uid": "u", "name": "n"}, "closed": True}),
            "missing required field `attachments`",
        ),
        (json.dumps(dump_with(closed="no")), r"Expected `bool`, got `str` - at `\$.closed`"),
        (json.dumps(dump_with(attachments={"log": ["only one"]})), r"at `\$.attachments"),
        (json.dumps(dump_with(data={"name": "n"})), "`data` needs a uid"),
        (json.dumps(dump_with(data={"uid": "u", "name": ["n"]})), "`data` needs a name"),
        (json.dumps(dump_with(version=99)), "dump format 99 is newer"),
        (json.dumps(dump_with(version=-(2**63) - 1)), "there is no format -9223372036854775809"),
        (
            json.dumps(dump_with(data={"uid": "u", "name": "n", "x": deep(MAX_DEPTH + 5)})),
            "out of range.*depth",
        ),
        ("[" * 100_000 + "]" * 100_000, "Expected `object`|nested deeper"),
        ('{"data": ' + '{"a":' * 100_000 + "1" + "}" * 100_001, "nested deeper"),
        (
            json.dumps(dump_with(extra=deep(900))).replace("[[", "[" * 100_000, 1),
            "nested deeper|malformed|truncated",
        ),
        (
            '{"data":{"uid":"u","name":"n","x":' + "9" * 5000 + '},"attachments":{},"closed":true}',
            "out of range",
        ),
        ('{"data":{"uid":"u","name":"n","x":NaN},"attachments":{},"closed":true}', "invalid character"),
        ('{"data":{"uid":"u","name":"n","x":Infinity},"attachments":{},"closed":true}', "invalid character"),
        ('{"data":{"uid":"u","name":"n","x":1e999},"attachments":{},"closed":true}', "out of range"),
        (
            '{"data":{"uid":"u","name":"n","x":"\\ud800"},"attachments":{},"closed":true}',
            "surrogate|truncated",
        ),
        (
            json.dumps(dump_with(data={"uid": "u", "name": "n", "x": {"y": 2**63}})),
            r"`data\.x\.y` is out of range",
        ),
        (
            '{"data":{"uid":"u","name":"n","x":1,"x":2},"attachments":{},"closed":true}',
            "key `x` stands twice",
        ),
        (
            '{"data":{"uid":"u","name":"n"},"attachments":{},"closed":true,"closed":true}',
            "key `closed` stands twice",
        ),
    ],
)
def test_a_dump_that_is_none_is_refused_with_file_and_reason(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "dump.json"
    file.write_text(content)
    with pytest.raises(EventError, match=f"(?s){file}: no event dump: .*|{file}: dump format") as caught:
        Event.load(str(file))
    assert caught.match(said)


def test_a_dump_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    file.write_bytes(b'{"data":{"uid":"u","name":"\xff"},"attachments":{},"closed":true}')
    with pytest.raises(EventError, match="no event dump"):
        Event.load(file)


def test_a_dump_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EventError, match=f"{tmp_path / 'none.json'}: can't be read: No such file"):
        Event.load(tmp_path / "none.json")
