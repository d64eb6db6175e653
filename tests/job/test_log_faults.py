"""A log on a disk that is full, broken or gone: it never raises, and what can be kept is kept."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e3_event._pieces import join
from e3_event.job import _log
from e3_event.job._log import Log
from job.logs import check_parts, numbered

KIB = 1 << 10
MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid():
        pytest.skip("only root can mount")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=20", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Write until there is no room."""
    with (disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
        [ballast.write(bytes(4096)) for _ in range(300)]


def wait_for_a_new_try() -> None:
    """Wait until a log that could not begin a piece tries it again."""
    end = time.monotonic() + _log._PAUSE
    while time.monotonic() < end:
        time.sleep(0.01)


def test_on_a_full_disk_it_misses_what_has_no_room_and_goes_on_when_there_is_some(disk: Path) -> None:
    data = numbered(MIB + 200 * KIB)
    (disk / "ballast").write_bytes(bytes(800 * KIB))
    log = Log(str(disk / "log"), 2 * MIB)
    log.write(data[:MIB])
    assert log.error == "No space left on device"
    assert log.total == MIB
    (disk / "ballast").unlink()
    wait_for_a_new_try()
    for at in range(MIB, len(data), 7777):
        log.write(data[at : at + 7777])
    log.finish()
    assert log.error == "No space left on device"
    found = Path(log.path).read_bytes()
    head, tail = found.split(b"\n[e3-event: ")
    assert head == data[: 224 * KIB]
    assert tail.endswith(b" bytes are missing here; they could not be kept]\n" + data[MIB:])
    assert check_parts(found, data) == 800 * KIB


def test_what_is_lost_at_the_end_is_said_as_well(disk: Path) -> None:
    data = numbered(3 * MIB)
    (disk / "ballast").write_bytes(bytes(500 * KIB))
    log = Log(str(disk / "log"), 4 * MIB)
    for at in range(0, len(data), 1 << 16):
        log.write(data[at : at + (1 << 16)])
    (disk / "ballast").unlink()
    log.finish()
    found = Path(log.path).read_bytes()
    assert check_parts(found, data) > 2 * MIB
    assert found.endswith(b" bytes are missing here; they could not be kept]\n")
    assert log.error == "No space left on device"


@pytest.mark.parametrize("limit", [MIB, 900 * KIB, 600 * KIB])
def test_the_one_file_is_made_on_a_full_disk_too_of_the_beginning_and_the_true_end(
    disk: Path, limit: int
) -> None:
    data = numbered(3 * MIB)
    log = Log(str(disk / "log"), limit)
    for at in range(0, len(data), 1 << 16):
        log.write(data[at : at + (1 << 16)])
    fill(disk)
    log.finish()
    found = Path(log.path).read_bytes()
    assert check_parts(found, data) > 2 * MIB
    assert len(found) > limit // 8
    assert found.startswith(data[: limit // 20])
    assert found.endswith(data[-limit // 20 :])
    assert log.error == "No space left on device"
    assert sorted(path.name for path in disk.iterdir()) == ["ballast", "log", f"log.{3 * MIB}"]
    log.remove()
    assert sorted(path.name for path in disk.iterdir()) == ["ballast"]


def test_on_a_full_disk_the_head_makes_room_for_what_is_behind_it(disk: Path) -> None:
    data = numbered(600 * KIB)
    log = Log(str(disk / "log"), MIB)
    log.write(data)
    fill(disk)
    log.finish()
    found = Path(log.path).read_bytes()
    head, tail = found.split(b"\n[e3-event: ")
    assert len(head) > 100 * KIB
    assert tail.endswith(b"\n" + data[512 * KIB :])
    check_parts(found, data)


def test_if_no_file_at_all_can_be_made_the_pieces_stay(disk: Path) -> None:
    log = Log(str(disk / "log"), 100 * KIB)
    log.write(numbered(MIB))
    before = {path.name: path.read_bytes() for path in disk.iterdir()}
    with pytest.raises(OSError, match="No space"):
        [(disk / str(number)).open("w").close() for number in range(100)]  # type: ignore[func-returns-value]
    log.finish()
    assert (log.path, log.error) == ("", "No space left on device")
    assert before.items() <= {path.name: path.read_bytes() for path in disk.iterdir()}.items()


def test_a_folder_that_is_removed_meanwhile_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    log = Log(str(tmp_path / "runs" / "log"), 1000)
    log.write(numbered(100))
    shutil.rmtree(tmp_path / "runs")
    for _ in range(100):
        log.write(numbered(100))
    log.finish()
    log.remove()
    assert (log.path, log.error, log.total) == ("", "No such file or directory", 10_100)


def test_where_no_descriptor_is_left_it_goes_on_later(tmp_path: Path) -> None:
    data = numbered(1200)
    log = Log(str(tmp_path / "log"), 1000)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        log.write(data[:600])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert log.error == "Too many open files"
    log.write(data[600:700])  # too soon
    wait_for_a_new_try()
    log.write(data[700:])
    log.finish()
    assert check_parts(Path(log.path).read_bytes(), data) == 200
    assert log.error == "Too many open files"


#: Writes what comes in at *path* in chunks, and says what became of it.
WRITER = """
import sys
from e3_event.job._log import Log
log = Log(sys.argv[1], int(sys.argv[2]))
while data := sys.stdin.buffer.read(int(sys.argv[3])):
    log.write(data)
log.finish()
print(log.error, bool(log.path), log.total, sep="|")
"""


def written(path: Path, data: bytes, limit: int, *before: str, chunk: int = 1 << 16) -> list[str]:
    """What a process, started by a command *before* it, says of a log."""
    command = [*before, sys.executable, "-c", WRITER, str(path), str(limit), str(chunk)]
    done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().strip().split("|")


def test_where_writing_fails_now_and_then_the_limit_holds_and_pieces_are_few(tmp_path: Path) -> None:
    """Each time a piece ends and another one begins, which may be the last one for a while."""
    code = """
import os, resource, sys, time
from e3_event.job._log import _PAUSE, Log
data = sys.stdin.buffer.read()
log = Log(sys.argv[1], 80_000)

def write(size, largest=resource.RLIM_INFINITY):
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    log.write(data[log.total : log.total + size])
    sizes = [entry.stat().st_size for entry in os.scandir(os.path.dirname(sys.argv[1]))]
    assert min(sizes) > 0, sizes
    assert len(sizes) <= 9, sizes
    assert sum(sizes) <= 80_000, sizes

write(65_000)
for size in (18_000, 7000, *[1000] * 12):
    write(100, 0)
    time.sleep(_PAUSE)
    write(100, 0)
    time.sleep(_PAUSE)
    write(size)
log.finish()
print(log.error, log.total)
"""
    data = numbered(110_000)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "log")], input=data, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"File too large 104800\n"
    assert check_parts((tmp_path / "log").read_bytes(), data[:104_800]) > 14 * 200


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
@pytest.mark.parametrize("length", [100_000, 500_000, 3 << 20])
def test_a_limit_of_file_sizes_is_obeyed_and_the_end_is_there(tmp_path: Path, length: int) -> None:
    """SIGXFSZ, which comes with it, is ignored by Python from the start."""
    data = numbered(length)
    told = written(tmp_path / "log", data, MIB, "prlimit", "--fsize=100000")
    found = (tmp_path / "log").read_bytes()
    assert told == ["File too large" if length > 100_000 else "", "True", str(length)]
    assert 95_000 < len(found) <= 100_000
    assert bool(check_parts(found, data)) == (length > 100_000)
    assert found[:49_000] == data[:49_000]
    assert found[-45_000:] == data[-45_000:]


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
def test_where_files_may_only_be_tiny_the_writer_does_not_make_thousands_of_them(tmp_path: Path) -> None:
    told = written(tmp_path / "log", numbered(20 << 20), MIB, "prlimit", "--fsize=100")
    assert told == ["File too large", "False", str(20 << 20)]
    assert len(list(tmp_path.iterdir())) <= 10


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_an_error_of_the_disk_costs_what_was_being_written(tmp_path: Path, number: int) -> None:
    data = numbered(640 * KIB)
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write"]
    inject = ["-e", f"inject=write:error=EIO:when={number}"]
    told = written(tmp_path / "log", data, MIB, *trace, *inject, chunk=1 << 17)
    assert told == ["Input/output error", "True" if number < 6 else "False", str(len(data))]
    if number == 6:  # while the one file was made: the pieces are there
        assert join(str(tmp_path / "log"), MIB) == ""
    missing = check_parts((tmp_path / "log").read_bytes(), data)
    assert bool(missing) == (number == 1)  # the first piece was not worth another one at once
