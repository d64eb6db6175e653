"""A limit of time: everything that a command has started is ended, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.command import COMMAND, DEADLINE, kept, spool_of
from e3_event import run
from job.scenario import PYTHON, Seen, is_alive, see

SOON = ("--timeout", "0.5s")
#: Has a child and a daemon with a session of its own; all of them write down their numbers.
FAMILY = """
import os, signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
def note():
    with open("pids", "a") as file:
        print(os.getpid(), file=file)
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in (0, 1, 2):
                os.close(fd)
            note()
            time.sleep(300)
        os._exit(0)
    note()
    time.sleep(300)
note()
print("begun", flush=True)
time.sleep(300)
"""


def timed(folder: Path, *arguments: str, front: Sequence[str] = SOON) -> Seen:
    """Run a program in this folder, with a limit of time."""
    return see([*COMMAND, "run", *front, "--", *arguments], cwd=folder)


def pids(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()]


@pytest.mark.parametrize("pty", [(), ("--pty",)], ids=["pipes", "pty"])
def test_all_of_it_is_told_to_end(pty: Sequence[str], tmp_path: Path, private_environment: Path) -> None:
    bystander = subprocess.Popen(["sleep", "300"])
    seen = timed(tmp_path, PYTHON, "-c", FAMILY, front=[*SOON, *pty])
    assert (seen.code, seen.err) == (124, b"")
    assert len(pids(tmp_path)) == 3
    assert not any(map(is_alive, pids(tmp_path)))
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait(DEADLINE)
    (event,) = kept(spool_of(private_environment))
    assert (event.status, event.signal) == ("timeout", "SIGTERM")
    assert 0.5 < event.duration < DEADLINE


@pytest.mark.parametrize("pty", [(), ("--pty",)], ids=["pipes", "pty"])
def test_what_does_not_listen_is_killed(
    pty: Sequence[str], tmp_path: Path, private_environment: Path
) -> None:
    front = [*SOON, "--kill-after", "0.3s", *pty]
    assert timed(tmp_path, PYTHON, "-c", FAMILY, "deaf", front=front).code == 124
    assert len(pids(tmp_path)) == 3
    assert not any(map(is_alive, pids(tmp_path)))
    (event,) = kept(spool_of(private_environment))
    assert (event.status, event.signal) == ("timeout", "SIGKILL")


def test_a_child_that_does_not_listen_is_killed_when_the_command_has_ended(tmp_path: Path) -> None:
    script = "(trap '' TERM; exec sleep 300) >/dev/null 2>&1 & echo $! >pids; exec sleep 300"
    assert timed(tmp_path, "sh", "-c", script, front=[*SOON, "--kill-after", "0.3s"]).code == 124
    assert not is_alive(*pids(tmp_path))


def test_it_may_tidy_up_and_its_exit_code_is_in_the_event(tmp_path: Path, private_environment: Path) -> None:
    script = "trap 'echo tidy; exit 3' TERM; echo begun; while :; do sleep 0.1; done"
    assert timed(tmp_path, "sh", "-c", script).out == b"begun\ntidy\n"
    (event,) = kept(spool_of(private_environment))
    assert (event.status, event.exit_code) == ("timeout", 3)


def test_a_stopped_one_ends_too(tmp_path: Path) -> None:
    assert timed(tmp_path, "sh", "-c", "kill -STOP $$").code == 124


def test_in_time_nothing_happens(tmp_path: Path) -> None:
    assert timed(tmp_path, "sh", "-c", "exit 3", front=["--timeout", "1h"]) == Seen(3, b"", b"")


def test_a_reader_that_reads_nothing_does_not_hold_it_up() -> None:
    reading, writing = os.pipe()
    command = [*COMMAND, "run", *SOON, "yes"]
    with subprocess.Popen(command, stdout=writing) as process:
        os.close(writing)
        assert process.wait(DEADLINE) == 124
    os.close(reading)


def test_the_script_that_calls_us_goes_on(tmp_path: Path) -> None:
    """It is in our process group, which is the command's."""
    script = (
        f"sleep 300 & {' '.join(COMMAND)} run --timeout 0.3s sh -c 'sleep 300'; echo $?; kill %1; echo $?"
    )
    assert see(["bash", "-c", script], cwd=tmp_path).out == b"124\n0\n"


def test_in_python_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program's own children are left alone."""
    monkeypatch.chdir(tmp_path)
    with subprocess.Popen(["sleep", "300"]) as bystander:
        job = run([PYTHON, "-c", FAMILY, "deaf"], timeout=0.5, kill_after=0.3, echo=False)
        ending = job.ending
        assert (ending.timed_out, ending.status, ending.signal) == (True, "timeout", signal.SIGKILL)
        assert bystander.poll() is None
        bystander.kill()
    (left,) = (pid for pid in pids(tmp_path) if is_alive(pid))  # only `e3-event run` adopts a daemon
    os.kill(left, signal.SIGKILL)
