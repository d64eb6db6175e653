"""The `file` handler, on a real file system."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event import DeliveryError, Event, EventError, EventHandler, EventManager
from e3_event.handler.file import FileHandler
from e3_event.handler_tools import snapshot_id
from e3_event.testing import HOSTILE, HandlerContract


def attach(event: Event, path: Path, content: bytes, name: str = "log") -> None:
    path.write_bytes(content)
    event.attach_file(str(path), name)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestFileContract(HandlerContract):
    def make_handler(self, tmp_path: Path) -> EventHandler:
        return FileHandler(str(tmp_path / "out"))

    def received(self, handler: EventHandler, tmp_path: Path) -> list[str]:
        return [json.loads(path.read_bytes())["name"] for path in (tmp_path / "out").glob("*.json")]


def test_the_documented_files_are_written(tmp_path: Path) -> None:
    event = Event("build", uid="u1", zeta=1, alpha=["é", None])
    attach(event, tmp_path / "source.txt", b"hello")
    os.chmod(tmp_path / "source.txt", 0o640)
    os.utime(tmp_path / "source.txt", (1_000_000_000, 1_000_000_001))
    snapshot = event.snapshot()
    out = tmp_path / "out"
    assert FileHandler(str(out)).send_event(snapshot)
    name = f"build-u1-{snapshot_id(snapshot)}.json"
    assert files_below(out) == [name, "build-u1/log"]
    assert (out / name).read_text() == json.dumps(event.as_dict(), indent=2, sort_keys=True)
    copy = out / "build-u1" / "log"
    assert copy.read_bytes() == b"hello"
    assert copy.stat().st_mode & 0o777 == 0o640
    assert copy.stat().st_mtime == 1_000_000_001


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_written_outside_the_folder(tmp_path: Path, text: str) -> None:
    out = tmp_path / "deep" / "below" / "out"
    event = Event(text, uid=text)
    attach(event, tmp_path / "source", b"x", text)
    assert FileHandler(str(out)).send_event(event)
    written = files_below(out)
    assert len(written) == 2
    assert files_below(tmp_path) == sorted(["source"] + [f"deep/below/out/{name}" for name in written])


def test_a_path_with_wildcards_is_taken_literally(tmp_path: Path) -> None:
    (tmp_path / "log1").write_bytes(b"the wrong one")
    event = Event("glob", uid="u")
    attach(event, tmp_path / "log[12]", b"the right one")
    assert FileHandler(str(tmp_path / "out")).send_event(event)
    assert (tmp_path / "out" / "glob-u" / "log").read_bytes() == b"the right one"


def test_a_second_send_never_overwrites_the_first(tmp_path: Path) -> None:
    handler = FileHandler(str(tmp_path / "out"))
    event = Event("twice", uid="u")
    attach(event, tmp_path / "log", b"first")
    handler.send_event(event)
    attach(event, tmp_path / "log", b"second")
    second = event.snapshot()
    handler.send_event(second)
    handler.send_event(second)  # a redelivery
    assert (tmp_path / "out" / "twice-u" / "log").read_bytes() == b"first"
    assert (tmp_path / "out" / f"twice-u-{snapshot_id(second)}" / "log").read_bytes() == b"second"
    assert len(files_below(tmp_path / "out")) == 4


def test_a_second_send_of_the_same_bytes_stays_at_the_documented_place(tmp_path: Path) -> None:
    handler = FileHandler(str(tmp_path / "out"))
    event = Event("same", uid="u")
    attach(event, tmp_path / "log", b"first")
    handler.send_event(event)
    attach(event, tmp_path / "more", b"more", "more")
    handler.send_event(event)
    folders = [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert folders == ["same-u"]
    assert files_below(tmp_path / "out" / "same-u") == ["log", "more"]


def test_a_folder_that_is_a_link_is_not_followed_out(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "ev-u").symlink_to(elsewhere)
    event = Event("ev", uid="u")
    attach(event, tmp_path / "log", b"x")
    assert FileHandler(str(out)).send_event(event)
    assert list(elsewhere.iterdir()) == []


def test_writers_in_parallel_lose_and_mix_nothing(tmp_path: Path) -> None:
    handler = FileHandler(str(tmp_path / "out"))
    contents = [f"content {number}".encode() for number in range(24)]

    def send(content: bytes) -> None:
        event = Event("race", uid="u")
        attach(event, tmp_path / content.decode(), content)
        assert handler.send_event(event)

    threads = [threading.Thread(target=send, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = files_below(tmp_path / "out")
    logs = [tmp_path / "out" / name for name in written if name.endswith("/log")]
    assert sorted(log.read_bytes() for log in logs) == sorted(contents)
    assert len(written) == 2 * len(contents)


WATCHER = """
import json, os, sys
out, complete = sys.argv[1], 0
print("ready", flush=True)
while complete < 200:
    for name in os.listdir(out):
        if name.endswith(".json"):
            data = json.load(open(os.path.join(out, name)))
            place = os.path.join(out, f"{data['name']}-{data['uid']}")
            assert len(open(os.path.join(place, "log")).read()) == 100_000
            os.unlink(os.path.join(out, name))
            complete += 1
"""


def test_a_reader_never_sees_an_event_that_is_incomplete_or_before_its_attachments(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    watcher = subprocess.Popen([sys.executable, "-c", WATCHER, str(out)], stdout=subprocess.PIPE)
    with watcher:
        assert watcher.stdout is not None
        watcher.stdout.readline()
        try:
            (tmp_path / "log").write_text("x" * 100_000)
            handler = FileHandler(str(out))
            for number in range(200):
                event = Event("seen", uid=str(number), padding="y" * 50_000)
                event.attach_file(str(tmp_path / "log"))
                assert handler.send_event(event)
            assert watcher.wait(timeout=60) == 0
        finally:
            watcher.kill()


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import sys, e3_event\n"
        "m = e3_event.EventManager(); m.add_handler('file', sys.argv[1])\n"
        "e = e3_event.Event('big', uid='u', padding='x' * 200_000)\n"
        "print(m.dispatch(e).outcomes[0].reason)\n"
        "e = e3_event.Event('small', uid='u'); e.attach_file(sys.argv[2])\n"
        "print(m.dispatch(e).outcomes[0].reason)\n"
    )
    (tmp_path / "log").write_bytes(b"x" * 200_000)
    done = subprocess.run(
        [
            "prlimit",
            "--fsize=100000",
            sys.executable,
            "-c",
            code,
            str(tmp_path / "out"),
            str(tmp_path / "log"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("File too large: " + str(tmp_path / "out")) == 2
    assert list((tmp_path / "out").iterdir()) == []


def test_a_private_attachment_is_private_while_it_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []

    def copy(source: BinaryIO, target: BinaryIO, length: int) -> None:
        modes.append(os.fstat(target.fileno()).st_mode & 0o777)
        copyfileobj(source, target, length)

    copyfileobj = shutil.copyfileobj
    monkeypatch.setattr(shutil, "copyfileobj", copy)
    event = Event("x", uid="u")
    attach(event, tmp_path / "log", b"private")
    os.chmod(tmp_path / "log", 0o600)
    assert FileHandler(str(tmp_path / "out")).send_event(event.snapshot())
    assert modes == [0o600]
    assert (tmp_path / "out/x-u/log").read_bytes() == b"private"


def test_a_file_system_without_modes_and_owners_takes_attachments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As FAT, or some network mounts; one that is mounted needs root, so the system call is replaced."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    event = Event("x", uid="u")
    attach(event, tmp_path / "log", b"content")
    monkeypatch.setattr(os, "chmod", refuse)
    monkeypatch.setattr(os, "utime", refuse)
    assert FileHandler(str(tmp_path / "out")).send_event(event.snapshot())
    assert (tmp_path / "out/x-u/log").read_bytes() == b"content"


def test_an_attachment_that_vanished_after_the_snapshot_is_named(tmp_path: Path) -> None:
    event = Event("x")
    attach(event, tmp_path / "log", b"content")
    snapshot = event.snapshot()
    (tmp_path / "log").unlink()
    with pytest.raises(DeliveryError, match=r"attachment 'log' can't be read: .*No such file"):
        FileHandler(tmp_path / "out").send_event(snapshot)
    assert list((tmp_path / "out").iterdir()) == []


def test_without_hard_links_a_second_set_of_attachments_gets_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError(1, "Operation not permitted", target)

    monkeypatch.setattr(os, "link", refuse)
    handler = FileHandler(tmp_path / "out")
    event = Event("x", uid="u")
    attach(event, tmp_path / "log", b"one")
    handler.send_event(event)
    attach(event, tmp_path / "more", b"two", "more")
    second = event.snapshot()
    handler.send_event(second)
    assert files_below(tmp_path / "out" / "x-u") == ["log"]
    assert files_below(tmp_path / "out" / f"x-u-{snapshot_id(second)}") == ["log", "more"]


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    manager = EventManager()
    manager.add_handler("file", str(tmp_path / "file" / "out"))
    (outcome,) = manager.dispatch(Event("x")).outcomes
    assert str(tmp_path / "file" / "out") in outcome.reason


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_folder_survives_the_configuration_string(folder: str) -> None:
    config = FileHandler(folder).encode_config()
    assert "|" not in config
    assert FileHandler.decode_config(config) == {"log_dir": folder}


@pytest.mark.parametrize("folder", ["/var/log/events", "/a=b,c", "/100%", "/a b/%20"])
def test_an_ordinary_folder_is_written_raw(folder: str) -> None:
    assert FileHandler(folder).encode_config() == folder


def test_a_missing_folder_is_refused() -> None:
    with pytest.raises(EventError, match="the folder is missing"):
        FileHandler("")


def synced_by(handler: FileHandler, events: list[Event], tmp_path: Path) -> list[str]:
    """The paths that are synced while a child process sends *events* as a relay does, as strace sees them."""
    program = tmp_path / "program.py"
    dumps = [event.dump(tmp_path / "dumps") for event in events]
    program.write_text(
        "from e3_event import Event\nfrom e3_event.handler.file import FileHandler\n"
        f"events = [Event.load(path).snapshot() for path in {dumps!r}]\n"
        f"assert FileHandler({handler.log_dir!r}).send_events(events) == [True] * len(events)\n"
    )
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
    subprocess.run([*command, sys.executable, str(program)], check=True)
    return re.findall(r"sync\(\d+<(.*)>\) += 0$", trace.read_text(), re.MULTILINE)


def test_what_a_relay_gave_is_synced_once_a_batch(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    events = []
    for number in range(2):
        (tmp_path / f"log{number}").write_text("x" * number)
        event = Event("build", uid=f"u{number}")
        event.attach_file(tmp_path / f"log{number}")
        events.append(event)

    synced = synced_by(FileHandler(tmp_path / "out"), events, tmp_path)

    out = tmp_path / "out"
    files = [str(path) for path in out.rglob("*")]
    assert len(files) == 6  # two files, two folders with a log each
    assert sorted(synced) == sorted([*files, str(out)])


def test_a_batch_that_can_not_be_synced_is_not_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)

    (answer,) = FileHandler(tmp_path / "out").send_events([Event("build").snapshot()])

    assert isinstance(answer, DeliveryError)
    assert "can't be synced: Input/output error" in str(answer)
