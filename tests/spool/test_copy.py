"""Copies with their digests."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from pathlib import Path

import pytest

from e3_event.spool import _copy
from e3_event.spool._copy import copy

CHUNK = 1 << 18


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK, 40 * CHUNK - 1])
def test_the_digests_are_those_of_the_copy(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "source").write_bytes(content)
    sha1, sha256 = hashlib.sha1(b"head"), hashlib.sha256(b"head")
    with open(tmp_path / "source", "rb") as source:
        assert copy(b"head", source, str(tmp_path / "copy"), [sha1, sha256]) == 4 + size
    assert (tmp_path / "copy").read_bytes() == b"head" + content
    assert sha1.digest() == hashlib.sha1(b"head" + content).digest()
    assert sha256.digest() == hashlib.sha256(b"head" + content).digest()


@pytest.mark.parametrize("size", [CHUNK, 3 * CHUNK])
def test_a_digest_that_can_not_be_made_fails_the_copy(tmp_path: Path, size: int) -> None:
    class Exhausted:
        def update(self, _: object) -> None:
            raise MemoryError

    (tmp_path / "source").write_bytes(bytes(size))
    with open(tmp_path / "source", "rb") as source, pytest.raises(MemoryError):
        copy(b"", source, str(tmp_path / "copy"), [hashlib.sha256(), Exhausted()])  # type: ignore[list-item]


def test_a_thread_that_hashes_ends_with_a_copy_that_was_interrupted_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_copy, "_LOOK", 0.01)
    monkeypatch.setattr(_copy._Hashing, "__exit__", interrupted)
    (tmp_path / "source").write_bytes(bytes(3 * CHUNK))
    before = set(threading.enumerate())
    with open(tmp_path / "source", "rb") as source, contextlib.suppress(KeyboardInterrupt):
        copy(b"", source, str(tmp_path / "copy"), [hashlib.sha256()])
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
