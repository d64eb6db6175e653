"""The output of a command behind `e3-event run`: nobody waits for what they would not wait for without us."""

from __future__ import annotations

import hashlib
import os
import resource
import socket
import subprocess
from pathlib import Path

import pytest

from cli.command import COMMAND, DEADLINE, start
from job.scenario import PYTHON

#: Fills stdout until it takes no more, then says so on stderr and waits for a line.
FILLS = """
import os, select
os.set_blocking(1, False)
size = 0
while select.select([], [1], [], 0.5)[1]:
    size += os.write(1, bytes(1 << 16))
os.write(2, b"%d\\n" % size)
os.read(0, 1)
"""


def test_a_command_whose_reader_reads_nothing_waits_and_can_still_complain() -> None:
    with start("run", PYTHON, "-c", FILLS) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        size = int(process.stderr.readline())
        assert 65536 < size < 1 << 20
        process.stdin.write(b"\n")
        assert len(process.stdout.read()) == size
    assert process.returncode == 0


def test_the_reader_sees_the_end_when_the_command_closes_its_output() -> None:
    with start("run", "sh", "-c", "echo x; exec >&-; read line; exit 5") as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.read() == b"x\n"
        assert process.poll() is None
        process.stdin.write(b"\n")
    assert process.returncode == 5


def test_the_reader_sees_the_end_before_the_event_is_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={tmp_path}")
    code = (
        "import sys, time, e3_event.cli\n"
        "from e3_event.handler.file import FileHandler\n"
        "FileHandler.send_events = lambda *_: sys.stdin.read(1)\n"
        "e3_event.cli.main(['run', '--flush-timeout', '1m', 'sh', '-c', 'echo x; exec <&-'])\n"
    )
    with subprocess.Popen(
        [PYTHON, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.read() == b"x\n"
        assert process.poll() is None
        assert not list(tmp_path.glob("*.json"))
    assert process.returncode == 0


def test_a_silent_command_is_told_at_once_that_its_reader_is_gone() -> None:
    """As `tail -f` finds out by waiting for it: its side of the pipe has no reader any more."""
    script = "import select; p = select.poll(); p.register(1, 0); p.poll(); raise SystemExit(8)"
    with start("run", PYTHON, "-c", script) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait(DEADLINE) == 8


def test_the_descriptors_of_others_are_not_made_non_blocking() -> None:
    reading, writing = os.pipe()
    with start("run", "sh", "-c", "echo x; read line", stdout=writing, stderr=writing):
        assert os.read(reading, 10) == b"x\n"
        assert os.get_blocking(writing)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("kind", ["pipe", "socket", "pipe of another user"])
def test_a_slow_reader_gets_everything_in_order(kind: str, blocking: bool) -> None:
    """A socket can't be opened once more, nor a pipe of another user: small pieces are written there."""
    if kind == "socket":
        ours, theirs = (end.detach() for end in socket.socketpair())
    else:
        ours, theirs = os.pipe()
    front = []
    if kind == "pipe of another user":
        if os.geteuid():
            pytest.skip("only root can make one")
        os.fchown(theirs, 12345, 12345)
        os.fchmod(theirs, 0)
        front = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]  # else root may do everything
    os.set_blocking(theirs, blocking)
    command = [*front, *COMMAND, "run", "seq", "400000"]
    with subprocess.Popen(command, stdout=theirs) as process:
        os.close(theirs)
        digest = hashlib.sha256()
        while piece := os.read(ours, 3000):
            digest.update(piece)
    os.close(ours)
    assert process.returncode == 0
    assert digest.digest() == hashlib.sha256(b"".join(b"%d\n" % n for n in range(1, 400_001))).digest()


def test_memory_is_flat_with_a_gigabyte_of_output() -> None:
    def peak(size: str) -> int:
        """Peak memory in KiB, ours and the command's, when so much is printed and read."""
        code = (
            "import resource, subprocess, sys\n"
            "one = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)\n"
            "two = subprocess.run(['wc', '-c'], stdin=one.stdout, check=True)\n"
            "assert one.wait() == 0\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        )
        command = [PYTHON, "-c", code, *COMMAND, "run", "--", "head", "-c", size, "/dev/zero"]
        printed = subprocess.run(command, capture_output=True, timeout=DEADLINE, check=True, preexec_fn=limit)
        read, peak = printed.stdout.split()
        assert int(read) == {"1M": 1 << 20, "1G": 1 << 30}[size]
        return int(peak)

    def limit() -> None:
        """The log ends here, so that the disk has not to take all of it."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (80 << 20, 80 << 20))

    assert peak("1G") - peak("1M") < 4 * 1024
