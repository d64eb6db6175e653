"""Secrets are masked in streams, however these are cut; everything else passes as it is."""

from __future__ import annotations

import os
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event._redact import MASK, SHAPES, redact
from e3_event._redaction import Redactor, _stream
from redaction.examples import ORDINARY, PIECES, SECRETS, masked, plain, secrets_in
from redaction.streams import END, KEY, VALUES, stored

_MASK = MASK.encode()
_TEXTS = [plain(marked).encode() for texts in SECRETS.values() for marked in texts]
_TEXTS += [text.encode() for text in (*PIECES, *ORDINARY, *VALUES, KEY, END, "first line\n", "ab ab\n")]
_TEXTS += [b"\r\n", b"\x1b[31m", b"\x1b[0m", b"\x1b[", b"\x1b(B", b"\0", b"\xff\xfe", b" ", b"\r", b"x" * 99]
_streams = st.lists(st.one_of(st.sampled_from(_TEXTS), st.just(b"\n"), st.binary(max_size=9)), max_size=40)
_streams_of_bytes = _streams.map(b"".join)


@st.composite
def _cut_streams(draw: st.DrawFn) -> tuple[bytes, list[int]]:
    data = draw(_streams_of_bytes)
    return data, sorted(draw(st.lists(st.integers(0, len(data)), max_size=30)))


@given(_cut_streams())
def test_what_is_stored_does_not_depend_on_the_pieces(cut: tuple[bytes, list[int]]) -> None:
    data, cuts = cut
    assert stored(data, VALUES, cuts) == stored(data, VALUES)


@given(_streams_of_bytes)
def test_what_is_stored_of_single_bytes_is_the_same(data: bytes) -> None:
    assert stored(data, VALUES, range(len(data))) == stored(data, VALUES)


@given(_cut_streams())
def test_it_does_not_depend_on_the_pieces_beyond_the_bounds_either(cut: tuple[bytes, list[int]]) -> None:
    data, cuts = cut
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_stream, "LONGEST_LINE", 256)  # nearly every line is a long one
        patch.setattr(_stream, "OVERLAP", 64)
        assert stored(data, VALUES, cuts) == stored(data, VALUES)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("around", ["{}", "{}\n", "a {}\r\nb\n", "\x1b[1m{}\x1b[0m\n"])
def test_every_shape_is_masked_as_in_a_text(shape: str, around: str) -> None:
    for marked in SECRETS[shape]:
        for text in (plain(marked), plain(marked).upper()):
            data = around.format(text)
            assert stored(data.encode()) == redact(data).encode() or "\x1b" in around
        assert stored(around.format(plain(marked)).encode()) == _expected(around.format(marked))


def _expected(marked: str) -> bytes:
    """The stream with its secrets masked; a key without an end goes on to the end of the stream."""
    shown = masked(marked, MASK)
    if "BEGIN" in marked and "END" not in marked:
        shown = shown.partition(MASK)[0] + MASK + "".join(re.findall("\x1b\\[0m", shown))
    return shown.encode()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_is_masked_wherever_the_stream_is_cut(shape: str) -> None:
    for marked in SECRETS[shape]:
        data = f"before\n{plain(marked)}\nbehind\n".encode()
        whole = stored(data)
        for at in range(len(data)):
            assert stored(data, (), [at]) == whole
        for secret in secrets_in(marked):
            assert secret.encode() not in whole


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_text_is_unharmed(line: str) -> None:
    assert stored(line.encode()) == line.encode()
    assert stored(f"{line}\n".encode()) == f"{line}\n".encode()


def test_binary_output_passes_unchanged() -> None:
    data = random.Random(7).randbytes(1_000_000)
    assert stored(data, VALUES, range(0, len(data), 4096)) == data


def test_badly_encoded_text_around_a_secret_passes_unchanged() -> None:
    assert stored(b"\xff\xc3 PASSWORD=hunter2 \xe2\x80\n") == b"\xff\xc3 PASSWORD=" + _MASK + b" \xe2\x80\n"
    assert stored("é PASSWORD=ünter2é é\n".encode()) == f"é PASSWORD={MASK} é\n".encode()


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"10%\r20%\rpassword=hunter2\r30%\r\n", b"10%\r20%\rpassword=[redacted]\r30%\r\n"),
        (b"A=1\0PASSWORD=hunter2\0HOME=/root\0", b"A=1\0PASSWORD=[redacted]\0HOME=/root\0"),
        (b"password: hunter2\r\nuser: bob\r\n", b"password: [redacted]\r\nuser: bob\r\n"),
        (b"\r\n\r\n", b"\r\n\r\n"),
        (b"", b""),
    ],
)
def test_ends_of_lines_and_zeros_stay(data: bytes, shown: bytes) -> None:
    assert stored(data) == shown


COLORED = [
    ("a \x1b[32m«ghp_abcdefghijklmnopqrst0123456789ABCDEF»\x1b[0m b", "a \x1b[32m[redacted]\x1b[0m b"),
    ("\x1b[34;1m\"password\"\x1b[0m\x1b[1;39m:\x1b[0m \x1b[0;32m\"hunter2\"\x1b[0m,",
     "\x1b[34;1m\"password\"\x1b[0m\x1b[1;39m:\x1b[0m \x1b[0;32m\"[redacted]\"\x1b[0m,"),
    ("\x1b[01;31m\x1b[Kpass\x1b[m\x1b[Kword=hunter2 x", "\x1b[01;31m\x1b[Kpass\x1b[m\x1b[Kword=[redacted] x"),
    ("token=«ab\x1b[7mcd\x1b[27mef» x", "token=[redacted]\x1b[7m\x1b[27m x"),
    ("\x1b[32m+\x1b[m\x1b[32mPASSWORD=hunter2\x1b[m", "\x1b[32m+\x1b[m\x1b[32mPASSWORD=[redacted]\x1b[m"),
    ("\x1b[1mhun\x1b[0mter2x\x1b(B\x1b[m", "\x1b[1m[redacted]\x1b[0m\x1b(B\x1b[m"),
    ("\x1b]8;;https://bob:hunter2@example.net\x1b\\here", "\x1b]8;;https://bob:[redacted]@example.net\x1b\\here"),
]  # fmt: skip


@pytest.mark.parametrize(("marked", "shown"), COLORED)
def test_secrets_are_seen_through_colours_which_stay(marked: str, shown: str) -> None:
    data = f"{plain(marked)}\n".encode()
    for cuts in (range(0), range(len(data))):
        assert stored(data, ["hunter2x"], cuts) == f"{shown}\n".encode()


def test_colours_without_secrets_are_unharmed() -> None:
    data = b"\x1b[1m\x1b[32mok\x1b[0m \x1b[38;5;208mx\x1b[m\x1b[2K\x1b[\x1b\x1b[999\n" * 3
    assert stored(data) == data


def test_utf_16_is_not_seen() -> None:
    data = "PASSWORD=hunter2\n".encode("utf-16")
    assert stored(data) == data


def test_a_value_is_masked_wherever_it_stands() -> None:
    data = b"hunter2x,hunter2xhunter2x xhunter2xx hunter2 HUNTER2X\n"
    assert (
        stored(data, ["hunter2x"]) == b",".join([_MASK, _MASK * 2]) + b" x" + _MASK + b"x hunter2 HUNTER2X\n"
    )


def test_a_value_that_a_shape_cuts_short_is_masked_whole() -> None:
    assert stored(b"password=two words.\n", ["two words"]) == b"password=[redacted].\n"
    assert stored(b"password=hunter2xyz.\n", ["hunter2x"]) == b"password=[redacted]\n"


def test_values_that_overlap_are_masked_together() -> None:
    assert stored(b"a abcabcabca b\n", ["abcabca"]) == b"a [redacted] b\n"
    assert stored(b"one two three\n", ["one two", "two three"]) == b"[redacted]\n"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_value_of_several_lines_is_masked_with_either_end_of_lines(ends: str) -> None:
    data = f"a first line{ends}second line b{ends}".encode()
    for at in range(len(data)):
        assert stored(data, VALUES, [at]) == f"a [redacted] b{ends}".encode()


def test_lines_with_which_a_value_may_begin_are_kept_back_until_that_is_known() -> None:
    redactor = Redactor(["first line\nsecond line"])
    assert redactor.feed(b"x\nfirst line\n") == b"x\n"
    assert redactor.feed(b"other line\nand more\n") == b"first line\nother line\nand more\n"
    assert redactor.feed(b"first line\n") == b""
    assert redactor.finish() == b"first line\n"


def test_lines_are_kept_back_from_the_first_on_with_which_a_value_may_begin() -> None:
    values = ["line w\nline x\nline y\nline v", "line x\nline y\nline z", "line y\nline q"]
    for last in ("v", "z", "q", "o"):
        data = f"line w\nline x\nline y\nline {last}\n".encode()
        redactor = Redactor(values)
        assert redactor.feed(data[:21]) == b""
        assert redactor.feed(data[21:]) + redactor.finish() == stored(data, values)
        assert (_MASK in stored(data, values)) == (last != "o")


def test_a_value_of_which_the_end_may_begin_another_one_is_masked_to_its_end() -> None:
    values = ["line one\nline two\nline three", "line two\nline three\nline four"]
    for data in (b"line one\nline two\nline three\nline 4\n", b"line one\nline two\nline three\n"):
        assert stored(data, values) == data.replace(values[0].encode(), _MASK)
        assert stored(data, values, range(len(data))) == stored(data, values)
    whole = b"line one\nline two\nline three\nline four\n"
    assert stored(whole, values) == stored(whole, values, range(len(whole))) == _MASK + b"\n"
    repeated = b"ab ab\n" * 6
    assert stored(repeated, ["ab ab\nab ab\nab ab"], range(len(repeated))) == _MASK + b"\n"


def test_a_long_line_of_a_value_is_masked_alone() -> None:
    secret = "user = somebody\npassphrase of many words\nx"
    assert (
        stored(b"> passphrase of many words\n> user = somebody\n", [secret])
        == b"> [redacted]\n> user = somebody\n"
    )


def test_a_private_key_ends_where_it_ends() -> None:
    assert stored(f"a {KEY}AAA=\n{END}b\n".encode()) == b"a [redacted]\nb\n"
    assert stored(f'k="{KEY}{END.strip()}"; token=abc\n'.replace("\n", "\\n").encode()) == (
        b'k="[redacted]"; token=[redacted]\\n'
    )


def test_what_is_fed_after_the_end_is_another_stream() -> None:
    redactor = Redactor()
    assert redactor.feed(KEY.encode()) + redactor.finish() == _MASK
    assert redactor.feed(b"a\nb") + redactor.finish() == b"a\nb"


def test_another_one_has_the_same_values_and_a_stream_of_its_own() -> None:
    first = Redactor(["hunter2x"])
    second = first.another()
    assert first.feed(b"hunt") + second.feed(b"er2x\n") == b"er2x\n"
    assert second.feed(b"hunter2x\n") + first.finish() == b"[redacted]\nhunt"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hunter2x: no such user", "[redacted]: no such user"),
        (f"a {KEY}", "a [redacted]"),
        ("\udcff token=\udce4\ud83d é", "\udcff token=[redacted] é"),
        ("\udcff token=\udce4 é\udcff", "\udcff token=[redacted] é\udcff"),
        ("", ""),
    ],
)
def test_a_whole_text_is_masked_and_the_stream_is_not_touched(text: str, shown: str) -> None:
    redactor = Redactor(["hunter2x"])
    redactor.feed(b"hunter")
    assert redactor.text(text) == shown
    assert redactor.finish() == b"hunter"


def test_values_that_are_no_text_are_masked_as_the_environment_has_them() -> None:
    value = os.fsdecode(b"hunter\xff2")
    assert stored(b"a hunter\xff2 b\n", [value]) == b"a [redacted] b\n"
    assert Redactor([value]).text(f"a {value} b") == "a [redacted] b"
