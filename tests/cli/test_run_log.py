"""The log of `e3-event run`: how much of a long output it keeps, and what becomes of it in bad times."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.command import COMMAND, DEADLINE, Events, e3_event, kept, peak_memory, spool_of, start
from e3_event._pieces import find
from e3_event.handler_tools import attachments
from job.logs import LINE, check_parts


def cut(log: bytes) -> tuple[bytes, int, bytes]:
    """The beginning, how many bytes are missing, and the end."""
    head, count, tail = LINE.split(log)
    return head, int(count), tail


def test_of_a_gigabyte_the_beginning_and_the_true_end_are_kept_and_memory_is_flat(events: Events) -> None:
    last = 112_000_000
    size = sum((n + 1) * (min(last, 10**n - 1) - 10 ** (n - 1) + 1) for n in range(1, 10))  # n digits each
    assert size > 990_000_000
    small = peak_memory("run", "--name", "small", "seq", "1")
    large = peak_memory("run", "--max-log", "1MiB", "seq", str(last))
    assert large - small < 4 * 1024
    (log,) = (path.read_bytes() for path in events.folder.glob("seq-*/log"))
    head, count, tail = cut(log)
    assert len(head) + count + len(tail) == size
    first = [int(line) for line in head.splitlines()]
    assert first == list(range(1, len(first) + 1))
    end = [int(line) for line in tail.splitlines()]
    assert end == list(range(last - len(end) + 1, last + 1))
    assert 700_000 < len(log) <= 1 << 20


def test_the_event_says_that_its_log_was_cut(events: Events) -> None:
    e3_event("run", "--max-log", "10kB", "seq", "10000")
    assert events.only()["log_incomplete"] == "cut to 10000 bytes (--max-log)"
    assert cut(events.attachment())[1] > 30_000


def test_without_the_option_64_mib_are_kept(events: Events) -> None:
    script = "import os\nfor i in range(70): os.write(1, bytes(1 << 20))"
    process = start("run", sys.executable, "-c", script, stdout=subprocess.DEVNULL)
    process.communicate(timeout=DEADLINE)
    assert events.only()["log_incomplete"] == "cut to 64 MiB (--max-log)"
    head, count, tail = cut(events.attachment())
    assert (len(head), len(tail), count) == (32 << 20, 22 << 20, 16 << 20)


def test_what_fits_is_whole(events: Events) -> None:
    done = e3_event("run", "--max-log", "48894", "seq", "10000")
    assert events.attachment() == done.stdout
    assert "log_incomplete" not in events.only()


@pytest.mark.parametrize("size", ["0", "0B"])
def test_with_a_size_of_0_there_is_no_log(events: Events, tmp_path: Path, size: str) -> None:
    done = e3_event("run", "--max-log", size, "echo", "hi", TMPDIR="/no/such/folder")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hi\n", b"")
    assert not {"log_incomplete", "attachments_left_out"} & set(events.only())
    assert [path.suffix for path in events.folder.iterdir()] == [".json"]


@pytest.mark.parametrize("size", ["", "-1", "1.5", "many", "10XB", "0.1B", "9" * 30, "\u00b2"])
def test_what_is_no_size_is_refused(events: Events, size: str) -> None:
    done = e3_event("run", "--max-log", size, "true")
    assert done.returncode == 2
    assert b"Invalid value for '--max-log': a size such as" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert not events.folder.exists()


@pytest.mark.usefixtures("direct")
def test_where_files_can_not_grow_the_event_says_why_and_the_command_goes_on(events: Events) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    script = "import os\nfor i in range(10): os.write(1, b'%d' % i * 50_000)"
    process = subprocess.run(
        [*COMMAND, "run", sys.executable, "-c", script],
        preexec_fn=limit,
        stdout=subprocess.PIPE,
        timeout=DEADLINE,
        check=False,
    )
    assert process.returncode == 0
    assert len(process.stdout) == 500_000
    assert events.only()["log_incomplete"] == "File too large"
    assert check_parts(events.attachment(), process.stdout) > 400_000


@pytest.mark.usefixtures("direct")
def test_a_log_that_cannot_be_made_is_named_in_the_event(events: Events) -> None:
    done = e3_event("run", "echo", "hi", TMPDIR="/no/such/folder")
    assert (done.returncode, done.stdout) == (0, b"hi\n")
    assert events.only()["attachments_left_out"] == {"log": "No such file or directory: /no/such/folder"}


def test_the_log_of_an_e3_event_that_was_killed_is_in_its_event(private_environment: Path) -> None:
    spool = spool_of(private_environment)
    with start("run", "--max-log", "10kB", "sh", "-c", "echo $$; seq 10000; exec sleep 100") as process:
        assert process.stdout
        lines = [process.stdout.readline()]
        command = int(lines[0])
        try:
            while lines[-1] != b"10000\n":
                lines.append(process.stdout.readline())
            output = b"".join(lines)
            (record,) = (spool / "runs").glob("*.json")
            while sum(find(str(record.with_suffix(".log")))[-1]) < len(output):  # it is logged last
                assert process.poll() is None
            process.kill()
            process.wait(DEADLINE)
        finally:
            os.kill(command, signal.SIGKILL)
    assert e3_event("run", "true").returncode == 0
    (event,) = [event for event in kept(spool) if event.status == "aborted"]
    assert event.log_incomplete == "cut to 10000 bytes (--max-log)"
    (log,) = attachments(event)
    with log.open() as file:
        assert check_parts(file.read(), output) > 30_000
