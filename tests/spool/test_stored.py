"""How snapshots are stored: the short way for plain events gives what the long one does."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.command import kept
from e3_event import Event
from e3_event._codec import jsonable
from e3_event.spool import _json
from e3_event.spool._blobs import Capture
from e3_event.spool._storing import encode_plain, encode_snapshot

values = st.one_of(
    st.text(st.characters(codec=None), max_size=20),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(["null", "\x7f", "\udc80", "\0", True, 2**63, -(2**63) - 1, math.nan, -0.0]),
)


def stored_in_full(event: Event) -> Any:
    return msgspec.json.decode(encode_snapshot(event.snapshot(), Capture()))


@given(st.dictionaries(st.text(max_size=8), values, max_size=4), st.booleans())
@example({"text": "null"}, True)
@example({"n": 2**63}, True)
@example({"x": math.inf}, True)
def test_a_plain_event_is_stored_as_its_snapshot_would_be(data: dict[str, Any], closes: bool) -> None:
    event = Event("build", "u")
    event._data.update(data)
    if closes:
        event.close()

    short = encode_plain(event)

    if short is not None:
        assert msgspec.json.decode(short) == stored_in_full(event)


def test_a_plain_event_takes_the_short_way() -> None:
    event = Event("build", branch="main", tests=12, seconds=1.5, ok=True)
    event.close()

    assert encode_plain(event) is not None


class Shouting(Event):
    def as_dict(self) -> dict[str, Any]:
        return {key: str(value).upper() for key, value in super().as_dict().items()}


@pytest.mark.parametrize("change", [{"x": math.nan}, {"x": 2**64}, {"x": "\udc80"}, {"x": [1]}, {3: "x"}])
def test_what_json_can_not_hold_takes_the_long_way(change: dict[Any, Any]) -> None:
    event = Event("build")
    event._data.update(change)
    event.close()

    assert encode_plain(event) is None


def test_a_class_that_shows_itself_otherwise_takes_the_long_way() -> None:
    event = Shouting("build")
    event.close()

    assert encode_plain(event) is None
    assert stored_in_full(event)["shown"]["name"] == "BUILD"


@given(st.recursive(values, lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=3)))
def test_both_encoders_give_the_same(value: Any) -> None:
    plain, _ = jsonable({"value": value})
    assert msgspec.json.decode(_json._text(plain).encode()) == plain
    texts = [text for text in (*plain, *plain.values()) if isinstance(text, str)]
    assert _json._text(texts).encode() == msgspec.json.encode(texts)  # what is searched for in them


def test_only_who_puts_many_events_loads_msgspec(tmp_path: Path) -> None:
    code = (
        "import sys; from e3_event import Event; from e3_event.spool import Spool\n"
        f"spool = Spool({str(tmp_path / 'spool')!r})\n"
        "spool.put(Event('first')); print('msgspec' in sys.modules)\n"
        "for number in range(100): spool.put(Event('later', number=number))\n"
        "print('msgspec' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    found = kept(tmp_path / "spool")
    assert [event["number"] for event in found[:-1]] == list(range(99, -1, -1))
    assert found[-1]["name"] == "first"
