"""`ls`, `show` and `tail`: what people and programs see of the events in the spool."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cli.command import COMMAND, DEADLINE, e3_event
from cli.terminal import on_terminal
from e3_event import Event
from e3_event._codec import as_text
from e3_event.spool import Key, Spool
from e3_event.spool._deliveries import State
from e3_event.testing import HOSTILE
from spool.worker import by_name, put, work

ARCHIVE, ONCALL = Key("archive"), Key("oncall")


@pytest.fixture
def spool(private_environment: Path) -> Spool:
    """The user's own spool, where the command looks for it."""
    spool = Spool(private_environment / ".local" / "state" / "e3-event" / "spool")
    spool.register([ARCHIVE, ONCALL])
    return spool


def printed(*arguments: str | Path) -> str:
    done = e3_event(*arguments)
    assert done.stderr == b""
    return done.stdout.decode()


def as_json(*arguments: str | Path) -> Any:
    return json.loads(printed(*arguments, "--json"))


def is_harmless(text: str) -> bool:
    """Is there nothing in it that controls a terminal, but for colours?"""
    import click

    return all(c.isprintable() or c == "\n" for c in click.unstyle(text))


def test_ls_shows_what_there_is_and_what_became_of_it(spool: Spool) -> None:
    uids = put(spool, "build", "tests", status="ok")
    work(spool, ARCHIVE)
    work(spool, ONCALL, by_name(tests=State.DEAD))
    head, tests, build = printed("ls").splitlines()
    assert head.split() == ["PUT", "STATUS", "NAME", "UID", "SIZE", "DELIVERIES"]
    assert build.split()[1:4] == ["ok", "build", uids[0]]
    assert build.endswith("delivered")
    assert tests.endswith("dead: oncall; 1 delivered")
    assert tests.index(uids[1]) == build.index(uids[0])


def test_ls_as_json_has_all_of_it(spool: Spool) -> None:
    before = time.time()
    (uid,) = put(spool, "build", status="failed")
    work(spool, ONCALL, State.AGAIN, reason="refused")
    (found,) = as_json("ls")
    assert (found["uid"], found["name"], found["status"], found["problem"]) == (uid, "build", "failed", "")
    assert before <= found["put"] <= time.time()
    archive, oncall = found["deliveries"]
    assert archive == {"handler": "archive", "fingerprint": "", "state": "waiting", "is_out": False}
    assert (oncall["state"], oncall["attempts"], oncall["reason"]) == ("again", 1, "refused")
    assert oncall["next_try"] > time.time() + 3000


def test_ls_takes_all_its_filters(spool: Spool) -> None:
    put(spool, "nightly-a", status="failed", error="disk full")
    put(spool, "nightly-b", status="ok")
    put(spool, "other", status="failed")
    work(spool, ONCALL, by_name(other=State.DEAD))
    for arguments, names in {
        ("--name", "nightly-*"): ["nightly-b", "nightly-a"],
        ("--status", "failed"): ["other", "nightly-a"],
        ("--status", "failed", "--status", "ok", "--limit", "1"): ["other"],
        ("--handler", "oncall", "--state", "dead"): ["other"],
        ("--state", "delivered"): ["nightly-b", "nightly-a"],
        ("--text", "DISK"): ["nightly-a"],
        ("--since", "1h"): ["other", "nightly-b", "nightly-a"],
        ("--since", "2000-01-01", "-n", "0"): ["other", "nightly-b", "nightly-a"],
        ("--since", "2999-01-01T00:00"): [],
    }.items():
        assert [event["name"] for event in as_json("ls", *arguments)] == names, arguments


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--since", "yesterday"), "'yesterday': a time ago such as 30m, 2h or 3d, or a time such as 2026"),
        (("--state", "lost"), "'lost' is not one of 'waiting', 'again', 'dead'"),
        (
            ("--handler", "nobody"),
            "nobody called 'nobody' was ever owed an event here; there are: archive, oncall",
        ),
        (("--limit", "-1"), "-1 is not in the range"),
    ],
)
def test_a_wrong_filter_is_told_in_one_line_that_says_what_is_right(
    spool: Spool, arguments: tuple[str, ...], text: str
) -> None:
    done = e3_event("ls", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert text in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_an_empty_spool_says_what_to_do(spool: Spool) -> None:
    assert "there are no events in" in printed("ls")
    assert "e3-event send NAME" in printed("ls")
    assert as_json("ls") == []
    put(spool, "x")
    assert printed("ls", "--name", "y") == "no event fits\n"


def test_a_spool_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('spool = "none"\n')
    for command in (["ls"], ["show", "x"], ["log", "x"], ["dead"], ["retry", "x"], ["purge"], ["tail"]):
        done = e3_event("--config", config, *command)
        assert done.returncode == 2
        assert b'there is no spool: the configuration says `spool = "none"`' in done.stderr


def test_the_spool_of_the_configuration_file_is_used(tmp_path: Path) -> None:
    put(Spool(tmp_path / "mine"), "of this spool")
    config = tmp_path / "config.toml"
    config.write_text(f'[spool]\npath = "{tmp_path}/mine"\n')
    assert "of this spool" in printed("--config", config, "ls")


@pytest.fixture
def hostile(spool: Spool) -> Spool:
    """A spool with everything hostile that names, uids, states, data, handlers and reasons may be."""
    for text in filter(None, HOSTILE):
        event = Event(text, status=text, error=text, traceback=text, **{"key \x1b[2J\u202e": text})
        event._data["uid"] = text
        spool.put(event)
    for text in filter(None, HOSTILE):
        spool.register([Key(as_text(text), "f" * 16)])
    work(spool, ARCHIVE, lambda one: State.DEAD, reason=as_text("".join(HOSTILE)))
    return spool


@pytest.mark.parametrize("command", ["ls", "dead", "status"])
def test_what_is_hostile_is_harmless_in_lists(hostile: Spool, command: str) -> None:
    done = e3_event(command)
    assert done.returncode == (command == "status")
    lines = done.stdout.decode().splitlines()
    assert is_harmless(done.stdout.decode())
    assert all(len(line) < 400 for line in lines)
    if command != "status":
        assert len(lines) == len(HOSTILE)  # a head, and one line for each
    assert is_harmless(on_terminal(command)[1])
    json.loads(e3_event(command, "--json").stdout)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text and "\0" not in text])
def test_what_is_hostile_is_harmless_when_it_is_shown(hostile: Spool, text: str) -> None:
    done = e3_event("show", text)
    assert (done.returncode, done.stderr) == (0, b"")
    assert is_harmless(done.stdout.decode())
    assert "key \\x1b[2J\\u202e" in done.stdout.decode()


def test_show_tells_all_about_an_event(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("hello")
    event = Event("build", status="failed", branch="main", error="no space left")
    event.attach_file(str(tmp_path / "log"))
    (tmp_path / "log").write_text("hello, world")
    event.close()
    snapshot_id = spool.put(event)
    work(spool, ARCHIVE)
    work(spool, ONCALL, State.AGAIN, reason="connection refused")
    text = printed("show", event.uid)
    lines = text.splitlines()
    assert lines[0] == "build: failed"
    assert ["branch", "main"] in [line.split() for line in lines]
    assert "  no space left" in lines
    assert f"snapshot {snapshot_id}" in lines
    assert "changed since it was attached" in next(line for line in lines if line.startswith("  log"))
    assert "delivered" in next(line for line in lines if line.startswith("  archive"))
    oncall = next(line for line in lines if line.startswith("  oncall"))
    assert "again" in oncall
    assert "1 attempt; took 250 ms; connection refused; next try" in oncall
    found = as_json("show", event.uid[:-2])
    assert found["data"]["branch"] == "main"
    (attachment,) = found["attachments"]
    assert (attachment["name"], attachment["size"], attachment["changed"]) == ("log", 12, True)
    assert [one["snapshot_id"] for one in found["snapshots"]] == [snapshot_id]
    assert found["closed"] is True


def test_show_says_why_something_waits(spool: Spool) -> None:
    (uid,) = put(spool, "x")
    (number,) = spool.register([ARCHIVE])
    queue = spool.queue(number)
    assert queue.acquire()

    def note(lane: Any) -> None:
        lane.down, lane.reason, lane.probe = time.time() - 100, "no route to host", time.time() + 50

    queue.turn([], note=note)
    lines = printed("show", uid).splitlines()
    assert "its sink is down since" in next(line for line in lines if line.startswith("  archive"))
    assert "no route to host" in next(line for line in lines if line.startswith("  archive"))
    assert "nobody serves it now" in next(line for line in lines if line.startswith("  oncall"))


def test_show_names_the_other_snapshots_of_an_event(spool: Spool) -> None:
    event = Event("build", status="running")
    first = spool.put(event)
    event.status = "ok"
    spool.put(event)
    lines = printed("show", event.uid).splitlines()
    assert lines[0] == "build: ok"
    assert lines[lines.index("Other snapshots") + 1].split()[::2] == [first, "running"]
    assert printed("show", first).startswith("build: running")


def test_show_of_what_is_damaged_shows_what_it_can(spool: Spool) -> None:
    (uid,) = put(spool, "x")
    with spool._database.writing() as connection:
        connection.execute("UPDATE event SET checksum = checksum + 1")
    done = e3_event("show", uid)
    assert done.returncode == 1
    assert done.stdout.startswith(b"damaged: its checksum does not fit\nx\n")
    assert "damaged; waiting: archive, oncall" in printed("ls")


@pytest.mark.parametrize("command", ["show", "log", "retry"])
def test_an_event_that_is_not_there_or_not_clear_is_an_error(spool: Spool, command: str) -> None:
    for uid in ("0192-abc", "0192-abd"):
        event = Event("x")
        event._data["uid"] = uid
        spool.put(event)
    done = e3_event(command, "nowhere")
    assert done.returncode == 2
    assert b"there is no event whose uid or snapshot_id is 'nowhere' or begins with it" in done.stderr
    done = e3_event(command, "0192")
    assert done.returncode == 2
    assert b"'0192' is the beginning of several: 0192-abc, 0192-abd; give more of it" in done.stderr


def test_on_a_terminal_there_are_colours_and_uids_as_short_as_can_be(spool: Spool) -> None:
    (uid,) = put(spool, "build", status="ok")
    code, text = on_terminal("ls")
    assert code == 0
    assert "\x1b[32mok\x1b[0m" in text
    shown = next(line for line in text.splitlines() if "build" in line).split()[3]
    assert shown == uid[:13]
    code, text = on_terminal("show", shown)
    assert code == 0
    assert uid in text


def test_a_uid_on_a_terminal_is_as_long_as_it_has_to_be(spool: Spool) -> None:
    uids = ["0192abcdef-1234567-a", "0192abcdef-1234567-b", "0192abcdef-7", "short"]
    for uid in uids:
        event = Event("x")
        event._data["uid"] = uid
        spool.put(event)
    _, text = on_terminal("ls")
    assert [line.split()[2] for line in text.splitlines()[1:5]] == ["short", "0192abcdef-7", *uids[1::-1]]


@pytest.mark.parametrize("columns", [80, 200])
def test_a_long_name_leaves_room_on_a_terminal(spool: Spool, columns: int) -> None:
    put(spool, "n" * 300, "日本語のビルド" * 10)
    _, text = on_terminal("ls", columns=columns)
    names = [line.split()[1] for line in text.splitlines()[1:]]
    assert [name[-1] for name in names] == ["…", "…"]
    assert len(names[1]) == (24 if columns == 80 else 40)


def test_ls_over_a_hundred_thousand_events_is_no_slower_to_see(spool: Spool) -> None:
    for _ in range(20):
        spool.put_many([Event("x", status="ok") for _ in range(5000)])
    assert len(as_json("ls")) == 20
    assert len(as_json("ls", "--state", "waiting", "-n", "3")) == 3
    assert as_json("ls", "--name", "no-such") == []


def test_json_of_many_events_takes_no_memory_for_them() -> None:
    program = (
        "import resource, sys\n"
        "from e3_event.cli._terminal import print_json_list\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "print_json_list({'number': number, 'text': 'x' * 1000} for number in range(50_000))\n"
        "print(peak() - before, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=DEADLINE, check=True)
    found = json.loads(done.stdout)
    assert [one["number"] for one in found] == list(range(50_000))
    assert done.stdout.decode() == json.dumps(found, indent=2) + "\n"
    assert int(done.stderr) < 20_000


WORK = """
from e3_event.cli import _table
_table._LONG = 0.0
with _table.Progress("searching") as progress:
    for done in range(5):
        progress(done, 5)
print("done")
"""


def test_long_work_shows_a_bar_on_a_terminal_only() -> None:
    command = [sys.executable, "-c", WORK]
    piped = subprocess.run(command, capture_output=True, timeout=DEADLINE, check=True)
    assert (piped.stdout, piped.stderr) == (b"done\n", b"")
    code, text = on_terminal(command=command)
    assert code == 0
    assert "searching  [" in text
    assert text.endswith("\x1b[2Kdone\n")  # the line of the bar is cleared


def test_tail_shows_the_newest_and_then_what_comes(spool: Spool) -> None:
    put(spool, "one", "two", "three")
    tail = subprocess.Popen(
        [*COMMAND, "tail", "-n", "2", "--json"], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    try:
        assert tail.stdout is not None
        assert [json.loads(tail.stdout.readline())["name"] for _ in range(2)] == ["two", "three"]
        for name in ("four", "five"):
            put(spool, name)
            assert json.loads(tail.stdout.readline())["name"] == name
        spool.put_many([Event(f"event-{n}") for n in range(1200)])
        assert [json.loads(tail.stdout.readline())["name"] for _ in range(1200)] == [
            f"event-{n}" for n in range(1200)
        ]
        tail.send_signal(signal.SIGINT)
        assert tail.wait(DEADLINE) == 130
    finally:
        tail.kill()
        tail.communicate()


def test_tail_tells_people_in_aligned_lines(spool: Spool) -> None:
    tail = subprocess.Popen(
        [*COMMAND, "tail"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    try:
        assert tail.stdout is not None
        (uid,) = put(spool, "\x1b[2Jevil", status="failed")
        line = tail.stdout.readline()
        assert line.split()[1:] == ["failed", "\\x1b[2Jevil", uid]
    finally:
        tail.kill()
        tail.communicate()


def test_tail_ends_when_the_spool_is_deleted(spool: Spool) -> None:
    import shutil

    tail = subprocess.Popen(
        [*COMMAND, "tail", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    )
    try:
        assert tail.stdout is not None
        put(spool, "x")
        tail.stdout.readline()
        shutil.rmtree(spool.path)
        assert tail.wait(DEADLINE) == 2
        assert tail.stderr is not None
        assert "the spool was deleted while it was in use" in tail.stderr.read()
    finally:
        tail.kill()
        tail.communicate()
