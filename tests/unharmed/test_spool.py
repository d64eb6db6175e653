"""`e3-event run` whose spool is full, damaged or not its own: the job is not harmed, its event arrives."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from cli.command import kept
from e3_event.spool import Spool
from faults import machine
from unharmed.bench import POWERLESS, Bench, Failure, Failures

failures = Failures()
NOT_KEPT = "the event job was not kept by spool: "
#: The record of what runs could not be written; the event came all the same.
UNHEARD = "had it been killed: "
#: It is not the user's own, or not fit.
ELSEWHERE = "; events are kept in "


@failures
def a_full_disk(bench: Bench) -> Iterable[str]:
    fill(bench, free=0)
    return [NOT_KEPT]


@failures
def no_more_files(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    folder = bench.spool.parent
    content = bench.folder / "content"
    shutil.copytree(folder, content)
    bench.mount(folder, "size=4m", "nr_inodes=6")
    shutil.copytree(content, folder, dirs_exist_ok=True)
    return [NOT_KEPT]


@failures
def a_cap_that_is_reached(bench: Bench) -> Iterable[str]:
    configure(bench, 'max_size = "10kB"')
    return [NOT_KEPT]


@failures
def a_lock_of_another_process(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    other = bench.closing.enter_context(closing(apsw.Connection(str(bench.spool / "spool.db"))))
    other.execute("BEGIN EXCLUSIVE")
    return [NOT_KEPT]


@failures
def no_database(bench: Bench) -> Iterable[str]:
    bench.spool.mkdir(parents=True)
    (bench.spool / "spool.db").write_bytes(b"this is no database" * 100)
    return [NOT_KEPT]


@failures
def an_empty_database(bench: Bench) -> Iterable[str]:
    """It is one that was never used."""
    bench.spool.mkdir(parents=True)
    (bench.spool / "spool.db").touch(0o600)
    return []


@failures
def a_damaged_database(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    path = bench.spool / "spool.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    return [NOT_KEPT]


@failures
def a_database_that_is_cut(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    os.truncate(bench.spool / "spool.db", 5000)
    return [NOT_KEPT]


@failures
def a_database_that_is_a_folder(bench: Bench) -> Iterable[str]:
    (bench.spool / "spool.db").mkdir(parents=True)
    return [ELSEWHERE]


@failures
def a_database_that_is_a_pipe(bench: Bench) -> Iterable[str]:
    bench.spool.mkdir(parents=True)
    os.mkfifo(bench.spool / "spool.db", 0o600)
    return [ELSEWHERE]


@failures
def a_newer_schema(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    with closing(sqlite3.connect(bench.spool / "spool.db")) as database:
        database.execute("PRAGMA user_version = 1000")
    return [NOT_KEPT]


@failures
def a_disk_that_has_failed(bench: Bench) -> Iterable[str]:
    """As an earlier process has found when it synced."""
    Spool(bench.spool).close()
    (bench.spool / "spool.db.failed").touch()
    (bench.spool / "spool.db").chmod(0o400)
    return [NOT_KEPT]


@failures
def a_spool_of_another_user(bench: Bench) -> Iterable[str]:
    if os.geteuid():
        pytest.skip("only root can give folders away")
    configure(bench)
    Spool(bench.spool).close()
    for path in (bench.spool, *bench.spool.iterdir()):
        os.chown(path, 12345, -1)
    return [NOT_KEPT]


@failures
def a_spool_that_others_can_write_to(bench: Bench) -> Iterable[str]:
    configure(bench)
    Spool(bench.spool).close()
    bench.spool.chmod(0o777)
    return [NOT_KEPT]


@failures
def a_spool_that_is_read_only(bench: Bench) -> Iterable[str]:
    configure(bench)
    Spool(bench.spool).close()
    bench.in_its_own_mounts(
        f"mount --bind {bench.spool} {bench.spool}; mount -o remount,bind,ro {bench.spool}"
    )
    return [NOT_KEPT]


@failures
def a_database_that_can_not_be_written(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    (bench.spool / "spool.db").chmod(0o400)
    bench.before = POWERLESS
    return [NOT_KEPT]


@failures
def runs_in_a_file(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    runs(bench).touch()
    return [ELSEWHERE]


@failures
def runs_that_can_not_be_written(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    runs(bench).mkdir(mode=0o500)
    bench.before = POWERLESS
    return [UNHEARD]


@failures
def runs_behind_a_link(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    (bench.folder / "elsewhere").mkdir()
    runs(bench).symlink_to(bench.folder / "elsewhere")
    return [ELSEWHERE]


@failures
def runs_behind_a_link_to_nothing(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    runs(bench).symlink_to("/no/such/folder")
    return [ELSEWHERE]


@failures
def runs_with_odd_things_in_it(bench: Bench) -> Iterable[str]:
    """Records that are none, pipes, folders."""
    Spool(bench.spool).close()
    runs(bench).mkdir()
    (runs(bench) / "odd.json").write_bytes(b"\xff{")
    (runs(bench) / "empty.json").touch()
    (runs(bench) / "folder.json").mkdir()
    os.mkfifo(runs(bench) / "pipe.json")
    os.mkfifo(runs(bench) / "pipe.log")
    (runs(bench) / "link.json").symlink_to("/dev/zero")
    (runs(bench) / "odd.end").write_bytes(b"\xff{")
    return []


@failures
def a_disk_that_fails_when_it_is_synced(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    inject(bench, "fsync:error=EIO:when=1+", "fdatasync:error=EIO:when=1+")
    return [NOT_KEPT]


@failures
def a_disk_that_fails_when_the_event_is_written(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    inject(bench, "pwrite64:error=EIO:when=1+")
    return [NOT_KEPT]


@failures
def a_disk_that_is_full_when_the_event_is_written(bench: Bench) -> Iterable[str]:
    Spool(bench.spool).close()
    inject(bench, "pwrite64:error=ENOSPC:when=1+")
    return [NOT_KEPT]


@failures
def names_that_can_not_be_changed(bench: Bench) -> Iterable[str]:
    inject(bench, "rename:error=EIO:when=1+")
    return ["attachment 'log' is left out: Input/output error", UNHEARD]


@failures
def files_that_can_not_be_removed(bench: Bench) -> Iterable[str]:
    inject(bench, "unlink:error=EIO:when=1+", "unlinkat:error=EIO:when=1+")
    return [NOT_KEPT]


@failures
def locks_that_can_not_be_had(bench: Bench) -> Iterable[str]:
    """As where the lock service of a network is gone."""
    inject(bench, "flock:error=ENOLCK:when=1+")
    return [UNHEARD]


def runs(bench: Bench) -> Path:
    """The folder of what runs."""
    return bench.spool / "runs"


def configure(bench: Bench, more: str = "") -> None:
    """Name the spool, so that it is replaced by no other one."""
    handlers = bench.env["E3_EVENT_HANDLERS"]
    bench.configure(f"[spool]\npath = '{bench.spool}'\n{more}\n")
    bench.env["E3_EVENT_HANDLERS"] = handlers


def fill(bench: Bench, *, free: int) -> None:
    """Have a disk for the state of the user with so little room."""
    folder = bench.home / ".local"
    bench.mount(folder, f"size={max(free, 4096)}")
    if not free:
        (bench.spool).mkdir(parents=True)
        with pytest.raises(OSError, match="No space"):
            (folder / "ballast").write_bytes(bytes(8192))


def inject(bench: Bench, *what: str) -> None:
    """Have system calls of our process fail, and not those of the job."""
    for need in machine.STRACE:
        if lacks := need.lacks():
            pytest.skip(lacks)
    calls = ",".join(one.partition(":")[0] for one in what)
    options = [option for one in what for option in ("-e", f"inject={one}")]
    bench.before = ("strace", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", *options)


@failures.by_jobs()
def test_the_job_is_not_harmed(bench: Bench, failure: Failure, job: str) -> None:
    bench.fall_back()
    bench.check(job, failure(bench))


@pytest.mark.parametrize("free", [100_000, 160_000, 250_000, 400_000, 700_000, 1_200_000])
def test_a_disk_that_gets_full_meanwhile_harms_no_job(bench: Bench, free: int) -> None:
    """The log, the record of what runs, the event and its delivery need more than there is."""
    fill(bench, free=free)
    bench.is_sent = False
    bench.check("prints", None)
    if not bench.events.all():
        assert [event.name for event in kept(bench.spool)] == ["job"]
