"""Where a spool may lie."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e3_event import EventError
from e3_event._errors import SpoolError
from e3_event.spool import Spool, _place
from e3_event.spool._check import check
from e3_event.spool._place import file_system, open_folder


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    path = open_folder(str(tmp_path / "deep" / "spool"))
    assert os.stat(path).st_mode & 0o777 == 0o700
    assert open_folder(path) == path


def test_a_folder_that_others_can_write_into_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(0o777)
    with pytest.raises(SpoolError, match=r"others can write into it; .* chmod go-w"):
        open_folder(str(tmp_path / "spool"))


def test_a_link_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").write_bytes(b"")
    for name in ("link", "file"):
        with pytest.raises(SpoolError, match="not a folder"):
            open_folder(str(tmp_path / name))


def test_a_database_that_is_a_link_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    (tmp_path / "elsewhere").write_bytes(b"")
    (folder / "spool.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoolError, match=r"spool\.db: not a file \(links are not followed\)"):
        open_folder(str(folder))


@pytest.mark.parametrize("name", ["spool.db-wal", "spool.db-shm", "spool.db.failed", "spool.mark", "blobs"])
def test_nothing_is_written_through_a_link_in_the_folder(tmp_path: Path, name: str) -> None:
    folder, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    folder.mkdir(mode=0o700)
    (elsewhere.mkdir if name == "blobs" else elsewhere.touch)()
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(SpoolError, match=rf"{name}: not a (file|folder) \(links are not followed\)"):
        Spool(folder)
    assert list(folder.iterdir()) == [folder / name]
    assert not elsewhere.stat().st_size or not list(elsewhere.iterdir())


def test_attachments_that_others_can_change_are_refused(tmp_path: Path) -> None:
    Spool(tmp_path / "spool").close()
    (tmp_path / "spool" / "blobs").chmod(0o770)
    with pytest.raises(SpoolError, match=r"others can write into it; .* chmod go-w .*blobs"):
        Spool(tmp_path / "spool")


def test_a_spool_that_is_out_of_use_is_not_refused_as_one_that_others_can_write_into(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Spool(tmp_path / "spool")._database.break_off("fsync failed")
        assert [finding.kind for finding in check(tmp_path / "spool", repair=True)] == ["disk"]
    finally:
        os.umask(before)


def test_the_spool_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of another user")
    (tmp_path / "spool").mkdir(mode=0o700)
    os.chown(tmp_path / "spool", 12345, 12345)
    with pytest.raises(SpoolError, match="belongs to user 12345, not to 0; a spool has one owner"):
        open_folder(str(tmp_path / "spool"))


def test_the_file_system_is_that_of_the_mount_table(tmp_path: Path) -> None:
    assert file_system("/proc") == "proc"
    found = subprocess.run(
        ["stat", "-f", "-c", "%T", str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found.split("/")[0].startswith(file_system(str(tmp_path))[:3])


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule is tried on the file system that is here, counted among those of networks."""
    monkeypatch.setattr(_place, "NETWORK", frozenset({file_system(str(tmp_path))}))
    with pytest.raises(EventError, match="can't lie on a network file system"):
        open_folder(str(tmp_path / "spool"))


def test_two_processes_may_make_it_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from e3_event import Event; from e3_event.spool import Spool;"
        "Spool(sys.argv[1]).put(Event('x'))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "spool")]) for _ in range(6)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 6


def test_new_folders_that_can_not_be_synced_are_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have to be made anew, as a second fsync of the same may lie."""
    sync, folder, failures = os.fsync, tmp_path / "state" / "e3-event" / "spool", 0
    for failing in range(30):
        calls = itertools.count()

        def fail_once(fd: int, calls: Iterator[int] = calls, failing: int = failing) -> None:
            if next(calls) == failing:
                raise OSError(errno.EIO, "Input/output error")
            sync(fd)

        monkeypatch.setattr(os, "fsync", fail_once)
        problem = None
        try:
            Spool(folder).close()
        except OSError as error:
            problem = error
        if problem is not None:
            failures += 1
            assert str(folder).startswith(str(problem.filename))
            assert not (folder / "blobs").exists()
            assert not (folder / "spool.db").exists()
    assert failures == len(folder.parents) + 1
    assert (folder / "blobs").is_dir()
