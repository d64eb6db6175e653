"""The second put of a snapshot changes nothing, whatever became of the files that it attaches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from e3_event import Event
from e3_event.handler_tools import attachments
from e3_event.spool import Spool


def append(file: Path) -> None:
    with file.open("ab") as log:
        log.write(b"more\n")


def shorten(file: Path) -> None:
    file.write_bytes(b"x")


@pytest.mark.parametrize("change", [append, shorten, Path.unlink])
@pytest.mark.parametrize("size", [10, 100_000])
def test_a_file_that_has_changed_since_the_first_put_breaks_nothing(
    tmp_path: Path, size: int, change: Callable[[Path], None]
) -> None:
    spool, file = Spool(tmp_path / "spool"), tmp_path / "log"
    file.write_bytes(b"a" * size)
    event = Event("x")
    event.attach_file(str(file))
    snapshot = event.snapshot()
    put = spool.put(snapshot)
    change(file)
    assert spool.put(snapshot) == put
    (attachment,) = attachments(spool.read(put))
    with attachment.open() as stored:
        assert stored.read() == b"a" * size


def test_the_attachments_of_a_first_put_that_did_not_come_to_its_end_are_replaced(tmp_path: Path) -> None:
    spool, file = Spool(tmp_path / "spool"), tmp_path / "log"
    file.write_bytes(b"a" * 100_000)
    event = Event("x")
    event.attach_file(str(file))
    snapshot = event.snapshot()
    left = tmp_path / "spool" / "blobs" / snapshot.snapshot_id
    left.mkdir()
    (left / "log").write_bytes(b"of a put that was killed")
    (attachment,) = attachments(spool.read(spool.put(snapshot)))
    with attachment.open() as stored:
        assert stored.read() == b"a" * 100_000
