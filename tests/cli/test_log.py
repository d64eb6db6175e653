"""`log`: an attachment as it is, or harmless on a terminal, or followed while it grows."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from cli.command import COMMAND, DEADLINE, e3_event, start
from cli.terminal import on_terminal
from e3_event import Event
from e3_event.cli._harmless import Harmless
from e3_event.spool import Spool

NASTY = (
    b"\x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07\x1b[8mhidden"
    b" \xff\xc3\xa9 \xe2\x80\xae\r10%\r20%\r\nend\x9b5m\n"
)
SEEN = "\x1b[31mred\x1b[0m \\x1b[2J\\x1b]0;title\\x07\\x1b[8mhidden \\xffé \\u202e\n10%\n20%\nend\\x9b5m\n"


@pytest.fixture
def spool(private_environment: Path) -> Spool:
    return Spool(private_environment / ".local" / "state" / "e3-event" / "spool")


def put(spool: Spool, folder: Path, event: Event | None = None, **attachments: bytes) -> str:
    """Put an event with these attachments; return its uid."""
    event = event or Event("build")
    for name, content in attachments.items():
        path = folder / f"{name}-{len(content)}"
        path.write_bytes(content)
        event.attach_file(str(path), name)
    spool.put(event)
    return event.uid


@pytest.mark.parametrize("size", [0, 100, 5_000_000])
def test_it_is_printed_as_it_is_into_a_pipe(spool: Spool, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    done = e3_event("log", put(spool, tmp_path, log=content))
    assert (done.returncode, done.stdout == content, done.stderr) == (0, True, b"")


def test_on_a_terminal_it_is_harmless_and_keeps_its_colours(spool: Spool, tmp_path: Path) -> None:
    uid = put(spool, tmp_path, log=NASTY)
    assert on_terminal("log", uid) == (0, SEEN + "\x1b[0m")


def test_on_a_terminal_it_is_as_it_is_if_wished(spool: Spool, tmp_path: Path) -> None:
    uid = put(spool, tmp_path, log=b"\x1b[2J\x1b]0;title\x07\n")
    assert on_terminal("log", "--raw", uid) == (0, "\x1b[2J\x1b]0;title\x07\n")


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 100])
def test_what_is_harmless_does_not_depend_on_how_it_comes(pieces: int) -> None:
    harmless = Harmless()
    shown = "".join(harmless.take(NASTY[n : n + pieces]) for n in range(0, len(NASTY), pieces))
    assert shown + harmless.take(b"", is_last=True) == SEEN


@pytest.mark.parametrize(
    "color", ["", "0", "1", "01;31", "4", "7", "39;49", "97", "107", "38;5;208", "48;2;1;2;3", "38:2::1:2:3"]
)
def test_colours_are_kept(color: str) -> None:
    assert Harmless().take(f"\x1b[{color}mx".encode(), is_last=True) == f"\x1b[{color}mx"


@pytest.mark.parametrize(
    "sequence",
    [
        *(
            "\x1b[5m",
            "\x1b[8m",
            "\x1b[1;8m",
            "\x1b[2K",
            "\x1b[1A",
            "\x1b[6n",
            "\x1b[?1049h",
            "\x1bc",
            "\x1b(0",
        ),
        *(
            "\x1b]8;;http://x\x1b\\",
            "\x1bP+q\x1b\\",
            "\x9b2J",
            "\x08",
            "\x0e",
            "\x7f",
            "\0",
            "\u2066",
            "\u200b",
        ),
        *("\x1b", "\x1b[", "\x1b[31", "\x1b[38;5m"),
    ],
)
def test_nothing_else_reaches_the_terminal(sequence: str) -> None:
    shown = Harmless().take(f"a{sequence}b".encode(), is_last=True)
    assert shown.isprintable()
    assert shown.startswith("a\\")


def test_the_log_is_what_is_printed_if_no_name_is_given(spool: Spool, tmp_path: Path) -> None:
    assert e3_event("log", put(spool, tmp_path, a=b"A", log=b"L")).stdout == b"L"
    assert e3_event("log", put(spool, tmp_path, only=b"O")).stdout == b"O"
    uid = put(spool, tmp_path, a=b"A", b=b"B")
    done = e3_event("log", uid)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"which attachment? The event has: a, b" in done.stderr
    assert e3_event("log", uid, "b").stdout == b"B"
    done = e3_event("log", uid, "c")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no attachment 'c'; it has: a, b" in done.stderr
    done = e3_event("log", put(spool, tmp_path))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"the event has no attachments" in done.stderr


def test_a_damaged_attachment_is_never_printed(spool: Spool, tmp_path: Path) -> None:
    uid = put(spool, tmp_path, log=b"x" * 100_000)
    (path,) = Path(spool.path, "blobs").glob("*/log")
    path.write_bytes(b"y" * 100_000)
    done = e3_event("log", uid)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"damaged" in done.stderr


def test_a_reader_that_goes_away_ends_it(spool: Spool, tmp_path: Path) -> None:
    uid = put(spool, tmp_path, log=b"x" * 5_000_000)
    log = subprocess.Popen(
        [*COMMAND, "log", uid], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ.copy()
    )
    assert log.stdout is not None
    log.stdout.read(10)
    log.stdout.close()
    assert log.wait(DEADLINE) == 1
    assert log.stderr is not None
    assert b"Traceback" not in log.stderr.read()
    log.stderr.close()


def test_what_further_snapshots_add_is_followed_to_the_events_end(spool: Spool, tmp_path: Path) -> None:
    event = Event("build", status="running")
    log = subprocess.Popen(
        [*COMMAND, "log", "--follow", event.uid], stdout=subprocess.PIPE, env=os.environ.copy(), bufsize=0
    )
    try:
        assert log.stdout is not None
        written = b""
        for step in (b"one\n", b"two\n" * 20_000, b"three\n"):
            written += step
            put(spool, tmp_path, event, log=written)
            found = b""
            while len(found) < len(step):
                found += log.stdout.read(len(step) - len(found))
            assert found == step
        event.status = "ok"
        event.close()
        spool.put(event)
        assert log.stdout.read() == b""
        assert log.wait(DEADLINE) == 0
    finally:
        log.kill()
        log.communicate()


def test_a_log_that_was_written_anew_is_followed_from_its_start(spool: Spool, tmp_path: Path) -> None:
    event = Event("build")
    log = subprocess.Popen(
        [*COMMAND, "log", "-f", event.uid], stdout=subprocess.PIPE, env=os.environ.copy(), bufsize=0
    )
    try:
        assert log.stdout is not None
        put(spool, tmp_path, event, log=b"first\n")
        assert log.stdout.read(6) == b"first\n"
        (tmp_path / "new").write_bytes(b"other\n")
        event.attach_file(str(tmp_path / "new"), "log")
        event.close()
        spool.put(event)
        assert log.stdout.read() == b"\nother\n"
        assert log.wait(DEADLINE) == 0
    finally:
        log.kill()
        log.communicate()


def test_what_a_command_prints_is_followed_to_its_end(spool: Spool, tmp_path: Path) -> None:
    script = f"echo begins; while ! test -e {tmp_path}/go; do sleep 0.01; done; echo ends; exit 3"
    with start("run", "sh", "-c", script) as running:
        assert running.stdout
        assert running.stdout.readline() == b"begins\n"
        (record,) = Path(spool.path, "runs").glob("*.json")
        uid = json.loads(record.read_bytes())["data"]["uid"]
        so_far = b""
        while so_far != b"begins\n":  # it is passed on first, then logged
            so_far = e3_event("log", uid[:20]).stdout
        with start("log", uid, "--follow") as follower:
            assert follower.stdout
            assert follower.stdout.readline() == b"begins\n"
            (tmp_path / "go").touch()
            assert follower.stdout.read() == b"ends\n"
        assert follower.returncode == 0
    assert running.returncode == 3
    assert e3_event("log", uid).stdout == b"begins\nends\n"
