"""Secrets in what is captured of commands and blocks are not stored, hashed, sent or logged."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import e3_event
from cli.command import Events, kept, spool_of, start
from cli.command import e3_event as command
from e3_event import EventError, run
from e3_event._redact import MASK
from redaction.examples import masked, secrets_in
from redaction.planted import plant

#: Prints a file to stdout and stderr in turn, whole lines each, in pieces that end anywhere.
TALK = """
import os, random, sys, time
choice = random.Random(1)
lines = open(sys.argv[1], "rb").read().split(sys.argv[2].encode())
for number, part in enumerate(lines):
    while part:
        size = choice.choice((1, 100, 5000, 70000))
        os.write(1 + number % 2, part[:size])
        part = part[size:]
"""
#: Between what goes to stdout and what goes to stderr: it stands in no log.
TURN = "<<turn>>\n"


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_none_of_a_thousand_secrets_of_a_log_is_in_spool_sinks_or_our_own_logs(
    tmp_path: Path, private_environment: Path
) -> None:
    planted = plant(4, 1000)
    lines = planted.marked.splitlines(keepends=True)
    parts = ["".join(lines[at : at + 997]) for at in range(0, len(lines), 997)]
    # A secret of several lines is one of one stream.
    while any(part.count("«") != part.count("»") for part in parts):
        number = next(n for n, part in enumerate(parts) if part.count("«") != part.count("»"))
        parts[number : number + 2] = ["".join(parts[number : number + 2])]
    data = TURN.join(part.replace("«", "").replace("»", "") for part in parts).encode()
    (tmp_path / "data").write_bytes(data)
    sinks = {"E3_EVENT_HANDLERS": f"file={tmp_path / 'sink'}|logging=build,INFO"}
    variables = {f"V{number}_TOKEN": value for number, value in enumerate(planted.values)}
    talk = [sys.executable, "-c", TALK, str(tmp_path / "data"), TURN]
    done = command("run", "--name", "talk", "--", *talk, env={**sinks, **variables})
    assert done.returncode == 0
    assert done.stdout == b"".join(data.split(TURN.encode())[::2])  # what the reader sees is untouched
    told = done.stderr.replace(b"".join(data.split(TURN.encode())[1::2]), b"")
    assert b"talk" in told  # the logging handler
    log = Events(tmp_path / "sink").attachment()
    assert log.count(MASK.encode()) == 1000
    for number in (0, 1):  # of both streams nothing else is changed
        for part in parts[number::2]:
            assert all(line in log for line in masked(part, MASK).encode().splitlines(keepends=True))
    assert len(log) == len(masked("".join(parts), MASK).encode())
    stored = all_bytes(private_environment) + all_bytes(tmp_path / "sink") + told
    assert [secret for secret in secrets_in(planted.marked) if secret.encode() in stored] == []


def test_the_hash_of_a_log_is_that_of_what_is_stored(private_environment: Path) -> None:
    command("run", "--", "sh", "-c", "echo token=abc123", env={})
    (event,) = kept(spool_of(private_environment))
    (log,) = event.attachments
    assert log.sha1 == hashlib.sha1(b"token=[redacted]\n").hexdigest()


def test_a_line_that_comes_in_pieces_from_both_streams_hides_nothing(private_environment: Path) -> None:
    script = "printf to >&2; printf 'tok'; printf 'ken=abc123\\n' >&2; sleep 0.05; printf 'en=abc456'"
    done = command("run", "--", "sh", "-c", script)
    assert (done.stdout, done.stderr) == (b"token=abc456", b"token=abc123\n")
    (event,) = kept(spool_of(private_environment))
    with event.attachments[0].open() as file:
        assert sorted(file.read().split()) == [b"token=[redacted]"] * 2


def test_nothing_is_stored_of_what_is_killed_while_a_secret_comes(private_environment: Path) -> None:
    script = "echo begins; echo DB_PASSWORD=first; printf 'DB_PASSWORD=hun'; sleep 60"
    process = start("run", "--", "sh", "-c", script, start_new_session=True)
    assert process.stdout
    while not process.stdout.read(4096).endswith(b"hun"):
        pass
    stored = b"begins\nDB_PASSWORD=[redacted]\n"
    runs = spool_of(private_environment) / "runs"
    while sum(part.stat().st_size for part in runs.glob("*.log*")) < len(stored):
        time.sleep(0.01)  # our reader is served first
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    command("send", "next")
    event = next(event for event in kept(spool_of(private_environment)) if event.name == "sh")
    assert event.status == "aborted"
    assert event.command[2].count("hun") == 0
    with event.attachments[0].open() as file:
        assert file.read() == stored


def test_values_of_variables_are_masked_in_the_command_line_and_in_errors(
    tmp_path: Path, private_environment: Path
) -> None:
    tool = tmp_path / "hunter2x"
    command("run", "--", "echo", "with hunter2x", env={"DB_PASSWORD": "hunter2x"})
    done = command("run", "--name", "none", "--", str(tool), env={"DB_PASSWORD": "hunter2x"})
    assert done.returncode == 127
    second, first = kept(spool_of(private_environment))
    assert first.command == ["echo", "with [redacted]"]
    assert second.error == f"{tmp_path}/[redacted]: command not found"


def test_a_traceback_of_a_recorded_block_has_no_values_of_variables(
    private_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2x")
    with pytest.raises(ValueError, match="hunter2x"), e3_event.record("x"):
        raise ValueError("no access with hunter2x")
    (event,) = kept(spool_of(private_environment))
    assert event.error == "ValueError: no access with [redacted]"
    assert "hunter2x" not in event.traceback
    assert "no access with [redacted]" in event.traceback


def test_redaction_can_be_switched_off(private_environment: Path) -> None:
    command("run", "--redact", "nothing", "--", "sh", "-c", "echo token=abc123")
    config = private_environment / "off.toml"
    config.write_text('[redact]\nscope = "nothing"\n')
    command("--config", config, "run", "--", "sh", "-c", "echo token=abc123")
    for event in kept(spool_of(private_environment)):
        assert event.command[2] == "echo token=abc123"
        with event.attachments[0].open() as file:
            assert file.read() == b"token=abc123\n"


def test_the_own_data_and_files_of_a_program_are_sent_as_they_are_unless_it_is_asked_for(
    tmp_path: Path, private_environment: Path
) -> None:
    (tmp_path / "notes").write_text("uses token=abc123\n")
    own = ("--data", "login=token=abc123", "--data", 'more:={"api_key": "k-1", "list": ["hunter2x", 5]}')
    files = ("--attach", f"notes={tmp_path / 'notes'}")
    env = {"DB_PASSWORD": "hunter2x"}
    for what in (("run", "--name", "x"), ("send", "x")):
        job = ("--", "true") if what[0] == "run" else ()
        for scope, login, more, notes in (
            ("captured", "token=abc123", {"api_key": "k-1", "list": ["hunter2x", 5]}, b"uses token=abc123\n"),
            ("all", "token=[redacted]", {"api_key": MASK, "list": [MASK, 5]}, b"uses token=[redacted]\n"),
        ):
            done = command(*what, "--redact", scope, *own, *files, *job, env=env)
            assert (done.returncode, done.stderr) == (0, b"")
            event = kept(spool_of(private_environment))[0]
            assert (event.login, event.more) == (login, more)
            attached = {attachment.name: attachment for attachment in event.attachments}
            with attached["notes"].open() as file:
                assert file.read() == notes
            assert attached["notes"].sha1 == hashlib.sha1(notes).hexdigest()
    assert (tmp_path / "notes").read_text() == "uses token=abc123\n"
    assert list((spool_of(private_environment) / "runs").iterdir()) == []


def test_all_is_masked_of_what_record_tells_also_where_no_spool_is(
    tmp_path: Path, private_environment: Path
) -> None:
    config = private_environment / "all.toml"
    config.write_text(f'spool = "none"\nredact.scope = "all"\nhandlers.file.log_dir = "{tmp_path}/sink"\n')
    (tmp_path / "notes").write_text("token=abc123\n")
    program = (
        "import e3_event, sys, tempfile\n"
        "with e3_event.record('x', login='token=abc123') as event:\n"
        f"    event.attach_file({str(tmp_path / 'notes')!r}, 'notes')\n"
        "    event.more = 'secret=s3'\n"
        "assert event.login == 'token=abc123'\n"
    )
    env = {**os.environ, "E3_EVENT_CONFIG": str(config), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    subprocess.run([sys.executable, "-c", program], env=env, check=True)
    found = Events(tmp_path / "sink")
    assert (found.only()["login"], found.only()["more"]) == ("token=[redacted]", "secret=[redacted]")
    assert found.attachment("notes") == b"token=[redacted]\n"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_is_killed_while_all_is_masked_has_none_of_it(tmp_path: Path, private_environment: Path) -> None:
    (tmp_path / "notes").write_text("token=abc123\n")
    own = ("--data", "login=token=abc123", "--attach", f"notes={tmp_path / 'notes'}")
    process = start(
        "run", "--redact", "all", *own, "--", "sh", "-c", "echo begins; sleep 60", start_new_session=True
    )
    assert process.stdout
    assert process.stdout.readline() == b"begins\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    command("send", "next")
    event = next(event for event in kept(spool_of(private_environment)) if event.name == "sh")
    assert event.login == "token=[redacted]"
    assert [attachment.name for attachment in event.attachments] == ["log"]


def test_a_file_that_can_not_be_masked_is_left_out(
    tmp_path: Path, private_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").write_text("token=abc123\n")
    monkeypatch.setattr("e3_event._masking._copy", _refuse)
    assert run(["true"], attachments={"notes": str(tmp_path / "notes")}, redact="all").ok
    (event,) = kept(spool_of(private_environment))
    assert event.attachments_left_out == {"notes": "secrets in it can't be masked: No space left on device"}
    assert [attachment.name for attachment in event.attachments] == ["log"]


def _refuse(*_: object) -> None:
    raise OSError(28, os.strerror(28))


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(EventError, match="`redact` is one of captured, all, nothing, not 'some'"):
        run(["true"], redact="some")
    done = command("run", "--redact", "some", "--", "true")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"'some'" in done.stderr
