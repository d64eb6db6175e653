"""Exceptions out of nothing, as of a signal's handler, and forks: neither harms anybody else."""

from __future__ import annotations

import _thread
import contextlib
import hashlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import apsw
import pytest

from e3_event import Event
from e3_event.spool import Spool, _database, _forks
from e3_event.spool._copy import copy

SPOOL = os.path.dirname(_database.__file__)
OTHERS = ("contextlib.py", "threading.py", "_weakrefset.py")
#: The last process that closes a database removes its log.
VISIT = """
import sys
from e3_event import Event
from e3_event.spool import Spool

spool = Spool(sys.argv[1])
spool.put(Event("visit"))
spool.close()
"""


@contextlib.contextmanager
def interrupted_after(steps: int) -> Iterator[list[str]]:
    """Raise KeyboardInterrupt once this thread has done so many steps in the code of the spool.

    What it yields is filled with the place where that was. A step is the beginning of a function, or the end
    of one that is written in C: where Python calls the handlers of signals. It does so at jumps back, too.
    Code of Python that is called behind the back of others counts as well.
    """
    places: list[str] = []

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal steps
        path = frame.f_code.co_filename
        if event in ("call", "c_return") and (path.startswith(SPOOL) or path.endswith(OTHERS)):
            steps -= 1
            if steps < 0:
                sys.setprofile(None)
                places.append(f"{path}:{frame.f_lineno}")
                raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield places
    finally:
        sys.setprofile(before)


def put_in_a_thread(spool: Spool, event: Event) -> list[str]:
    """Put an event in another thread; return its `snapshot_id`, or nothing if that hangs."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(spool.put(event)), daemon=True)
    thread.start()
    thread.join(10)
    return found


@pytest.mark.filterwarnings("ignore:Exception ignored in. <_io.FileIO")  # which Python closes as well
@pytest.mark.parametrize("size", [0, 100, 100_000, 600_000])
def test_a_put_that_is_interrupted_anywhere_is_so_and_keeps_nobody_from_putting(
    tmp_path: Path, size: int
) -> None:
    spool = Spool(tmp_path / "spool")
    (tmp_path / "log").write_bytes(b"x" * size)
    places = ["the first one"]
    steps = -1
    while places:
        steps += 1
        event = Event("interrupted")
        if size:
            event.attach_file(str(tmp_path / "log"))
        kept = None
        try:
            with interrupted_after(steps) as places:
                spool.put(event)
        except KeyboardInterrupt as error:
            kept = error  # with its traceback, and all that lives as long
        found = put_in_a_thread(spool, Event("other"))
        assert found, f"hangs when interrupted at {places}: {kept!r}"
        assert kept or not places, f"the interrupt at {places} is lost"
        assert spool.read(found[0])["name"] == "other"
    assert steps > 20


def test_an_interrupt_at_the_start_of_a_thread_that_hashes_stays_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "log").write_bytes(bytes(1_000_000))
    monkeypatch.setattr(_thread, "start_new_thread", start)
    with open(tmp_path / "log", "rb") as source, pytest.raises(KeyboardInterrupt):
        copy(b"", source, str(tmp_path / "copy"), [hashlib.sha256()])


def test_a_fork_that_is_interrupted_waits_on_for_what_other_threads_do(
    tmp_path: Path, interrupt_main: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool")
    ignored: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    reads, ends = threading.Event(), threading.Event()
    is_locked = []

    def read() -> None:
        with spool._database.reading():
            reads.set()
            assert ends.wait(30)
            is_locked.append(spool._database._lock.locked())

    def interrupt() -> None:
        while not _forks.opening.locked():  # then it waits for the lock of what is read
            threading.Event().wait(0.001)
        interrupt_main()
        ends.set()

    threads = [threading.Thread(target=read), threading.Thread(target=interrupt)]
    threads[0].start()
    assert reads.wait(30)
    threads[1].start()
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)  # one that hangs is killed
        spool.put(Event("child"))
        os._exit(0)
    for thread in threads:
        thread.join(30)
    assert os.waitpid(pid, 0)[1] == 0
    assert is_locked == [True]
    assert not spool._database._lock.locked()
    assert [type(one.exc_value) for one in ignored] == [KeyboardInterrupt]


def outlive(spool: Spool, say: int, wait: int) -> None:
    """Put, say so with a dot, wait, put again and say what was put."""
    put = [spool.put(Event("before"))]
    os.write(say, b".")
    os.read(wait, 1)
    put.append(spool.put(Event("after")))
    os.write(say, " ".join(put).encode())


def test_a_forked_process_that_outlives_its_parent_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    (hear, say), (wait, go_on) = os.pipe(), os.pipe()
    parent = os.fork()
    if parent == 0:
        signal.alarm(60)  # one that hangs is killed
        try:
            spool = Spool(path)
            spool.put(Event("parent"))
            if os.fork() == 0:
                os.close(go_on)
                signal.alarm(60)
                outlive(spool, say, wait)
            else:
                os.read(hear, 1)
        finally:
            os._exit(0)
    os.close(say)
    os.waitpid(parent, 0)
    subprocess.run([sys.executable, "-c", VISIT, str(path)], check=True)
    os.close(go_on)
    with open(hear, "rb") as pipe:
        put = pipe.read().decode().split()
    os.close(wait)
    spool = Spool(path)
    assert [spool.read(snapshot_id)["name"] for snapshot_id in put] == ["before", "after"]


def test_a_second_thread_that_forks_waits_for_the_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    done = threading.Event()

    def fork() -> None:
        _forks._before()
        done.set()
        _forks._after()

    _forks._before()
    second = threading.Thread(target=fork)
    second.start()
    assert not done.wait(0.2)
    _forks._after()
    _forks._after()  # repeated, as it is registered twice
    assert done.wait(30)
    second.join()
    spool.put(Event("x"))


def test_a_fork_that_is_interrupted_anywhere_keeps_no_lock_and_no_inherited_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool")
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    for steps in itertools.count():
        pid, told = fork_interrupted_after(steps, spool._database)
        assert os.waitpid(pid, 0)[1] == 0
        assert "kept" not in told
        assert not _forks.opening.locked(), told
        assert not spool._database._lock.locked(), told
        spool.put(Event("parent"))
        if "nowhere" in told:
            break
    assert steps > 15


def fork_interrupted_after(steps: int, database: _database.Database) -> tuple[int, str]:
    """Fork, and be interrupted after so many steps in the code of the spool.

    :return: the child, and where it, or this process, was interrupted, with what the child has kept
    """
    left, places = steps, ["nowhere"]

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(SPOOL):
            left -= 1
            if left < 0:
                sys.setprofile(None)
                places[:] = [f"{frame.f_code.co_name}:{frame.f_lineno}"]
                raise KeyboardInterrupt

    read, write = os.pipe()
    before = sys.getprofile()
    sys.setprofile(profile)
    pid = os.fork()
    sys.setprofile(before)
    if pid == 0:
        try:
            kept = ["kept a lock"] * (_forks.opening.locked() or database._lock.locked())
            with contextlib.suppress(apsw.ConnectionClosedError):
                database.connection.pragma("user_version")
                kept.append("kept its connection")
            os.write(write, repr([*places, *kept]).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        told = pipe.read().decode()
    return pid, told if places == ["nowhere"] else f"{told.replace('nowhere', 'not here')}, {places}"


def test_a_connection_that_can_not_be_settled_before_a_fork_keeps_no_other_one_from_it() -> None:
    settled: list[str] = []

    def fail() -> None:
        raise OSError("its disk is gone")

    locks = [threading.Lock(), threading.Lock()]
    with _forks.opening:
        _forks.watch(locks[0], fail, fail)
        _forks.watch(locks[1], lambda: settled.append("second"), fail)
    try:
        with pytest.raises(OSError, match="its disk is gone"):
            _forks._before()
        assert settled == ["second"]
        assert all(lock.locked() for lock in locks)
    finally:
        _forks._after()
        for lock in locks:
            _forks.forget(lock)
    assert not any(lock.locked() for lock in locks)


#: The C library calls what sleeps when the interpreter is gone, and other threads run on meanwhile.
ENDS_AMID_A_COMMIT = """
import ctypes, sys, threading, time
from e3_event import Event
from e3_event.spool import Spool

def put_on():
    while True:
        spool.put(Event("x"))

libc = ctypes.CDLL(None)
libc.__cxa_atexit(ctypes.cast(libc.usleep, ctypes.c_void_p), ctypes.c_void_p(600_000), None)
spool = Spool(sys.argv[1])
threading.Thread(target=put_on, daemon=True).start()
time.sleep(0.1)
sys.exit(3)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_process_can_end_while_a_thread_commits(tmp_path: Path) -> None:
    slow_disk = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fdatasync:delay_exit=400000")
    command = [*slow_disk, sys.executable, "-c", ENDS_AMID_A_COMMIT, str(tmp_path / "spool")]
    assert subprocess.run(command, check=False).returncode == 3
