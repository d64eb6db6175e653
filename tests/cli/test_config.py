"""`e3-event config`, and the configuration file as every command uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.command import DEADLINE, Events, e3_event, kept, spool_of

SECRET = "hunter2-correct-horse"


@pytest.fixture
def events(tmp_path: Path) -> Events:
    """The events that go to the handler `archive` of `file`."""
    return Events(tmp_path / "archive")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "e3.toml"
    path.touch(0o600)
    path.write_text(f'[handlers.archive]\ntype = "file"\nlog_dir = "{tmp_path}/archive"\n')
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.toml"
    path.write_text('[spool]\nmax_sise = "1GB"\n[handlers.fil]\n')
    return path


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A file with a secret as such and one by reference, that only its owner can read."""
    path = tmp_path / "secrets.toml"
    path.touch(0o600)
    server = 'type = "smtp"\nsubject = "s"\nfrom_addr = "a@example.net"\nto_addr = "b@example.net"\n'
    server += 'smtp_servers = "mail.example.net"\nuser = "ci"\n'
    path.write_text(
        f'[handlers.literal]\n{server}password = "{SECRET}"\n'
        f'[handlers.reference]\n{server}password = {{ env = "SMTP_PASSWORD" }}\n'
    )
    return path


def lines(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    return done.stderr.decode().splitlines()


@pytest.mark.parametrize("command", [["send", "x"], ["run", "--name", "x", "true"]])
def test_events_go_to_the_handlers_of_the_file(command: list[str], file: Path, events: Events) -> None:
    assert e3_event("--config", file, *command).returncode == 0
    assert e3_event(*command, E3_EVENT_CONFIG=str(file)).returncode == 0
    assert [event["name"] for event in events.all()] == ["x", "x"]


def test_the_check_and_the_list_name_them_as_the_file_does(file: Path, events: Events) -> None:
    checked = e3_event("--config", file, "check")
    assert checked.stdout.splitlines()[1].startswith(b"archive  delivered in ")
    shown = json.loads(e3_event("--config", file, "handlers", "--json").stdout)
    assert shown["configured"] == [{"name": "archive", "configuration": str(events.folder)}]
    assert shown["configured_by"] == str(file)
    assert f"Configured ({file})" in e3_event("--config", file, "handlers").stdout.decode()


def test_a_program_that_records_uses_it_too(file: Path, events: Events) -> None:
    program = "import e3_event\nwith e3_event.record('x'): pass\n"
    environment = {**os.environ, "E3_EVENT_CONFIG": str(file)}
    subprocess.run([sys.executable, "-c", program], env=environment, timeout=DEADLINE, check=True)
    assert events.only()["name"] == "x"


def test_a_command_that_is_run_does_not_inherit_the_option(file: Path) -> None:
    done = e3_event("--config", file, "run", "sh", "-c", "echo ${E3_EVENT_CONFIG-unset}")
    assert done.stdout == b"unset\n"


def test_the_variable_with_handlers_takes_the_place_of_the_files(
    file: Path, events: Events, tmp_path: Path
) -> None:
    other = Events(tmp_path / "other")
    assert e3_event("--config", file, "send", "x", E3_EVENT_HANDLERS=f"file={other.folder}").returncode == 0
    assert other.only()["name"] == "x"
    assert not events.folder.exists()


@pytest.mark.parametrize(
    "command", [["send", "x"], ["check"], ["handlers"], ["config", "check"], ["config", "show"]]
)
def test_every_problem_of_a_wrong_file_is_one_line_and_nothing_is_sent(
    command: list[str], wrong: Path, private_environment: Path
) -> None:
    done = e3_event("--config", wrong, *command)
    assert done.returncode == 2
    first, second = lines(done)
    assert first == f"e3-event: {wrong}, line 2: spool.max_sise: no such key; did you mean max_size?"
    assert second.startswith(
        f'e3-event: {wrong}, line 3: handlers.fil.type: is missing, and no handler "fil"'
    )
    assert not (private_environment / ".local").exists()


def test_a_wrong_file_does_not_keep_a_command_from_running(wrong: Path, private_environment: Path) -> None:
    done = e3_event("--config", wrong, "run", "--name", "x", "sh", "-c", "exit 3")
    assert done.returncode == 3
    (line,) = lines(done)
    folder = spool_of(private_environment)
    assert line.startswith(f"e3-event: {wrong}, line 2: spool.max_sise")
    assert line.endswith(f"; events are kept in {folder}")
    assert [event.name for event in kept(folder)] == ["x"]


def test_a_file_that_is_named_has_to_be_there() -> None:
    for done in (
        e3_event("--config", "no.toml", "send", "x"),
        e3_event("send", "x", E3_EVENT_CONFIG="no.toml"),
    ):
        assert done.returncode == 2
        assert lines(done) == ["e3-event: no.toml: can't be read: No such file or directory"]


def test_a_file_is_checked(file: Path, wrong: Path) -> None:
    done = e3_event("config", "check", file)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{file}: right; handlers: archive\n"
    assert e3_event("--config", file, "config", "check", wrong).returncode == 2


def test_a_secret_that_can_not_be_read_here_is_told_by_the_check(secrets: Path) -> None:
    done = e3_event("config", "check", secrets)
    assert done.returncode == 0
    (line,) = lines(done)
    assert line == (
        f"e3-event: {secrets}, line 16: handlers.reference.password: the environment variable SMTP_PASSWORD,"
        " which should hold a secret, is not set"
    )
    assert lines(e3_event("config", "check", secrets, SMTP_PASSWORD="x")) == []


def test_a_secret_that_everybody_can_read_is_warned_about(secrets: Path) -> None:
    secrets.chmod(0o644)
    (line,) = lines(e3_event("config", "check", secrets, SMTP_PASSWORD="x"))
    assert line.startswith(f"e3-event: {secrets}, line 8: handlers.literal.password: a secret in a file that")
    assert SECRET not in line


def test_without_a_file_the_check_says_where_it_looked(private_environment: Path) -> None:
    done = e3_event("config", "check")
    assert done.returncode == 0
    own = private_environment / ".config/e3-event/config.toml"
    assert done.stdout.decode() == (
        f"there is no configuration file; looked for {own} and /etc/e3-event/config.toml\n"
    )


def entries(*arguments: str | Path, handlers: str = "") -> dict[str, tuple[Any, str]]:
    done = e3_event(*arguments, "config", "show", "--json", E3_EVENT_HANDLERS=handlers)
    shown = json.loads(done.stdout)
    return {".".join(entry["key"]): (entry["value"], entry["source"]) for entry in shown["entries"]}


def test_what_is_in_force_is_shown_with_where_it_comes_from(
    file: Path, events: Events, private_environment: Path
) -> None:
    with file.open("a") as text:
        text.write('retry.attempts = 3\n[spool]\nmax_size = "2GiB"\n[redact]\nenv = ["DB_URL"]\n')
    assert entries("--config", file) == {
        "spool.path": (str(spool_of(private_environment)), "default"),
        "spool.max_size": (2 << 30, f"{file}, line 6"),
        "spool.retention": (30 * 86400, "default"),
        "redact.scope": ("captured", "default"),
        "redact.env": (["DB_URL"], f"{file}, line 8"),
        "handlers.archive.type": ("file", f"{file}, line 2"),
        "handlers.archive.log_dir": (str(events.folder), f"{file}, line 3"),
        "handlers.archive.retry.attempts": (3, f"{file}, line 4"),
        "handlers.archive.retry.age": (5 * 86400, "default"),
        "handlers.archive.retry.first": (5, "default"),
        "handlers.archive.retry.longest": (3600, "default"),
        "handlers.archive.order": ("live", "default"),
        "handlers.archive.rate": (None, "default"),
        "handlers.archive.deadline": (300, "default"),
    }
    shown = e3_event("--config", file, "config", "show").stdout.decode().splitlines()
    assert [line.split() for line in shown[:2]] == [
        ["spool.path", "=", f'"{spool_of(private_environment)}"', "#", "default"],
        ["spool.max_size", "=", "2147483648", "#", f"{file},", "line", "6"],
    ]
    assert shown[4].split("#")[0].strip() == 'redact.env = ["DB_URL"]'


def test_handlers_of_the_variable_are_shown_in_place_of_the_files(file: Path) -> None:
    found = entries("--config", file, handlers="logging=build,20")
    assert found["handlers.logging"] == ("build,20", "E3_EVENT_HANDLERS")
    assert "handlers.archive.type" not in found


def test_without_a_file_the_usual_spool_is_shown_and_no_handler(private_environment: Path) -> None:
    found = entries()
    assert found["spool.path"] == (str(spool_of(private_environment)), "default")
    assert not any(key.startswith("handlers") for key in found)


def test_where_no_folder_takes_a_spool_the_reason_is_shown(private_environment: Path) -> None:
    (private_environment / ".local").touch()
    code = (
        "import e3_event.cli, e3_event._config._place as place;"
        f"place.FALLBACK = {str(private_environment / '.local')!r}; e3_event.cli.main(['config', 'show'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0
    first, *_ = done.stdout.decode().splitlines()
    assert first.split("#")[0].strip() == "spool.path = (not set)"
    assert "# no folder can take events: " in first


def test_the_spool_that_the_variable_names_is_shown(file: Path, tmp_path: Path) -> None:
    found = entries("--config", file, handlers=f"spool={tmp_path}/other|logging")
    assert found["spool.path"] == (f"{tmp_path}/other", "E3_EVENT_HANDLERS")


def test_a_spool_that_is_none_is_shown_so(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('spool = "none"\n')
    assert entries("--config", tmp_path / "c.toml")["spool"] == ("none", f"{tmp_path}/c.toml, line 1")


def test_secrets_are_not_shown(secrets: Path) -> None:
    found = entries("--config", secrets)
    assert found["handlers.literal.password"][0] == "[redacted]"
    assert found["handlers.reference.password"][0] == {"env": "SMTP_PASSWORD"}
    shown = e3_event("--config", secrets, "config", "show", SMTP_PASSWORD=SECRET)
    assert 'handlers.reference.password = { env = "SMTP_PASSWORD" }' in shown.stdout.decode()
    for output in (shown, e3_event("--config", secrets, "handlers", SMTP_PASSWORD=SECRET)):
        assert SECRET.encode() not in output.stdout + output.stderr


def test_hostile_text_of_a_file_is_harmless(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[handlers.file]\nlog_dir = "\\u001b[2J\\u202e"\n"\\u001b[2J" = 1\n')
    done = e3_event("--config", tmp_path / "c.toml", "config", "show")
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
    (tmp_path / "c.toml").write_text('[handlers.file]\nlog_dir = "\\u001b[2J\\u202e"\n')
    for command in (["config", "show"], ["config", "check"], ["handlers"]):
        done = e3_event("--config", tmp_path / "c.toml", *command)
        assert done.returncode == 0
        assert b"\x1b" not in done.stdout
        assert "\u202e" not in done.stdout.decode()
