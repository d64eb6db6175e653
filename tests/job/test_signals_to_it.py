"""Signals reach a command behind `e3-event run` as often as without it, whoever they are sent to."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from cli.command import COMMAND, DEADLINE
from job.scenario import PLAIN, PYTHON, WRAPPED, until

#: Says which signals it gets, one a line, until it gets SIGUSR2.
HEARS = """
import signal
signals = signal.valid_signals() - {signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
print("ready", flush=True)
while (number := signal.sigwait(signals)) != signal.SIGUSR2:
    print(number, flush=True)
"""
#: Signals that can be for a command.
SENT = [
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH),
    *(signal.SIGTSTP, signal.SIGCONT, signal.SIGALRM, signal.SIGRTMIN + 2),
]


@contextmanager
def running(
    front: Sequence[str], *command: str, pass_fds: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it as a shell does, in a process group of its own, until it has said that it is ready."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*front, *command],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        bufsize=0,
        process_group=0,
        pass_fds=pass_fds,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            yield process
            process.wait(DEADLINE)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def to_it(process: subprocess.Popen[bytes], number: int) -> None:
    """As `docker stop` or a supervisor does."""
    process.send_signal(number)


def to_its_group(process: subprocess.Popen[bytes], number: int) -> None:
    """As a shell or a CI runner does."""
    os.killpg(process.pid, number)


def to_each_of_them(process: subprocess.Popen[bytes], number: int) -> None:
    """As systemd does with a control group, and Jenkins with what has its mark."""
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
        try:
            if os.getpgid(pid) == process.pid:
                os.kill(pid, number)
        except ProcessLookupError:  # it has ended meanwhile
            pass


@pytest.mark.parametrize("front", [PLAIN, WRAPPED], ids=["plain", "wrapped"])
@pytest.mark.parametrize("send", [to_it, to_its_group])
def test_each_signal_is_heard_once(
    send: Callable[[subprocess.Popen[bytes], int], None], front: Sequence[str]
) -> None:
    with running(front, PYTHON, "-c", HEARS) as process:
        assert process.stdout
        for number in SENT:
            send(process, number)
            assert process.stdout.readline() == b"%d\n" % number
        process.send_signal(signal.SIGUSR2)
        assert process.stdout.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_every_process_is_heard_once(number: int) -> None:
    with running(WRAPPED, PYTHON, "-c", HEARS) as process:
        assert process.stdout
        to_each_of_them(process, number)
        process.send_signal(signal.SIGUSR2)
        assert process.stdout.read() == b"%d\n" % number


def test_where_there_is_no_cat_signals_are_heard_once_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/no/such/folder")
    with running(WRAPPED, PYTHON, "-c", HEARS) as process:
        assert process.stdout
        for number in SENT:
            to_its_group(process, number)
            assert process.stdout.readline() == b"%d\n" % number
        process.send_signal(signal.SIGUSR2)
        assert process.stdout.read() == b""


@pytest.mark.parametrize("front", [PLAIN, WRAPPED], ids=["plain", "wrapped"])
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1]
)
@pytest.mark.parametrize("send", [to_it, to_its_group])
def test_a_command_dies_of_a_signal_as_without_us(
    send: Callable[[subprocess.Popen[bytes], int], None], number: int, front: Sequence[str]
) -> None:
    with running(front, "sh", "-c", "echo ready; exec sleep 300") as process:
        send(process, number)
    assert process.returncode == -number


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def stop_of(process: subprocess.Popen[bytes]) -> int:
    """Wait until it stops, as a shell does; return the signal that stopped it."""
    stops: list[int] = []

    def has_stopped() -> bool:
        pid, status = os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG)
        stops.extend([os.WSTOPSIG(status)] if pid else [])
        return bool(pid)

    until(has_stopped)
    return stops[0]


#: Says its number, and echoes lines.
ECHOES = "echo ready; echo $$; exec cat"


@pytest.mark.parametrize("send", [to_it, to_its_group])
def test_both_stop_and_both_go_on(send: Callable[[subprocess.Popen[bytes], int], None]) -> None:
    with running(WRAPPED, "sh", "-c", ECHOES) as process:
        assert process.stdin
        assert process.stdout
        command = int(process.stdout.readline())
        for _ in range(3):
            send(process, signal.SIGTSTP)
            assert stop_of(process) == signal.SIGTSTP
            assert state_of(command) == "T"
            send(process, signal.SIGCONT)
            process.stdin.write(b"x\n")
            assert process.stdout.readline() == b"x\n"
        process.stdin.close()
    assert process.returncode == 0


def test_stopped_by_force_both_stop_and_go_on_too() -> None:
    with running(WRAPPED, "sh", "-c", ECHOES) as process:
        assert process.stdin
        assert process.stdout
        command = int(process.stdout.readline())
        to_its_group(process, signal.SIGSTOP)
        assert stop_of(process) == signal.SIGSTOP
        until(lambda: state_of(command) == "T")
        to_its_group(process, signal.SIGCONT)
        process.stdin.write(b"x\n")
        assert process.stdout.readline() == b"x\n"
        process.stdin.close()


def test_a_command_that_is_stopped_alone_may_be_continued_alone() -> None:
    """As cpulimit and debuggers do. If we stopped as well, nobody would continue us."""
    with running(WRAPPED, "sh", "-c", ECHOES) as process:
        assert process.stdin
        assert process.stdout
        command = int(process.stdout.readline())
        for number in (signal.SIGSTOP, signal.SIGTSTP) * 2:
            os.kill(command, number)
            until(lambda: state_of(command) == "T")
            os.kill(command, signal.SIGCONT)
            process.stdin.write(b"x\n")
            assert process.stdout.readline() == b"x\n"
            assert state_of(process.pid) != "T"
        process.stdin.close()


def test_a_command_that_does_not_stop_does_not_stop_us() -> None:
    with running(WRAPPED, PYTHON, "-c", HEARS) as process:
        assert process.stdout
        for _ in range(3):
            to_its_group(process, signal.SIGTSTP)
            assert process.stdout.readline() == b"%d\n" % signal.SIGTSTP
            assert state_of(process.pid) != "T"
        to_its_group(process, signal.SIGUSR2)
    assert process.returncode == 0


def test_a_signal_at_any_moment_of_the_start_ends_it() -> None:
    """Also one that comes before the command is there."""
    command = [*WRAPPED, "sleep", "300"]
    processes = [subprocess.Popen(command, process_group=0) for _ in range(12)]
    for process in processes:
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            process.terminate()
    assert {process.wait(DEADLINE) for process in processes} == {-signal.SIGTERM}
    deadline = time.monotonic() + DEADLINE
    while any(map(has_group, processes)):  # nothing is left of it; the witness may need a moment
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_group(process: subprocess.Popen[bytes]) -> bool:
    """Is any process of its group left?"""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("arguments", [[], ["--timeout", "1h"]])
def test_when_we_are_killed_the_command_goes_on_until_it_writes(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    script = f"echo ready; read line; echo here >&{writing}; echo nobody reads; echo on >&{writing}"
    with running((*COMMAND, "run", *arguments), "bash", "-c", script, pass_fds=[writing]) as process:
        os.close(writing)
        process.kill()
        process.wait(DEADLINE)
        assert process.stdin
        process.stdin.write(b"\n")
        with open(reading) as file:
            assert file.read() == "here\n"  # at its end no process of ours is left
