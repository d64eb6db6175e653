"""Which variables hold secrets, and in which forms these are masked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e3_event._redaction import secrets_of
from e3_event._redaction._values import forms_of, is_trivial
from redaction.streams import stored

SECRET_NAMES = [
    *("DB_PASSWORD", "PGPASSWORD", "MYSQL_PWD", "SSH_PASSPHRASE", "TOKEN", "GITHUB_TOKEN", "x__authToken"),
    *("AWS_SECRET_ACCESS_KEY", "API_KEY", "apikey", "STRIPE_API_KEY_2", "CLIENT_SECRET", "SECRET_KEY_BASE"),
    *("AZURE_CREDENTIALS", "DEPLOY_PRIVATE_KEY", "DB_PASS", "TF_VAR_password"),
]  # fmt: skip
OTHER_NAMES = [
    *("PATH", "HOME", "PWD", "OLDPWD", "KEYBOARD", "MAX_TOKENS", "PASSWORD_FILE", "AWS_ACCESS_KEY_ID"),
    *("SSH_KEY", "TOKEN_URL", "SSH_AUTH_SOCK", "AUTHOR", "COMPASS", "SECRETARY", "MONKEY", "GPG_KEY_ID"),
    "DATABASE_URL",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_variable_whose_name_says_so_holds_a_secret(name: str) -> None:
    assert secrets_of({name: "hunter2x"}) == {b"hunter2x": name}


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_variables_hold_none(name: str) -> None:
    assert secrets_of({name: "hunter2x"}) == {}


def test_variables_that_are_named_hold_secrets() -> None:
    environ = {
        "DATABASE_URL": "db://hunter2",
        "DEPLOY_A": "secret-a",
        "DEPLOY_B": "secret-b",
        "deploy_c": "secret-c",
    }
    assert secrets_of(environ, ["DATABASE_URL", "DEPLOY_*", "NOT_SET"]) == {
        b"db://hunter2": "DATABASE_URL",
        b"secret-a": "DEPLOY_A",
        b"secret-b": "DEPLOY_B",
    }


@pytest.mark.parametrize(
    "value",
    ["", "x", "12345", "true", "FALSE", "none", "password", "Secret", "postgres", "changeme", "undefined",
     "******", "0000000000", "     ", "\n\n\n\n\n\n\n\n"],
)  # fmt: skip
def test_what_is_short_or_common_is_no_secret(value: str) -> None:
    assert secrets_of({"DB_PASSWORD": value, "X": value}, ["X"]) == {}
    data = f"a {value} b\n".encode()
    assert stored(data, [value]) == data


def test_what_is_trivial_is_told_by_length_word_and_monotony() -> None:
    assert all(map(is_trivial, (b"12345", b"postgres", b"xxxxxx")))
    assert not any(map(is_trivial, (b"123456", b"postgres1", b"xxxxxy")))


def test_the_path_of_a_file_that_is_there_is_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    environ = {"CLOUD_CREDENTIALS": str(path)}
    assert secrets_of(environ) == {bytes(path): "CLOUD_CREDENTIALS"}
    path.touch()
    assert secrets_of(environ) == {}
    assert secrets_of(environ, ["CLOUD_*"]) == {bytes(path): "CLOUD_CREDENTIALS"}


def test_white_space_around_a_value_does_not_count() -> None:
    assert secrets_of({"TOKEN": " hunter2x\n"}) == {b"hunter2x": "TOKEN"}
    assert stored(b"a hunter2x b\n", [" hunter2x\n"]) == b"a [redacted] b\n"


def test_a_value_that_is_no_text_is_taken_as_the_environment_has_it() -> None:
    assert secrets_of({"TOKEN": os.fsdecode(b"hunter\xff2")}) == {b"hunter\xff2": "TOKEN"}


def test_a_simple_value_has_one_form() -> None:
    assert set(forms_of(b"hunter2-x_y.z~")) == {b"hunter2-x_y.z~"}


PRINTED = [
    "curl https://example.net/?q=«p%40ss%20w%22rd%2F%5C»&x=1",
    '{"value": "«p@ss w\\"rd/\\\\»"}',
    "it is «p@ss w\"rd/\\».",
]  # fmt: skip


@pytest.mark.parametrize("marked", PRINTED)
def test_a_value_is_masked_in_the_forms_of_urls_and_json(marked: str) -> None:
    head, _, rest = marked.partition("«")
    secret, _, tail = rest.partition("»")
    assert (
        stored(f"{head}{secret}{tail}\n".encode(), ['p@ss w"rd/\\']) == f"{head}[redacted]{tail}\n".encode()
    )


LINES = "a first line of it\nshort\r\n-----BEGIN CERTIFICATE-----\nand the last line of it"


def test_a_value_of_several_lines_has_them_all_and_each_long_one_as_forms() -> None:
    forms = set(forms_of(LINES.encode()))
    assert b"\r\n".join(LINES.encode().splitlines()) in forms
    assert b"\n".join(LINES.encode().splitlines()) in forms
    assert rb"a first line of it\nshort\r\n-----BEGIN CERTIFICATE-----\nand the last line of it" in forms
    assert {b"a first line of it", b"and the last line of it"} < forms
    assert not forms & {b"short", b"-----BEGIN CERTIFICATE-----"}


def test_a_value_of_very_many_lines_is_known_by_its_long_ones() -> None:
    value = b"\n".join([b"x%d" % number for number in range(2000)] + [b"a line that is long"])
    assert value not in set(forms_of(value))
    assert stored(b"> a line that is long\nx5\n", [value]) == b"> [redacted]\nx5\n"
