"""The log of a command: its beginning and its end on disk, whatever is written and whatever fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event._pieces import join
from e3_event.job._log import LIMIT, Log
from job.logs import LINE, check_parts, expected, numbered

KIB = 1 << 10
MIB = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


def chunks(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Cut *data* into chunks of these sizes, over and over."""
    at = number = 0
    while at < len(data):
        yield data[at : at + sizes[number % len(sizes)]]
        at += sizes[number % len(sizes)]
        number += 1


def kept(folder: Path, data: bytes, limit: int, sizes: list[int]) -> bytes:
    """Write *data* in chunks of these sizes into a log, and return what that has."""
    log = Log(str(folder / "log"), limit)
    try:
        for chunk in chunks(data, sizes):
            log.write(chunk)
            assert sum(path.stat().st_size for path in folder.iterdir()) <= limit
        log.finish()
        assert log.total == len(data)
        assert bool(log.error) == (len(data) > limit)
        return Path(log.path).read_bytes()
    finally:
        log.remove()
        assert list(folder.iterdir()) == []


@given(
    limit=st.integers(4, 200),
    length=st.integers(0, 900),
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=8),
)
def test_what_is_kept_is_what_the_model_says(folder: Path, limit: int, length: int, sizes: list[int]) -> None:
    data = numbered(length)
    assert kept(folder, data, limit, sizes) == expected(data, limit)


def test_a_log_that_is_as_long_as_the_output_by_chance_is_known_to_be_cut(tmp_path: Path) -> None:
    found = kept(tmp_path, numbered(60), 4, [1])
    assert len(found) == 60
    assert LINE.search(found)


@pytest.mark.parametrize("limit", [4 * KIB, 4 * KIB + 1, 4 * KIB + 3, 10_000])
@pytest.mark.parametrize("quarters", range(1, 10))
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_at_the_borders_nothing_is_lost_or_doubled(
    tmp_path: Path, limit: int, quarters: int, more: int
) -> None:
    half = limit - 2 * (limit // 4)
    data = numbered(half + (quarters - 2) * (limit // 4) + more)
    for sizes in ([1000], [limit], [len(data)], [1, limit // 4]):
        assert kept(tmp_path, data, limit, sizes) == expected(data, limit)


@given(
    limit=st.integers(4, 300),
    lines=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"[", b"(") + b"\n"), max_size=60),
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=8),
)
def test_where_it_is_cut_the_number_of_bytes_is_exact(
    folder: Path, limit: int, lines: list[bytes], sizes: list[int]
) -> None:
    data = b"".join(lines)
    missing = check_parts(kept(folder, data, limit, sizes), data)
    assert bool(missing) == (len(data) > limit)


def test_lines_are_whole_where_it_is_cut(tmp_path: Path) -> None:
    lines = [b"line %d of many\n" % number for number in range(10_000)]
    found = kept(tmp_path, b"".join(lines), 16 * KIB, [1000]).splitlines(keepends=True)
    (at,) = (number for number, line in enumerate(found) if line.startswith(b"[e3-event: "))
    assert found[: at - 1] == lines[: at - 1]
    assert found[at - 1] == b"\n"
    assert found[at + 1 :] == lines[-(len(found) - at - 1) :]
    left = sum(map(len, found)) - len(found[at]) - 1
    assert found[at] == b"[e3-event: %d bytes cut here; --max-log keeps 16 KiB]\n" % (
        sum(map(len, lines)) - left
    )
    assert left > 16 * KIB * 3 // 4 - 2 * max(map(len, lines))


@pytest.mark.parametrize("limit", [4 * KIB, 16 * KIB, 256 * KIB])
def test_a_line_that_is_too_long_is_cut_rather_than_much_left_out(tmp_path: Path, limit: int) -> None:
    data = b"begin\n" + numbered(400_000) + b"\n"
    found = kept(tmp_path, data, limit, [1 << 16])
    head, tail = found.split(b"\n[e3-event: ")
    assert head == data[: limit // 2]
    assert tail.endswith(data[-limit // 4 :])


@pytest.mark.parametrize(("limit", "before", "behind"), [(4000, 1100, 900), (MIB, 100 * KIB, 100 * KIB)])
def test_the_end_of_a_line_that_is_far_from_the_cut_does_not_move_it(
    tmp_path: Path, limit: int, before: int, behind: int
) -> None:
    """It is in the half of a piece that is kept anyway, or more than 64 KiB away.

    :param before: bytes from the one in the head to the cut
    :param behind: bytes from the cut to the one in the oldest of the pieces behind it
    """
    half, quarter = limit // 2, limit // 4
    data = bytearray(numbered(half + 3 * quarter + quarter // 2))
    data[half - before] = data[half + 2 * quarter + behind] = ord("\n")
    head, tail = kept(tmp_path, bytes(data), limit, [5000]).split(b"\n[e3-event: ")
    assert head == data[:half]
    assert tail.partition(b"\n")[2] == data[half + 2 * quarter :]


def test_random_bytes_are_unchanged(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    assert kept(tmp_path, data, 3 << 20, [1 << 16, 1, 99_999]) == data
    found = kept(tmp_path, data, 1 << 20, [1 << 16])
    (line,) = (match[0] for match in LINE.finditer(found))
    assert check_parts(found, data) == len(data) - len(found) + len(line)


def test_without_a_limit_given_it_is_64_mib(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    chunk = b"%1023d\n" * 1024 % tuple(range(1024))
    for _ in range(65):
        log.write(chunk)
    log.finish()
    assert LIMIT == 64 << 20
    assert log.error == "cut to 64 MiB (--max-log)"
    assert b"bytes cut here; --max-log keeps 64 MiB]\n" in Path(log.path).read_bytes()


def test_it_is_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        log = Log(str(tmp_path / "log"), 1000)
        log.write(bytes(2000))
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
        log.finish()
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["log", "log.0"])
def test_what_is_there_is_neither_followed_nor_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / name).symlink_to("elsewhere")
    log = Log(str(tmp_path / "log"), 1000)
    log.write(b"x" * 2000)
    log.finish()
    log.remove()
    assert (log.path, log.error) == ("", f"File exists: {tmp_path}")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "elsewhere"])
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"


def test_a_piece_is_not_written_through_a_link_either(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"mine")
    log = Log(str(tmp_path / "log"), 1000)
    (tmp_path / "log.500").symlink_to("elsewhere")
    log.write(b"x" * 2000)
    assert log.error == "File exists"
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"


def test_with_a_limit_of_0_there_is_no_file(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), 0)
    log.write(b"x")
    log.finish()
    log.remove()
    assert (log.path, log.error, list(tmp_path.iterdir())) == ("", "", [])


def test_a_temporary_one_has_a_folder_of_its_own_which_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    log = Log.temporary(1000)
    log.write(bytes(3000))
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    log.finish()
    assert Path(log.path).parent == folder
    log.remove()
    assert list(tmp_path.iterdir()) == []


def test_one_that_can_not_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(str(tmp_path / "no" / "log"))
    log.write(b"x")
    log.finish()
    assert (log.path, log.error) == ("", f"No such file or directory: {tmp_path}/no")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "no"))
    assert Log.temporary().error == f"No such file or directory: {tmp_path}/no"


def test_finishing_again_changes_nothing(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), 100)
    log.write(numbered(1000))
    log.finish()
    log.finish()
    assert Path(log.path).read_bytes() == expected(numbered(1000), 100)
    assert log.error == "cut to 100 bytes (--max-log)"


def test_another_process_can_make_the_file_of_what_is_there(tmp_path: Path) -> None:
    data = numbered(5000)
    for length in (0, 400, 600, 1000, 5000):
        path = str(tmp_path / str(length))
        code = (
            "import os, sys; from e3_event.job._log import Log; log = Log(sys.argv[1], 1000);"
            "log.write(sys.stdin.buffer.read()); os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", code, path], input=data[:length], check=False)
        assert join(path, 1000) == ("cut to 1000 bytes (--max-log)" if length > 1000 else "")
        assert Path(path).read_bytes() == expected(data[:length], 1000)
    with pytest.raises(FileNotFoundError):
        join(str(tmp_path / "none"), 1000)


def test_pieces_that_a_power_cut_has_left_short_are_not_taken_for_whole(tmp_path: Path) -> None:
    data = numbered(1000)
    (tmp_path / "log.0").write_bytes(data[:300])
    (tmp_path / "log.500").write_bytes(data[500:750])
    (tmp_path / "log.750").write_bytes(data[750:])
    assert join(str(tmp_path / "log"), 1000) == "parts of it could not be kept"
    line = b"\n[e3-event: 200 bytes are missing here; they could not be kept]\n"
    assert (tmp_path / "log").read_bytes() == data[:300] + line + data[500:]


def test_what_is_missing_further_behind_is_not_said_to_be_cut(tmp_path: Path) -> None:
    data = numbered(1000)
    line = b"\n[e3-event: 100 bytes are missing here; they could not be kept]\n"
    for start, stop in ((0, 500), (500, 700), (800, 1000)):
        (tmp_path / f"log.{start}").write_bytes(data[start:stop])
    assert join(str(tmp_path / "log"), 1000) == "parts of it could not be kept"
    assert (tmp_path / "log").read_bytes() == data[:700] + line + data[800:]
    for start, stop in ((0, 500), (600, 700), (800, 1000)):
        (tmp_path / f"other.{start}").write_bytes(data[start:stop])
    assert join(str(tmp_path / "other"), 1000) == "cut to 1000 bytes (--max-log)"
    cut = b"\n[e3-event: 100 bytes cut here; --max-log keeps 1000 bytes]\n"
    assert (tmp_path / "other").read_bytes() == data[:500] + cut + data[600:700] + line + data[800:]


def test_what_is_no_piece_is_left_alone(tmp_path: Path) -> None:
    others = [tmp_path / name for name in ("log.txt", "log.²", "log.1.2", "log2.0", "xlog.0", "log.-1")]
    for other in others:
        other.write_bytes(b"x")
    log = Log(str(tmp_path / "log"), 100)
    log.write(numbered(200))
    log.finish()
    assert Path(log.path).read_bytes() == expected(numbered(200), 100)
    log.remove()
    assert sorted(tmp_path.iterdir()) == sorted(others)
