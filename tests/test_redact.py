"""Secrets are masked, ordinary text is not, and no text takes long."""

from __future__ import annotations

import time

import pytest

from e3_event._redact import _PLAIN, _SHORTEST, MASK, SHAPES, _pattern, redact, redact_command
from redaction.examples import ORDINARY, PIECES, SECRETS, masked, plain, secrets_in


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_masked_and_its_surroundings_stay(shape: str) -> None:
    for marked in SECRETS[shape]:
        assert secrets_in(marked)
        assert redact(plain(marked)) == masked(marked, MASK)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_masked_stays_as_it_is(shape: str) -> None:
    for marked in SECRETS[shape]:
        once = redact(plain(marked))
        assert redact(once) == once


def test_no_secret_is_taken_for_a_short_plain_word() -> None:
    for texts in SECRETS.values():
        for marked in texts:
            for secret in secrets_in(marked):
                if redact(secret) != secret:
                    assert len(secret) >= _SHORTEST or not _PLAIN.issuperset(secret)


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_text_is_unharmed(line: str) -> None:
    assert redact(line) == line


def test_ordinary_lines_are_unharmed_as_one_text() -> None:
    text = "\n".join(ORDINARY)
    assert redact(text) == text


def test_secrets_are_masked_wherever_they_stand_in_a_long_text() -> None:
    noise = "2026-11-22 21:57:54 step 17 of 99: compiling a.c\n" * 1000
    text = noise.join(plain(texts[0]) + "\n" for texts in SECRETS.values() if "BEGIN" not in texts[0])
    shown = redact(text)
    for texts in SECRETS.values():
        for secret in secrets_in(texts[0]):
            assert secret not in shown


@pytest.mark.parametrize("piece", PIECES)
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    """A pattern that needs quadratic time would take minutes for some of these."""
    for text in (
        piece * (60_000 // len(piece)),
        piece + "x" * 60_000,
        piece + " " * 60_000,
        "x" * 60_000 + piece,
    ):
        started = time.process_time()
        redact(text)
        assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["make", "-j4", "PASSWORD=a;b c"], ["make", "-j4", f"PASSWORD={MASK}"]),
        (["tool", "--token", "abc", "x"], ["tool", "--token", MASK, "x"]),
        (["tool", "--api-key=abc"], ["tool", f"--api-key={MASK}"]),
        (["tool", "--token", "--verbose"], ["tool", "--token", "--verbose"]),
        (["mysql", "-uroot", "-phunter2", "db"], ["mysql", "-uroot", f"-p{MASK}", "db"]),
        (["sudo", "/usr/bin/mysqldump", "-phunter2"], ["sudo", "/usr/bin/mysqldump", f"-p{MASK}"]),
        (["sshpass", "-p", "hunter2", "ssh", "h"], ["sshpass", "-p", MASK, "ssh", "h"]),
        (["docker", "login", "-u", "bob", "-p", "hunter2"], ["docker", "login", "-u", "bob", "-p", MASK]),
        (["redis-cli", "-a", "hunter2", "ping"], ["redis-cli", "-a", MASK, "ping"]),
        (["curl", "-u", "bob:two words", "https://h"], ["curl", "-u", f"bob:{MASK}", "https://h"]),
        (["curl", "-u", "bob", "https://h"], ["curl", "-u", "bob", "https://h"]),
        (["sh", "-c", "curl -u bob:hunter2 h"], ["sh", "-c", f"curl -u bob:{MASK} h"]),
        (["git", "clone", "https://b:pw@h/x"], ["git", "clone", f"https://b:{MASK}@h/x"]),
        (["mkdir", "-p", "a/b"], ["mkdir", "-p", "a/b"]),
        (["docker", "run", "-p", "80:80", "-u", "0:0"], ["docker", "run", "-p", "80:80", "-u", "0:0"]),
        (["sudo", "-u", "postgres", "psql"], ["sudo", "-u", "postgres", "psql"]),
        (["make", "MAX_TOKENS=5", "--tokenizer", "bert"], ["make", "MAX_TOKENS=5", "--tokenizer", "bert"]),
        ([], []),
    ],
)
def test_arguments_are_masked_by_what_stands_before_them(command: list[str], shown: list[str]) -> None:
    assert redact_command(command) == shown
    assert redact_command(shown) == shown


def test_no_pattern_is_compiled_for_what_has_no_trigger() -> None:
    _pattern.cache_clear()
    assert redact_command(["./nightly-build.sh", "--jobs", "4", "target=all of it"])[1] == "--jobs"
    assert _pattern.cache_info().currsize == 0
    assert redact("secret=hunter2hunter2") == f"secret={MASK}"
    assert _pattern.cache_info().currsize > 0


@pytest.mark.parametrize("name", ["pa\u017f\u017fword", "API_\u212aEY", "pr\u0131vate_key"])
def test_letters_that_count_as_others_hide_no_name(name: str) -> None:
    assert redact(f"{name}=hunter2hunter2") == f"{name}={MASK}"
    assert redact_command([f"{name}=hunter2hunter2"]) == [f"{name}={MASK}"]
