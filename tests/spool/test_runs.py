"""What runs is written down, and becomes an event if its process is killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from e3_event import Event, EventManager
from e3_event._errors import SpoolError
from e3_event._event import Snapshot
from e3_event.handler_tools import attachments
from e3_event.spool import Spool, _orphans, _runs, key_of

#: A process that begins, says so, and does what it is told.
BEGINS = """
import os, sys, time
from e3_event import Event
from e3_event.spool import Spool

spool = Spool(sys.argv[1])
event = Event("nightly", branch="main")
run = spool.begin(event, {}, attachments={"report": sys.argv[1] + "/../report"})
with open(run.log, "wb") as log:
    log.write(b"so far\\xff")
print(event.uid, flush=True)
exec(sys.argv[2])
"""


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def begin_and(spool: Spool, code: str) -> subprocess.Popen[str]:
    """Start a process that begins a run and then executes the code."""
    command = [sys.executable, "-c", BEGINS, spool.path, code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def die(run: _runs.Run) -> None:
    """Leave a run as a process does that is killed."""
    run._leave()
    os.close(run._fd)


def uid_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def events(spool: Spool) -> list[Snapshot]:
    return [spool.read(hit.snapshot_id) for hit in spool.ledger.events()]


def left(spool: Spool) -> list[str]:
    return os.listdir(Path(spool.path, "runs"))


def test_a_killed_run_becomes_one_aborted_event_with_its_log(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("half of it")
    with begin_and(spool, "time.sleep(60)") as process:
        uid = uid_of(process)
        assert spool.adopt() == 0
        before = time.time()
        process.kill()
    assert spool.adopt() == 1
    assert spool.adopt() == 0
    (event,) = events(spool)
    assert (event.uid, event.name, event.branch, event.status) == (uid, "nightly", "main", "aborted")
    begun, ended = event["begin_time"], event["end_time"]
    assert begun <= ended <= before
    assert event.last_heartbeat == event.format_date("", ended)[""]
    assert event.duration == ended - begun
    assert event.error == _orphans.WHY
    found = {attachment.name: attachment for attachment in attachments(event)}
    assert found.keys() == {"log", "report"}
    with found["log"].open() as log:
        assert log.read() == b"so far\xff"
    assert left(spool) == []


def test_what_is_not_there_is_named_and_the_event_comes(spool: Spool) -> None:
    with begin_and(spool, "os.unlink(run.log); os._exit(1)") as process:
        uid_of(process)
    assert spool.adopt() == 1
    assert events(spool)[0].attachments_left_out == {"report": "No such file or directory"}


def test_a_run_that_ends_leaves_nothing(spool: Spool) -> None:
    event = Event("x")
    run = spool.begin(event, {})
    Path(run.log).write_text("output")
    Path(f"{run.log}.1").write_text("more of it")
    spool.put(Snapshot(event, run.snapshot_id), owed_to=[])
    run.end()
    run.end()
    assert left(spool) == []
    assert spool.adopt() == 0


def test_a_run_that_is_killed_after_its_event_was_put_comes_once(spool: Spool) -> None:
    put = "spool.put(Snapshot(event, run.snapshot_id), owed_to=[])"
    code = f"from e3_event import Snapshot; event.close(); {put}; os._exit(1)"
    with begin_and(spool, code) as process:
        uid_of(process)
    assert spool.adopt() == 1
    (event,) = events(spool)
    assert "status" not in event
    assert left(spool) == []


def test_what_nobody_took_is_put_as_it_ended(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("all of it")
    code = (
        "event.status = 'failed'; event.attach_file(sys.argv[1] + '/../report', 'report'); event.close();"
        "run.settle(event); run.end(); os._exit(0)"
    )
    with begin_and(spool, code) as process:
        uid_of(process)
    assert spool.adopt() == 1
    (event,) = events(spool)
    assert event.status == "failed"
    assert "last_heartbeat" not in event
    assert [attachment.name for attachment in attachments(event)] == ["report"]
    assert left(spool) == []


def test_a_run_lives_as_long_as_its_process_and_no_child_that_it_leaves_behind(spool: Spool) -> None:
    code = "if os.fork() == 0: print(os.getpid(), flush=True)\ntime.sleep(60)"
    with begin_and(spool, code) as process:
        uid_of(process)
        child = int(uid_of(process))
        assert spool.adopt() == 0
        process.kill()
        process.wait()
        try:
            assert spool.adopt() == 1
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_child_of_a_fork_ends_nothing_of_its_parent(spool: Spool) -> None:
    run = spool.begin(Event("x"), {})
    pid = os.fork()
    if pid == 0:
        try:
            run.end()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert len(left(spool)) == 1
    assert spool.adopt() == 0
    run.end()


def test_a_command_that_a_run_starts_does_not_keep_it_alive(spool: Spool) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '60'], close_fds=False).pid, flush=True)"
    with begin_and(spool, f"{code}; os._exit(1)") as process:
        uid_of(process)
        sleeper = int(uid_of(process))
    try:
        assert spool.adopt() == 1
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_a_sign_of_life_is_given_now_and_then(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runs, "HEARTBEAT", 0.01)
    run = spool.begin(Event("x"), {})
    other = spool.begin(Event("y"), {})
    record = Path(run.log).with_suffix(".json")
    os.utime(record, (0, 0))
    until = time.monotonic() + 30
    while record.stat().st_mtime == 0 and time.monotonic() < until:
        time.sleep(0.01)
    assert time.time() - record.stat().st_mtime < 60
    run.end()
    other.end()


def test_it_is_owed_to_those_that_it_began_for(spool: Spool) -> None:
    manager = EventManager()
    manager.add_handler("file", spool.path)
    run = spool.begin(Event("x"), manager.handlers)
    die(run)
    assert spool.adopt() == 1
    (hit,) = spool.ledger.events()
    key = key_of("file", manager.handlers["file"])
    assert [standing.key for standing in hit.standings] == [key]


def test_several_adopt_it_once(spool: Spool) -> None:
    for _ in range(20):
        run = spool.begin(Event("x"), {})
        die(run)
    code = "import sys; from e3_event.spool import Spool; print(Spool(sys.argv[1]).adopt(30))"
    command = [sys.executable, "-c", code, spool.path]
    several = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    counts = [int(process.communicate()[0]) for process in several]
    assert sum(counts) == 20
    assert len(events(spool)) == 20
    assert left(spool) == []


def test_a_damaged_record_is_kept_for_a_person_and_keeps_nobody_back(spool: Spool) -> None:
    damaged, whole = spool.begin(Event("x"), {}), spool.begin(Event("y"), {})
    Path(damaged.log).with_suffix(".json").write_bytes(b'{"snapshot_id": ')
    for run in (damaged, whole):
        die(run)
    assert spool.adopt() == 1
    assert [event.name for event in events(spool)] == ["y"]
    (problem,) = [what for _, what in spool.ledger.status().damage]
    assert problem.endswith("is damaged, so that its event is lost; see quarantine")
    assert len(os.listdir(Path(spool.path, "quarantine"))) == 1
    assert left(spool) == []


def test_what_belongs_to_no_record_is_removed_when_it_is_old(spool: Spool) -> None:
    run = spool.begin(Event("x"), {})
    run.end()
    folder = Path(run.log).parent
    (folder / "a.json.new").touch()
    (folder / "b.log").touch()
    (folder / "c.log").touch()
    os.utime(folder / "b.log", (0, 0))
    spool.adopt()
    assert sorted(left(spool)) == ["a.json.new", "c.log"]


def test_nothing_is_left_where_it_can_not_be_written_down(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    spool.begin(Event("x"), {}).end()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            spool.begin(Event("x"), {})
    assert left(spool) == []


def test_only_its_owner_can_read_it(spool: Spool) -> None:
    run = spool.begin(Event("x"), {})
    record = Path(run.log).with_suffix(".json")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700
    assert json.loads(record.read_bytes())["data"]["name"] == "x"
    run.end()


def test_a_folder_that_others_can_write_into_is_refused(spool: Spool) -> None:
    spool.begin(Event("x"), {}).end()
    os.chmod(Path(spool.path, "runs"), 0o777)
    with pytest.raises(SpoolError, match="others can write into it"):
        spool.begin(Event("x"), {})
