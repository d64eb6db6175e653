"""Commands that are run again, and locks by which they do not overlap."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.command import DEADLINE, kept, spool_of, start
from cli.command import e3_event as command
from e3_event import EventError, run

#: Fails as often as its first argument says, by its second, and counts in a file beside.
COUNTS = 'n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n; echo "try $n"; [ $n -ge $1 ] || eval "$2"'


def log_of(event: object) -> bytes:
    with event.attachments[0].open() as file:  # type: ignore[attr-defined]
        content: bytes = file.read()
        return content


@pytest.mark.parametrize("front", [(), ("--pty",)], ids=["pipes", "a terminal"])
def test_it_is_run_again_until_it_succeeds(
    front: tuple[str, ...], tmp_path: Path, private_environment: Path
) -> None:
    again = ("--retries", "5", "--retry-delay", "10ms", *front)
    done = command("run", *again, "--", "sh", "-c", COUNTS, "-", "2", "exit 3", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.split() == b"try 0 try 1 try 2".split()
    told = [line.decode() for line in done.stderr.splitlines()]
    assert told == [f"e3-event: attempt {number} of 6 has failed: exit code 3" for number in (1, 2)]
    (event,) = kept(spool_of(private_environment))
    assert (event.status, event.exit_code, event.attempts) == ("ok", 0, 3)
    log = log_of(event).replace(b"\r", b"")
    assert log == (
        b"try 0\n\n[e3-event: attempt 1 of 6 has failed: exit code 3]\n"
        b"try 1\n\n[e3-event: attempt 2 of 6 has failed: exit code 3]\n"
        b"try 2\n"
    )


@pytest.mark.parametrize(
    ("options", "how", "code", "status"),
    [
        ((), "exit 3", 3, "failed"),
        ((), "kill -9 $$", -9, "failed"),
        (("--timeout", "100ms"), "sleep 60", 124, "timeout"),
    ],
)
def test_it_ends_as_the_last_attempt(
    options: tuple[str, ...], how: str, code: int, status: str, tmp_path: Path, private_environment: Path
) -> None:
    again = ("--retries", "2", "--retry-delay", "0", *options)
    done = command("run", *again, "--", "sh", "-c", COUNTS, "-", "9", how, cwd=tmp_path)
    assert done.returncode == code
    assert done.stdout == b"try 0\ntry 1\ntry 2\n"
    (event,) = kept(spool_of(private_environment))
    assert (event.status, event.attempts) == (status, 3)


def test_what_can_not_be_started_is_not_tried_again(private_environment: Path) -> None:
    done = command("run", "--retries", "2", "no-such-program")
    assert done.returncode == 127
    assert done.stderr.count(b"\n") == 1
    (event,) = kept(spool_of(private_environment))
    assert event.attempts == 1


def test_what_fails_at_first_is_not_shown_if_it_is_quiet(tmp_path: Path) -> None:
    quiet = ("run", "--quiet", "--retries", "1", "--retry-delay", "0", "--", "sh", "-c", COUNTS, "-")
    done = command(*quiet, "1", "exit 3", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (tmp_path / "n").unlink()
    done = command(*quiet, "9", "exit 3", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"try 0\ntry 1\n", b"")


def test_who_waits_for_the_next_attempt_is_ended_by_a_signal(private_environment: Path) -> None:
    process = start("run", "--retries", "5", "--retry-delay", "1h", "--", "sh", "-c", "exit 3")
    assert process.stderr
    assert b"attempt 1 of 6" in process.stderr.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 3
    (event,) = kept(spool_of(private_environment))
    assert (event.status, event.attempts) == ("cancelled", 1)


def test_a_signal_to_the_command_ends_all_attempts(private_environment: Path) -> None:
    process = start("run", "--retries", "5", "--", "sh", "-c", "echo up; exec sleep 60")
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == -signal.SIGINT
    (event,) = kept(spool_of(private_environment))
    assert (event.status, event.signal, event.attempts) == ("cancelled", "SIGINT", 1)


def holding(name: str, *options: str) -> subprocess.Popen[bytes]:
    """Start a command that has the lock of this name, and goes on until its input ends."""
    process = start("run", "--lock", name, *options, "--", "sh", "-c", "echo up; cat")
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    return process


def test_one_that_overlaps_is_skipped_which_is_an_event(tmp_path: Path, private_environment: Path) -> None:
    first = holding("nightly")
    done = command("run", "--lock", "nightly", "--", "touch", str(tmp_path / "ran"))
    assert (done.returncode, done.stdout) == (75, b"")
    assert not (tmp_path / "ran").exists()
    who = rf"the lock nightly is held by process {first.pid}, since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(f"e3-event: {who}\n", done.stderr.decode())
    event = kept(spool_of(private_environment))[0]
    assert (event.name, event.status, event.duration) == ("touch", "skipped", 0)
    assert re.fullmatch(who, event.error)
    assert "exit_code" not in event
    assert event.attachments == ()
    assert command("run", "--quiet", "--lock", "nightly", "true").stderr == b""
    assert command("run", "--lock", "another", "--", "true").returncode == 0
    first.communicate(timeout=DEADLINE)
    assert command("run", "--lock", "nightly", "--", "true").returncode == 0


def test_a_lock_goes_with_the_process_however_that_ends(private_environment: Path) -> None:
    first = holding("nightly")
    first.kill()
    first.communicate(timeout=DEADLINE)
    assert command("run", "--lock", "nightly", "true").returncode == 0


def test_what_a_command_leaves_behind_does_not_keep_the_lock(private_environment: Path) -> None:
    script = "sleep 30 >/dev/null 2>&1 & echo $!"
    done = command("run", "--lock", "nightly", "--", "sh", "-c", script)
    assert command("run", "--lock", "nightly", "true").returncode == 0
    os.kill(int(done.stdout), signal.SIGKILL)


def test_it_waits_for_the_lock_if_it_is_told_to(private_environment: Path) -> None:
    first = holding("nightly")
    second = start("run", "--lock", "nightly", "--lock-wait", "1h", "--", "echo", "mine")
    time.sleep(0.5)
    assert second.poll() is None
    first.communicate(timeout=DEADLINE)
    assert second.communicate(timeout=DEADLINE) == (b"mine\n", b"")
    assert second.returncode == 0


def test_where_there_can_be_no_lock_it_runs_without_and_tells(
    private_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks = private_environment / ".local/state/e3-event/locks/nightly"
    locks.mkdir(parents=True)
    done = command("run", "--lock", "nightly", "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (0, b"ran\n")
    assert done.stderr.startswith(b"e3-event: it runs without the lock nightly: IsADirectoryError")
    assert done.stderr.count(b"\n") == 1
    (event,) = kept(spool_of(private_environment))
    assert len(event.problems) == 1
    assert event.problems[0].startswith("it runs without the lock nightly: ")


@pytest.mark.parametrize("name", ["", "a/b", ".", "..", "x" * 300])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    done = command("run", "--lock", name, "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"the name of a lock is a word" in done.stderr
    with pytest.raises(EventError, match="the name of a lock"):
        run(["true"], lock=name)


def test_in_python_it_is_the_same(tmp_path: Path, private_environment: Path) -> None:
    script = COUNTS.replace("n=$(cat n", f"cd {tmp_path}; n=$(cat n")
    done = run(["sh", "-c", script, "-", "1", "exit 3"], retries=3, retry_delay=0, echo=False)
    assert (done.ok, done.ending.attempts, done.event.attempts) == (True, 2, 2)
    program = "import e3_event, sys; sys.exit(e3_event.run(['true'], lock='nightly').status != 'skipped')"
    first = holding("nightly")
    assert run(["true"], lock="nightly").returncode is None
    subprocess.run([sys.executable, "-c", program], check=True)
    first.communicate(timeout=DEADLINE)
