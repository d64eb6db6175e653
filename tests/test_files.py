"""Safe names, atomic writes, files that must not block."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from e3_event._files import (
    MAX_NAME,
    digest_of,
    open_regular,
    read_bytes,
    safe_name,
    sha1_of,
    sha256_of,
    write_atomic,
)
from e3_event.testing import HOSTILE

any_text = st.text(st.characters() | st.sampled_from("/\\.%~:\0 A")) | st.sampled_from(HOSTILE)


@pytest.mark.parametrize(
    "name", ["build", "nightly build", "a.b-c_1", "größe", "x" * MAX_NAME, "2026-11-22", "a=b,c"]
)
def test_a_harmless_name_stays_as_it_is(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("", "%"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("../x", "%2E.%2Fx"),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        ("a\0\n", "a%00%0A"),
        ("con", "%63on"),
        ("LPT1.txt", "%4CPT1.txt"),
        ("dot.", "dot%2E"),
        ("\u202ertl", "%E2%80%AErtl"),
        ("\udcff", "%ED%B3%BF"),
    ],
)
def test_what_is_harmful_is_encoded(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(any_text)
def test_a_safe_name_is_one_harmless_component(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= MAX_NAME
    assert safe.isprintable()
    assert not set(safe) & set('/\\\0:*?"<>|')
    assert safe[0] != "."
    assert os.path.basename(os.path.normpath(os.path.join("/folder", safe))) == safe


@given(any_text, any_text)
@example("a/b", "a%2Fb")
@example("x" * 200, safe_name("x" * 200))
@example("", "%")
@example("con", "%63on")
def test_two_names_never_become_one(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomic(str(path), b"one")
    write_atomic(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["x"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(str(path), b"two")
    assert os.listdir(tmp_path) == ["x"]


def test_a_written_file_has_the_rights_that_umask_gives(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomic(str(tmp_path / "x"), b"one")
    finally:
        os.umask(old)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_only_regular_files_are_opened_and_nothing_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "to-fifo").symlink_to("fifo")
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        listener.bind(str(tmp_path / "socket"))
        for name in ("fifo", "folder", "dangling", "to-fifo", "socket", "missing"):
            with pytest.raises(OSError, match=name):
                open_regular(str(tmp_path / name))
    with pytest.raises(OSError, match="not a regular file"):
        open_regular("/dev/zero")
    for no_path in ("a\0b", "\ud800"):
        with pytest.raises(OSError, match="not a path"):
            open_regular(no_path)
    for name in ("file", "link"):
        with open_regular(str(tmp_path / name)) as file:
            assert file.read() == b"x"


def test_a_pipe_that_gives_its_content_in_pieces_is_read_to_its_end() -> None:
    reading, writing = os.pipe2(os.O_DIRECT)  # a read gives what one write wrote
    os.write(writing, b"first ")
    os.write(writing, b"second")
    os.close(writing)
    try:
        assert read_bytes(f"/dev/fd/{reading}") == b"first second"
    finally:
        os.close(reading)


@pytest.mark.parametrize("content", [b"", b"\0", b"log"])
def test_digests_are_those_of_the_content_from_where_it_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before" + content)
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    sha256 = hashlib.sha256(content).hexdigest()
    assert (digest_of("sha1", content), digest_of("sha256", content)) == (sha1, sha256)
    for digest, wanted in ((sha1_of, sha1), (sha256_of, sha256)):
        with open_regular(str(path)) as file:
            file.seek(len(b"before"))
            assert digest(file) == wanted
