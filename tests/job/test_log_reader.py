"""Reading a log while it is written, cut, made one file and removed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event._pieces import join
from e3_event.job._log import Log
from e3_event.job._log_reader import LogReader
from job.logs import check_parts, expected, numbered

MIB = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


def rest(reader: LogReader) -> bytes:
    """All that there is for now."""
    return b"".join(iter(lambda: reader.read(97), b""))


@given(
    limit=st.integers(8, 200),
    steps=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3)), max_size=12),
    unread=st.integers(0, 500),
)
def test_what_is_read_is_the_output_to_its_end_and_lines_for_what_was_gone(
    folder: Path, limit: int, steps: list[tuple[int, int]], unread: int
) -> None:
    """Each step is a write of some bytes and some reads; the last one a write behind which the log ends."""
    data = numbered(sum(size for size, _ in steps) + unread)
    log = Log(str(folder / "log"), limit)
    found, at = b"", 0
    with LogReader(str(folder / "log"), limit) as reader:
        for size, reads in steps:
            log.write(data[at : at + size])
            at += size
            for _ in range(reads):
                found += reader.read(50)
        log.write(data[at:])
        log.finish()
        found += rest(reader) + rest(reader)
        assert found.endswith(data[-(limit // 8) :])
        if b"--max-log" not in found:  # it did not begin with the one file
            check_parts(found, data)
            assert reader.position == len(data)
        log.remove()
        assert reader.read() == b""


@given(limit=st.integers(8, 200), sizes=st.lists(st.integers(1, 60), max_size=30))
def test_one_that_keeps_up_misses_nothing_whatever_is_cut(folder: Path, limit: int, sizes: list[int]) -> None:
    data = numbered(sum(sizes))
    log = Log(str(folder / "log"), limit)
    found, at = b"", 0
    with LogReader(str(folder / "log"), limit) as reader:
        assert reader.read() == b""
        for size in sizes:
            for step in range(at, at + size, limit // 4):
                log.write(data[step : min(step + limit // 4, at + size)])
                found += rest(reader)
            at += size
        log.finish()
        found += rest(reader)
        assert found == data
    log.remove()


@pytest.mark.parametrize("is_last", [True, False])
def test_what_is_written_between_two_looks_of_the_reader_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_last: bool
) -> None:
    """It has seen the end of a piece, which then grows, before it looks for the next one."""
    data = numbered(1600)
    log = Log(str(tmp_path / "log"), 1000)
    log.write(data[:600])
    look = LogReader._look

    def write_first(reader: LogReader) -> None:
        at = log.total
        if reader.position == at:
            log.write(data[at : at + 200])
            if is_last and log.total == len(data):
                log.finish()
        look(reader)

    monkeypatch.setattr(LogReader, "_look", write_first)
    with LogReader(str(tmp_path / "log"), 1000) as reader:
        found = b""
        while len(found) < len(data) and (more := reader.read(70) or reader.read(70)):
            found += more
    assert found == data


@pytest.mark.parametrize("length", [0, 500, 900, 5000])
def test_what_was_one_file_before_is_read_as_it_is(tmp_path: Path, length: int) -> None:
    log = Log(str(tmp_path / "log"), 1000)
    log.write(numbered(length))
    log.finish()
    with LogReader(str(tmp_path / "log"), 1000) as reader:
        assert rest(reader) == expected(numbered(length), 1000)
        assert rest(reader) == b""


def test_pieces_that_a_killed_writer_has_left_are_read_too(tmp_path: Path) -> None:
    data = numbered(5000)
    log = Log(str(tmp_path / "log"), 1000)
    log.write(data)
    with LogReader(str(tmp_path / "log"), 1000) as reader:
        found = rest(reader)
        assert check_parts(found, data) == 5000 - 1000
        join(str(tmp_path / "log"), 1000)
        assert rest(reader) == b""
    log.remove()


def test_nothing_is_read_where_there_is_no_log(tmp_path: Path) -> None:
    with LogReader(str(tmp_path / "log"), 1000) as reader:
        assert reader.read() == b""
    with LogReader(str(tmp_path / "gone" / "log"), 1000) as reader:
        assert reader.read() == b""


def test_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "log.0").symlink_to("secret")
    with LogReader(str(tmp_path / "log"), 1000) as reader, pytest.raises(OSError, match="symbolic links"):
        reader.read()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for end in (True, False):
        log = Log(str(tmp_path / str(end)), 1000)
        log.write(numbered(700))
        with LogReader(str(tmp_path / str(end)), 1000) as reader:
            reader.read(10)
            log.write(numbered(9000))
            if end:
                rest(reader)
            log.finish()
            rest(reader)
        log.remove()
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_reader_beside_a_writer_at_full_speed_sees_all_but_what_it_is_told(tmp_path: Path) -> None:
    limit, length = 2 * MIB, 200 * MIB
    code = f"""
import sys
from e3_event.job._log import Log
data = sys.stdin.buffer.read()
log = Log(sys.argv[1], {limit})
for _ in range({length // MIB}):
    log.write(data)
log.finish()
"""
    block = numbered(MIB)
    path = tmp_path / "log"
    found: list[bytes] = []
    with (
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE) as writer,
        LogReader(str(path), limit) as reader,
    ):
        assert writer.stdin
        writer.stdin.write(block)
        writer.stdin.close()
        while writer.poll() is None:
            found.append(reader.read())
        found += iter(reader.read, b"")
        assert reader.position == length
    assert writer.returncode == 0
    check_parts(b"".join(found), block * (length // MIB))
