"""The spool: what is put survives, as it was."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest

from e3_event import Event
from e3_event._errors import SpoolError, SpoolFullError
from e3_event.handler_tools import attachments
from e3_event.spool import Spool
from e3_event.testing import HOSTILE


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def attach(event: Event, path: Path, content: bytes, name: str = "log") -> None:
    path.write_bytes(content)
    event.attach_file(path, name)


def count(spool: Spool) -> int:
    found: int = spool._database.connection.execute("SELECT count(*) FROM event").get
    return found


def blobs(spool: Spool) -> list[str]:
    return sorted(os.listdir(os.path.join(spool.path, "blobs")))


def test_what_is_put_is_read_as_it_was(spool: Spool, tmp_path: Path) -> None:
    event = Event("build", tags=["a", {"b": 1.5}], size=2048)
    event.set_formatter("size", lambda key, value: {"kb": value // 1024})
    attach(event, tmp_path / "small", b"hello")
    attach(event, tmp_path / "large", os.urandom(200_000), "core")
    event.close()
    snapshot = event.snapshot()
    read = Spool(spool.path).read(spool.put(snapshot))
    assert read.as_dict() == snapshot.as_dict()
    assert (read.begin_time, read.end_time, read.size) == (event.begin_time, event.end_time, 2048)
    assert read.snapshot_id == snapshot.snapshot_id
    assert {name: sha1 for name, (_, sha1) in read.get_attachments().items()} == {
        name: sha1 for name, (_, sha1) in snapshot.get_attachments().items()
    }
    for ours, theirs in zip(attachments(read), attachments(snapshot), strict=True):
        with ours.open() as copy, theirs.open() as original:
            assert copy.read() == original.read()


def test_captured_attachments_do_not_change_with_their_files(spool: Spool, tmp_path: Path) -> None:
    event = Event("x")
    for name, size in (("small", 10), ("large", 100_000)):
        attach(event, tmp_path / name, b"a" * size, name)
        os.chmod(tmp_path / name, 0o640)
        os.utime(tmp_path / name, (1_000_000_000, 1_000_000_000))
    put = spool.put(event)
    for name in ("small", "large"):
        (tmp_path / name).unlink()
    for attachment, size in zip(attachments(spool.read(put)), (10, 100_000), strict=True):
        with attachment.open() as file:
            assert file.read() == b"a" * size


def test_the_second_put_of_a_snapshot_changes_nothing(spool: Spool, tmp_path: Path) -> None:
    event = Event("x")
    attach(event, tmp_path / "large", b"a" * 100_000)
    snapshot = event.snapshot()
    assert spool.put(snapshot) == spool.put(snapshot) == snapshot.snapshot_id
    assert count(spool) == 1
    assert blobs(spool) == [snapshot.snapshot_id]


def test_a_batch_is_put_whole_or_not_at_all(spool: Spool, tmp_path: Path) -> None:
    events = [Event(f"e{number}") for number in range(100)]
    assert len(set(spool.put_many(events))) == 100
    assert spool.put_many([]) == []
    assert count(spool) == 100


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_content_is_kept_and_nothing_lies_outside(spool: Spool, text: str, tmp_path: Path) -> None:
    event = Event(text, uid=text, value=text)
    attach(event, tmp_path / "source", b"x" * 50_000, text)
    before = set(tmp_path.rglob("*"))
    read = spool.read(spool.put(event))
    assert read.as_dict() == event.snapshot().as_dict()
    assert all(Path(spool.path) in path.parents for path in set(tmp_path.rglob("*")) - before)


def test_nothing_in_the_folder_is_for_others(spool: Spool, tmp_path: Path) -> None:
    event = Event("x")
    attach(event, tmp_path / "large", b"a" * 100_000)
    spool.put(event)
    assert os.stat(spool.path).st_mode & 0o077 == 0
    assert os.stat(os.path.join(spool.path, "spool.db")).st_mode & 0o077 == 0


WRITER = """
import os, sys
from e3_event import Event
from e3_event.spool import Spool
spool, log = Spool(sys.argv[1]), sys.argv[2]
while True:
    event = Event("x", pid=os.getpid())
    event.attach_file(log)
    print(spool.put(event), flush=True)
"""


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path: Path, size: int) -> None:
    (tmp_path / "log").write_bytes(os.urandom(size))
    digest = hashlib.sha1((tmp_path / "log").read_bytes()).hexdigest()
    acknowledged: list[str] = []
    for round_ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "spool"), str(tmp_path / "log")],
            stdout=subprocess.PIPE,
            text=True,
        )
        with writer:
            assert writer.stdout is not None
            for _ in range(5 + round_ * 3):
                acknowledged.append(writer.stdout.readline().strip())
            writer.send_signal(signal.SIGKILL)
            acknowledged += writer.stdout.read().split("\n")[:-1]
    spool = Spool(tmp_path / "spool")
    for snapshot_id in acknowledged:
        (attachment,) = attachments(spool.read(snapshot_id))
        with attachment.open() as file:
            assert hashlib.file_digest(file, "sha1").hexdigest() == digest
    assert len(acknowledged) <= count(spool) <= len(acknowledged) + 6


PUTTER = """
import sys
from e3_event import Event
from e3_event.spool import Spool
spool = Spool(sys.argv[1])
for number in range(3):
    event = Event("x", number=number)
    event.attach_file(sys.argv[2])
    print(spool.put(event), flush=True)
"""
CALLS = ["openat", "pwrite64", "write", "fsync", "fdatasync", "rename", "ftruncate", "unlink", "mkdir"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("call", CALLS)
def test_a_writer_killed_at_a_system_call_loses_nothing_that_was_acknowledged(
    tmp_path: Path, call: str
) -> None:
    (tmp_path / "log").write_bytes(os.urandom(100_000))
    first = {"openat": 60}.get(call, 1)  # before that, Python opens its own modules
    acknowledged, killed = [], 0
    for number in (first, first + 1, first + 2, first + 4, first + 8, first + 16):
        done = subprocess.run(
            [
                *("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"),
                *("-e", f"inject={call}:signal=KILL:when={number}"),
                *(sys.executable, "-c", PUTTER, str(tmp_path / "spool"), str(tmp_path / "log")),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        acknowledged += done.stdout.split("\n")[:-1]
        killed += done.returncode == -signal.SIGKILL
    assert killed
    spool = Spool(tmp_path / "spool")
    for snapshot_id in acknowledged:
        attachments(spool.read(snapshot_id))[0].open().close()
    assert spool._database.connection.pragma("integrity_check") == "ok"
    spool.put(Event("goes on"))


def test_threads_and_forked_processes_share_a_spool(spool: Spool) -> None:
    def work(number: int) -> None:
        for _ in range(20):
            spool.put(Event(f"thread {number}"))

    def child() -> None:
        signal.alarm(60)  # one that hangs is killed
        try:
            for _ in range(3):
                spool.put(Event("child"))
        except BaseException:
            os._exit(1)
        os._exit(0)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            child()
        children.append(pid)
    for thread in threads:
        thread.join()
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 20
    spool.put(Event("parent"))
    assert count(spool) == 8 * 20 + 20 * 3 + 1
    assert spool._database.connection.pragma("integrity_check") == "ok"


def test_a_deleted_or_replaced_spool_is_noticed(spool: Spool, tmp_path: Path) -> None:
    spool.put(Event("x"))
    database = Path(spool.path) / "spool.db"
    content = database.read_bytes()
    database.unlink()
    with pytest.raises(SpoolError, match="was deleted while it was in use"):
        spool.put(Event("y"))
    database.write_bytes(content)
    with pytest.raises(SpoolError, match="was replaced while it was in use"):
        spool.put(Event("y"))


def test_a_commit_under_way_does_not_keep_a_spool_from_being_opened(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy:
        tries = 3

        def set_busy_timeout(self, _: int) -> None:
            pass

        def wal_checkpoint(self, _: None, mode: int) -> tuple[int, int]:
            assert mode == apsw.SQLITE_CHECKPOINT_NOOP
            self.tries -= 1
            if self.tries:
                raise apsw.BusyError("database is locked")
            return 7, 0

    monkeypatch.setattr(spool._database, "connection", Busy())
    assert spool._database._frames_found() == 7


def test_what_is_no_spool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    (tmp_path / "spool" / "spool.db").write_bytes(b"something else\n" * 1000)
    (tmp_path / "spool" / "spool.db").chmod(0o600)
    with pytest.raises(SpoolError, match="not a database"):
        Spool(tmp_path / "spool")


def test_a_damaged_row_or_blob_is_found_and_never_served(spool: Spool, tmp_path: Path) -> None:
    event = Event("x", text="unmistakable")
    attach(event, tmp_path / "large", b"a" * 100_000)
    put = spool.put(event)
    (blob,) = Path(spool.path, "blobs", put).iterdir()
    content = bytearray(blob.read_bytes())
    content[50_000] ^= 1
    blob.write_bytes(content)
    with pytest.raises(OSError, match="damaged"):
        attachments(spool.read(put))[0].open()
    execute = spool._database.connection.execute
    execute("UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'stakable', 'stakeble') AS BLOB)")
    with pytest.raises(SpoolError, match=f"snapshot {put} is damaged"):
        spool.read(put)


def test_an_unknown_snapshot_is_named(spool: Spool) -> None:
    with pytest.raises(SpoolError, match="there is no snapshot nonsense"):
        spool.read("nonsense")


def run_limited(code: str, tmp_path: Path, *limit: str) -> Any:
    done = subprocess.run(
        [*limit, sys.executable, "-c", code, str(tmp_path / "spool"), str(tmp_path / "log")],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


FILL = """
import json, sys
from e3_event import Event
from e3_event.spool import Spool
spool, accepted, said = Spool(sys.argv[1]), [], ""
for number in range(2000):
    try:
        accepted.append(spool.put(Event("x", padding="y" * 1000)))
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        break
print(json.dumps([accepted, said]))
"""


def test_a_file_size_limit_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    accepted, said = run_limited(FILL, tmp_path, "prlimit", "--fsize=400000")
    assert said.startswith("Spool")
    assert "spool.db" in said
    spool = Spool(tmp_path / "spool")
    for snapshot_id in accepted:
        spool.read(snapshot_id)
    spool.put(Event("goes on"))


def test_a_full_disk_is_a_spool_full_error_and_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount here")
    try:
        (disk / "ballast").write_bytes(bytes(700_000))
        spool = Spool(disk / "spool")
        accepted = []

        def fill() -> None:
            for _ in range(2000):
                accepted.append(spool.put(Event("x", padding="y" * 2000)))

        with pytest.raises(SpoolFullError, match=r"spool\.db: the disk is full"):
            fill()
        (tmp_path / "log").write_bytes(bytes(3 << 20))
        large = Event("x")
        large.attach_file(tmp_path / "log")
        with pytest.raises(SpoolFullError, match=r"an attachment can't be kept: .*No space left"):
            spool.put(large)
        assert blobs(spool) == []
        (disk / "ballast").unlink()
        accepted.append(spool.put(Event("there is room again")))
        for snapshot_id in accepted:
            spool.read(snapshot_id)
        spool.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("attached", [0, 100_000])
def test_a_failed_fsync_stops_every_process_until_it_is_repaired(tmp_path: Path, attached: int) -> None:
    code = """
import json, os, sys
from e3_event import Event
from e3_event.spool import Spool
spool, accepted, said = Spool(sys.argv[1]), [], []
for number in range(30):
    event = Event("x")
    if os.path.getsize(sys.argv[2]):
        event.attach_file(sys.argv[2])
    try:
        accepted.append(spool.put(event))
    except Exception as error:
        said.append(str(error))
print(json.dumps([accepted, said]))
"""
    (tmp_path / "log").write_bytes(bytes(attached))
    Spool(tmp_path / "spool").put(Event("before"))
    accepted, said = run_limited(
        code, tmp_path, "strace", "-f", "-o", "/dev/null", "-e", "inject=fsync,fdatasync:error=EIO:when=12"
    )
    assert accepted
    assert len(accepted) + len(said) == 30
    assert "disk has failed" in said[-1]
    with pytest.raises(SpoolError, match=r"the disk has failed .*fsck"):
        Spool(tmp_path / "spool")


def test_an_attachment_that_goes_before_it_is_captured_is_named_and_the_event_is_kept(
    spool: Spool, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("here")
    (tmp_path / "gone").write_text("soon gone")
    event = Event("build")
    event.attach_file(tmp_path / "log", "log")
    event.attach_file(tmp_path / "gone", "gone")
    snapshot = event.snapshot()
    (tmp_path / "gone").unlink()
    (tmp_path / "log").write_text("grown " * 10_000)

    read = spool.read(spool.put(snapshot))

    assert read.as_dict()["attachments_left_out"] == {"gone": "No such file or directory"}
    assert read.as_dict()["attachments_changed"] == ["log"]
    (log,) = read.attachments
    with log.open() as file:
        assert file.read() == b"grown " * 10_000


def test_a_snapshot_that_is_there_is_not_acknowledged_once_the_disk_has_failed(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(70_000))
    spool = Spool(tmp_path / "spool")
    event = Event("build")
    event.attach_file(str(tmp_path / "log"))
    snapshot = event.snapshot()
    spool.put(snapshot)
    spool._database.break_off("fsync failed")
    with pytest.raises(SpoolError, match="the disk has failed"):
        spool.put(snapshot)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_lack_of_descriptors_costs_no_attachment(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "log").write_bytes(b"all of it")
    event = Event("build")
    event.attach_file(str(tmp_path / "log"))
    snapshot = event.snapshot()
    with monkeypatch.context() as patch:

        def lack(_: object) -> None:
            raise OSError(number, os.strerror(number), str(tmp_path / "log"))

        patch.setattr("e3_event._attachment.Attachment.open", lack)
        with pytest.raises(SpoolError, match=f"can't be kept: .* {os.strerror(number)}: '{tmp_path}/log'"):
            spool.put(snapshot)
    (attached,) = attachments(spool.read(spool.put(snapshot)))
    with attached.open() as file:
        assert file.read() == b"all of it"


def test_what_is_committed_is_acknowledged_though_no_descriptor_is_left_for_a_look_at_the_log(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("e3_event.spool._database.read_header", lambda _: os.open("/", os.O_RDWR))
        first = spool.put(Event("first"))
    assert spool.read(first)["name"] == "first"
    assert spool._database.mark.log() == (0, 0)
    spool.put(Event("second"))
    assert spool._database.mark.log()[1] > 0


DISK_WITHOUT_ROOM_FOR_THE_DATABASE = """
import os, resource, signal, sys
from e3_event import Event
from e3_event.spool import Spool

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(sys.argv[1])
for _ in range(8):
    spool.put_many([Event("x", text="x" * 15_000) for _ in range(200)])
spool._database.connection.wal_checkpoint(mode=3)
size = os.path.getsize(sys.argv[1] + "/spool.db")
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
for _ in range(400):
    spool.put(Event("x", text="x" * 15_000))
assert spool._database._wal_pages > 1500, spool._database._wal_pages
"""


def test_a_log_that_can_not_be_written_back_yet_fails_no_commit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DISK_WITHOUT_ROOM_FOR_THE_DATABASE, str(tmp_path / "spool")]
    assert subprocess.run(command, check=False).returncode == 0


def test_a_process_that_saw_its_disk_fail_goes_on_no_more_whatever_it_can_note(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "chmod", fail)
    spool._database.break_off("fsync failed")
    for _ in range(2):
        with pytest.raises(SpoolError, match="the disk has failed"):
            spool.put(Event("x"))
