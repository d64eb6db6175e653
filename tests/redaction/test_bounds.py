"""Long lines, long secrets, hostile streams: memory and work are bounded, no cut lets a secret through."""

from __future__ import annotations

import random
import re
import time
import tracemalloc

import pytest

from e3_event._redact import MASK
from e3_event._redaction import Redactor
from e3_event._redaction._find import Finder
from e3_event._redaction._found import Found
from e3_event._redaction._keys import LONGEST_KEY
from e3_event._redaction._stream import LONGEST_LINE, OVERLAP
from redaction.examples import SECRETS, plain, secrets_in
from redaction.streams import END, KEY, VALUES, stored

_MASK = MASK.encode()


def test_a_long_private_key_is_masked_to_its_end() -> None:
    for lines in (100, 1000, 5000):
        body = "MIIEowIBAAKCAQEAvxQh9Yk0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" * lines
        data = f"a {KEY}{body}AAA=\n{END}b\n".encode()
        assert stored(data) == stored(data, (), range(0, len(data), 777)) == b"a [redacted]\nb\n"


def test_a_private_key_without_an_end_does_not_mask_the_rest_of_the_log() -> None:
    ordinary = b"step 17 of 99: compiled a.c and b.c\n" * 5000
    data = b"tests/x.py: -----BEGIN RSA PRIVATE KEY-----\n" + ordinary
    shown = stored(data)
    assert shown == stored(data, (), range(0, len(data), 1000))
    head, _, rest = shown.partition(_MASK)
    assert head == b"tests/x.py: "
    assert ordinary.endswith(rest)
    assert LONGEST_KEY - 100 < len(ordinary) - len(rest) <= LONGEST_KEY


def test_a_line_that_is_none_of_a_key_ends_a_long_one_without_an_end() -> None:
    key = f"{KEY}{'MIIEowIBAAKCAQEAvxQh9Yk0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' + chr(10)}".encode()
    body = key.splitlines(keepends=True)[-1] * (2 * LONGEST_KEY // 50)
    ordinary = b"step 17 of 99: compiled a.c\n" * 3
    data = key + body + ordinary
    assert stored(data) == _MASK + ordinary
    lines = [match.end() for match in re.finditer(b"\n", data)]
    assert stored(data, (), lines[:-1]) == _MASK + ordinary


LONG = [
    b"token=%s;",
    b'"password": "%s"',
    b"Authorization: Bearer %s",
    b"Cookie: a=%s",
    b"-----BEGIN RSA PRIVATE KEY-----%s-----END RSA PRIVATE KEY-----",
    b"ghp_%s ",
    b"curl -u 'bob:%s'",
]


@pytest.mark.parametrize("shape", LONG)
@pytest.mark.parametrize("before", [0, 100, LONGEST_LINE - OVERLAP - 5, LONGEST_LINE - 3, 3 * LONGEST_LINE])
@pytest.mark.parametrize("size", [100, OVERLAP + 100, LONGEST_LINE, 5 * LONGEST_LINE + 7])
def test_a_secret_in_a_long_line_is_masked_to_its_end(shape: bytes, before: int, size: int) -> None:
    value = bytes(
        random.Random(size).choices(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=size)
    )
    data = (b"x, " * before)[:before] + b" " + shape % value + b" behind it\n"
    shown = stored(data, (), range(0, len(data), 50_000))
    assert shown == stored(data)
    assert len(shown) < before + 200
    assert not any(value[at : at + 12] in shown for at in range(0, size - 12, 6 + size // 500))
    assert b"BEGIN" in shape or b"Bearer" in shape or b"Cookie" in shape or shown.endswith(b" behind it\n")


@pytest.mark.parametrize("at", range(LONGEST_LINE - OVERLAP - 40, LONGEST_LINE - OVERLAP + 5, 3))
@pytest.mark.parametrize("filling", [b"x", b"ab,", b"\x1b[1mx\x1b[0m"])
def test_a_secret_is_masked_wherever_a_long_line_is_cut(at: int, filling: bytes) -> None:
    secrets = [plain(texts[0]).encode() for shape, texts in SECRETS.items() if shape != "private key"]
    data = b""
    for secret in secrets:  # one at each of the cuts
        data += (
            (filling * at)[: at // len(filling) * len(filling)] + b" " + secret.replace(b"\n", b" ") + b" "
        )
    shown = stored(data)
    assert [secret for texts in SECRETS.values() for marked in texts[:1] for secret in secrets_in(marked)
            if len(secret) > 8 and secret.encode() in shown] == []  # fmt: skip
    assert len(shown) > len(data) * 0.9


def test_a_value_is_masked_wherever_a_long_line_is_cut() -> None:
    value = random.Random(3).randbytes(6000).hex()
    for at in range(LONGEST_LINE - OVERLAP - len(value), LONGEST_LINE + 10, 997):
        data = b"x" * at + value.encode() + b"y" * LONGEST_LINE
        assert stored(data, [value]) == b"x" * at + _MASK + b"y" * LONGEST_LINE


def test_a_quote_that_is_escaped_at_a_cut_does_not_end_a_value() -> None:
    value = rb"a\"b" * LONGEST_LINE
    for before in range(8):
        data = b"x" * before + b' password="' + value + b'" z\n'
        assert stored(data) == b"x" * before + b' password="[redacted]" z\n'


def test_lines_that_are_kept_back_are_not_looked_at_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b"line %d of a value of many lines\n" % number for number in range(500)]
    counting = _Counting(monkeypatch)
    data = b"".join(lines[:-1]) * 5
    cuts = [match.end() for match in re.finditer(b"\n", data)]
    stored(data, [b"".join(lines)], cuts[:-1])
    assert counting.bytes < 8 * len(data)


def test_memory_is_bounded() -> None:
    redactor = Redactor(VALUES)
    piece = b"x" * 65536
    redactor.feed(piece * 4)
    tracemalloc.start()
    try:
        for _ in range(1000):
            redactor.feed(piece)
        assert tracemalloc.get_traced_memory()[1] < 16 * LONGEST_LINE
    finally:
        tracemalloc.stop()


HOSTILE = [
    b"x",
    b"-----BEGIN ",
    b"-----BEGIN RSA PRIVATE KEY-----",
    b"-----BEGIN RSA PRIVATE KEY-----\n",
    b"token=",
    b"token = f(",
    b"password: ",
    b"--token ",
    b"--",
    b"://",
    b"://a@",
    b"://a:b",
    b"curl -u a:",
    b"eyJaaaaaaaa.",
    b"sk-a1",
    b"AKIA",
    b"\x1b[1m",
    b"\x1b[",
    b"first line\n",
    b"ab ab\n",
    b"hunter2x",
    b'"',
    b"\\",
    b"\n",
]  # fmt: skip


class _Counting:
    """Counts the bytes in which secrets are looked for."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        find = Finder.find

        def counting(finder: Finder, text: bytes, came: int = 0) -> list[Found]:
            self.bytes += len(text)
            return find(finder, text, came)

        patch.setattr(Finder, "find", counting)


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("size", [100, 1 << 20])
def test_each_byte_is_looked_at_a_few_times_at_most(
    piece: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = _Counting(monkeypatch)
    data = piece * (1_000_000 // len(piece))
    started = time.process_time()
    stored(data, VALUES, range(size, len(data), size))
    assert counting.bytes < 3 * len(data)
    assert time.process_time() - started < 10  # what is quadratic in a part of a line takes longer
