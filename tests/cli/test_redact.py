"""`redact`: what redaction masks is shown with its reason, or masked in a stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.command import COMMAND, DEADLINE, e3_event, start
from cli.terminal import on_terminal

LOG = (
    "compiled 214 files\n"
    "\x1b[1mDB_PASSWORD=hunter2x\x1b[0m https://bob:hunter3@example.net/ ok\n"
    "it is hunter2x\n"
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- and token=abc\r\n"
    "done"
)
SHOWN = (
    "2: DB_PASSWORD=[redacted] https://bob:[redacted]@example.net/ ok"
    "  # name = value, variable DB_PASSWORD, password in a URL\n"
    "3: it is [redacted]  # variable DB_PASSWORD\n"
    "4: [redacted]  # private key\n"
    "6:  and token=[redacted]\\r  # name = value\n"
)
FILTERED = (
    "compiled 214 files\n"
    "\x1b[1mDB_PASSWORD=[redacted]\x1b[0m https://bob:[redacted]@example.net/ ok\n"
    "it is [redacted]\n"
    "[redacted] and token=[redacted]\r\n"
    "done"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "build.log"
    path.write_text(LOG, newline="")
    return path


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2x")


def test_a_test_shows_what_is_masked_and_why(log: Path) -> None:
    done = e3_event("redact", "--test", log)
    assert done.stdout.decode() == SHOWN
    assert done.stderr.decode() == "e3-event: masked in 4 of 7 lines\n"
    assert done.returncode == 1


def test_a_test_of_stdin_is_the_same(log: Path) -> None:
    assert e3_event("redact", "--test", "-", stdin=log.read_bytes()).stdout.decode() == SHOWN


def test_a_test_that_finds_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("nothing\nto see\n")
    done = e3_event("redact", "--test", tmp_path / "log")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == "e3-event: nothing is masked in 2 lines\n"
    assert (
        e3_event("redact", "--test", os.devnull).stderr.decode() == "e3-event: nothing is masked in 0 lines\n"
    )


def test_a_test_for_programs(log: Path) -> None:
    done = e3_event("redact", "--test", log, "--json")
    found = json.loads(done.stdout)
    assert [(line["line"], line["names"]) for line in found] == [
        (2, ["name = value", "variable DB_PASSWORD", "password in a URL"]),
        (3, ["variable DB_PASSWORD"]),
        (4, ["private key"]),
        (6, ["name = value"]),
    ]
    assert found[3]["text"] == " and token=[redacted]\r"
    assert (done.returncode, done.stderr) == (1, b"")
    assert e3_event("redact", "--test", os.devnull, "--json").stdout == b"[]\n"


def test_lines_are_counted_whatever_their_length_and_number(tmp_path: Path) -> None:
    line = "x" * 70 + "\n"
    text = (
        line * 3000
        + f"{'y' * 200_000} token=abc {'y' * 100_000} token=abc {'y' * 100_000}\n"
        + line
        + "token=abc"
    )
    (tmp_path / "log").write_text(text)
    done = e3_event("redact", "--test", tmp_path / "log", "--json")
    assert [line["line"] for line in json.loads(done.stdout)] == [3001, 3001, 3003]
    done = e3_event("redact", "--test", tmp_path / "log")
    assert done.stderr.decode() == "e3-event: masked in 2 of 3,003 lines\n"


def test_a_stream_is_filtered(log: Path) -> None:
    done = e3_event("redact", stdin=log.read_bytes())
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, FILTERED, b"")


def test_what_passes_the_filter_is_the_same_bytes() -> None:
    data = os.urandom(300_000).replace(b":", b"").replace(b"=", b"")
    assert e3_event("redact", stdin=data).stdout == data


def test_a_line_passes_the_filter_when_it_is_complete() -> None:
    with start("redact") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"token=abc\nand ")
        assert process.stdout.read(100) == b"token=[redacted]\n"
        process.stdin.write(b"token=def")
        process.stdin.close()
        assert process.stdout.read(100) == b"and token=[redacted]"
        assert process.wait(DEADLINE) == 0


def test_variables_that_the_configuration_names_are_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "e3.toml").write_text('[redact]\nenv = ["DEPLOY_*"]\n')
    monkeypatch.setenv("DEPLOY_URL", "hidden.example.net")
    monkeypatch.setenv("OTHER", "seen.example.net")
    data = b"hidden.example.net seen.example.net\n"
    done = e3_event("--config", tmp_path / "e3.toml", "redact", stdin=data)
    assert done.stdout == b"[redacted] seen.example.net\n"
    assert e3_event("redact", stdin=data).stdout == data
    done = e3_event("--config", tmp_path / "e3.toml", "redact", "--test", "-", stdin=data)
    assert done.stdout == b"1: [redacted] seen.example.net  # variable DEPLOY_URL\n"


def test_that_redaction_is_off_is_told(tmp_path: Path) -> None:
    (tmp_path / "e3.toml").write_text('[redact]\nscope = "nothing"\n')
    done = e3_event("--config", tmp_path / "e3.toml", "redact", stdin=b"token=abc\n")
    assert done.stdout == b"token=[redacted]\n"
    assert b'redact.scope = "nothing"' in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("name", ["no-such.log", "."])
def test_a_file_that_can_not_be_read_is_one_line(name: str) -> None:
    done = e3_event("redact", "--test", name)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(f"e3-event: {name}: ".encode())
    assert done.stderr.count(b"\n") == 1


def test_a_wrong_configuration_is_told_and_nothing_is_printed(tmp_path: Path) -> None:
    (tmp_path / "e3.toml").write_text("[redact]\nenv = 5\n")
    done = e3_event("--config", tmp_path / "e3.toml", "redact", stdin=b"token=abc\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"line 2: redact.env: a list of names of variables is needed, not 5" in done.stderr


def test_json_goes_with_a_test_only() -> None:
    done = e3_event("redact", "--json")
    assert (done.returncode, done.stderr) == (2, b"e3-event redact: --json goes with --test FILE\n")


def test_a_filter_whose_reader_has_gone_ends() -> None:
    script = f"yes 'a line of text' | {sys.executable} -m e3_event redact | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=DEADLINE, check=False)
    assert (done.stdout, done.stderr) == (b"a line of text\n", b"")


def test_output_that_can_not_be_written_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "redact"],
            input=b"x\n",
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=DEADLINE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"e3-event: OSError: [Errno 28] No space left on device\n")


def test_on_a_terminal_the_text_is_harmless(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\x1b]0;title\x07 \xff \x1b[2J token=abc\n")
    code, shown = on_terminal("redact", "--test", str(tmp_path / "log"))
    assert code == 1
    assert "\x1b]0" not in shown
    assert "\x1b[2J" not in shown
    assert "token=[redacted]" in shown
