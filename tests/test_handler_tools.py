"""What writers of handlers use: secrets, fields of configuration strings, texts."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event import Event, EventError
from e3_event.handler_tools import (
    Secret,
    content_type,
    decode_fields,
    encode_fields,
    event_json,
    message_text,
    snapshot_id,
)
from e3_event.testing import HOSTILE


@given(st.lists(st.text() | st.sampled_from(["%2C", "%", "a,b|c", "%252C"]), min_size=1))
def test_any_fields_survive_their_string(fields: list[str]) -> None:
    encoded = encode_fields(fields)
    assert "|" not in encoded
    assert decode_fields(encoded) == fields


def test_only_the_three_codes_are_decoded() -> None:
    assert decode_fields("100%,a%20b,%2c,%2C%7C%25") == ["100%", "a%20b", "%2c", ",|%"]
    assert decode_fields("a,b,c", 1) == ["a", "b,c"]


class TestSecret:
    def test_it_is_read_from_the_environment_when_needed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        secret = Secret(env="SOME_SECRET")
        with pytest.raises(EventError, match=r"the environment variable SOME_SECRET, .* is not set"):
            secret.get()
        monkeypatch.setenv("SOME_SECRET", "hunter2")
        assert secret.get() == "hunter2"

    def test_it_is_read_from_a_file_when_needed(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        secret = Secret(file=str(file))
        with pytest.raises(EventError, match=f"the file {file}, .* can't be read: .*No such file"):
            secret.get()
        file.write_text("\n")
        with pytest.raises(EventError, match=f"the file {file}, .* is empty"):
            secret.get()
        file.write_text(" hunter2\n")
        assert secret.get() == "hunter2"

    def test_it_is_never_printed_nor_pickled(self) -> None:
        secret = Secret(value="hunter2")
        assert secret.get() == "hunter2"
        assert "hunter2" not in f"{secret!r} {secret}"
        with pytest.raises(EventError, match="can't be pickled"):
            pickle.dumps(secret)
        assert not secret.shareable

    def test_a_reference_can_be_shared(self) -> None:
        for secret in (Secret(env="A"), Secret(file="/b")):
            assert secret.shareable
            assert pickle.loads(pickle.dumps(secret)) == secret
            assert hash(secret) == hash(pickle.loads(pickle.dumps(secret)))
        assert repr(Secret(env="A")) == "Secret(env='A')"
        assert Secret(env="A") != Secret(file="A") != "A"

    @pytest.mark.parametrize("given", [{}, {"env": "A", "file": "b"}, {"value": ""}])
    def test_exactly_one_way_is_given(self, given: dict[str, str]) -> None:
        with pytest.raises(EventError, match="exactly one of env, file and value"):
            Secret(**given)


def test_a_plain_event_can_be_given_too() -> None:
    event = Event("x", uid="u", begin_time=0.0)
    assert event_json(event) == b'{"uid":"u","name":"x","begin_time":"1970-01-01T00:00:00","end_time":null}'
    assert event_json(event, indent=1, sort_keys=True).startswith(b'{\n "begin_time": "19')
    assert snapshot_id(event) != snapshot_id(event)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.txt", ("text/plain", None)), ("a.tar.gz", ("application/x-tar", "gzip")), ("log", (None, None))],
)
def test_content_types_are_guessed_from_names(path: str, expected: tuple[str | None, str | None]) -> None:
    assert content_type(path) == expected


class TestMessageText:
    def test_it_says_what_happened_first(self, tmp_path: Path) -> None:
        (tmp_path / "log").write_text("x")
        event = Event(
            "nightly build",
            uid="u1",
            begin_time=0.0,
            end_time=75.0,
            status="failed",
            duration=75.4,
            exit_code=2,
            command=["make", "all targets"],
            branch="main",
            counts={"ok": 1},
            nothing=None,
            traceback="Traceback:\n  line 1\nValueError",
        )
        event.attach_file(tmp_path / "log")
        snapshot = event.snapshot()
        assert message_text(snapshot) == (
            "nightly build: failed\n"
            "\n"
            "begin_time  1970-01-01T00:00:00 UTC\n"
            "end_time    1970-01-01T00:01:15 UTC\n"
            "duration    1 min 15 s\n"
            "command     make 'all targets'\n"
            "exit_code   2\n"
            "branch      main\n"
            'counts      {"ok":1}\n'
            "\n"
            "traceback:\n"
            "  Traceback:\n"
            "    line 1\n"
            "  ValueError\n"
            "\n"
            "Attachments: log\n"
            "\n"
            "uid u1\n"
            f"snapshot {snapshot.snapshot_id}\n"
        )

    @pytest.mark.parametrize(
        ("seconds", "text"), [(0.01234, "0.0123 s"), (59.9, "59.9 s"), (3700, "1 h 1 min")]
    )
    def test_a_duration_is_readable(self, seconds: float, text: str) -> None:
        shown = message_text(Event("x", duration=float(seconds), begin_time=None))
        assert f"\nduration  {text}\n" in shown

    @pytest.mark.parametrize("text", HOSTILE)
    def test_no_character_plays_tricks(self, text: str) -> None:
        shown = message_text(Event(text, uid=text, status=text, traceback=text, **{f"key {text}": text}))
        assert all(char.isprintable() for char in shown.replace("\n", ""))
