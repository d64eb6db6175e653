"""At a terminal a command behind `e3-event run` is as without it, with `--pty` and without."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from cli.command import COMMAND, kept, spool_of
from job.scenario import PLAIN, PYTHON, WRAPPED, until
from job.session import PROMPT, Session

ON_TERMINAL = (*COMMAND, "run", "--pty", "--")
FRONTS = pytest.mark.parametrize("front", [PLAIN, WRAPPED, ON_TERMINAL], ids=["plain", "wrapped", "pty"])

#: Echoes lines until `end`, and exits with 7.
ECHOES = "echo begun; while read -r x && [ $x != end ]; do echo got $x; done; exit 7"
#: Says how large its terminal is, also when that changes, until it is interrupted.
MEASURES = """
import os, signal
def show(*_):
    print(*os.get_terminal_size(0), flush=True)
signal.signal(signal.SIGWINCH, show)
show()
while True:
    signal.pause()
"""
#: Writes down which signals it gets, until SIGHUP.
HEARS = """
import signal
signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
print("begun", flush=True)
number = 0
while number != signal.SIGHUP:
    number = signal.sigwait(signals)
    print(f"heard {number}", file=open("heard", "a", buffering=1))
"""

Start = Callable[..., None]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(tmp_path) as session:
        yield session


@pytest.fixture
def start(front: Sequence[str], session: Session, tmp_path: Path) -> Start:
    """Types the command that runs a script, of bash or of Python."""

    def start(script: str, redirected: str = "") -> None:
        (tmp_path / "script").write_text(script)
        program = PYTHON if "import" in script else "sh"
        session.type(f"{' '.join(front)} {program} script {redirected}\n")
        session.wait_for("\n")

    return start


@FRONTS
def test_keys_stop_it_and_it_goes_on_in_the_foreground(session: Session, start: Start) -> None:
    before = session.mode()
    start(ECHOES)
    session.wait_for("begun\r\n")
    for word in ("one", "two"):
        session.type("\x1a")
        session.wait_for(rf"Stopped.*{PROMPT}")
        assert session.mode() == before
        session.type("fg\n")
        session.type(f"{word}\n")
        session.wait_for(rf"got {word}\r\n")
    session.type("end\n")
    session.wait_for(PROMPT)
    assert session.run("echo $?") == "7\n"
    assert session.mode() == before


@FRONTS
def test_in_the_background_it_runs_until_it_reads(session: Session, start: Start) -> None:
    start(ECHOES, "&")
    session.wait_for("begun\r+\n")
    until(lambda: "Stopped" in session.run("jobs"))
    session.type("fg\n")
    session.type("one\n")
    session.wait_for("got one\r\n")
    session.type("end\n")
    session.wait_for(PROMPT)
    assert session.run("echo $?") == "7\n"


@FRONTS
def test_stopped_it_goes_on_in_the_background(session: Session, start: Start, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    start(f"echo waits; read -r x <fifo; {ECHOES}")
    session.wait_for("waits\r\n")
    session.type("\x1a")
    session.wait_for(rf"Stopped.*{PROMPT}")
    session.run("bg")
    assert "Running" in session.run("jobs")
    session.run("echo >fifo")
    until(lambda: "Stopped" in session.run("jobs"))
    session.type("fg\n")
    session.type("end\n")
    session.wait_for(PROMPT)
    assert session.run("echo $?") == "7\n"


@FRONTS
@pytest.mark.parametrize(("key", "number"), [("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)])
def test_keys_end_it(key: str, number: int, session: Session, start: Start) -> None:
    before = session.mode()
    start("echo begun; exec sleep 300")
    session.wait_for("begun\r\n")
    session.type(key)
    session.wait_for(PROMPT)
    assert session.run("echo $?") == f"{128 + number}\n"
    assert session.mode() == before


@FRONTS
def test_a_key_is_heard_once(session: Session, start: Start, tmp_path: Path) -> None:
    start(HEARS)
    session.wait_for("begun\r\n")
    for count in (1, 2, 3):
        session.type("\x03")
        until(lambda: len(heard(tmp_path)) >= count)  # noqa: B023  it is called at once
    session.hang_up()
    until(lambda: "heard 1" in heard(tmp_path))
    assert heard(tmp_path)[:4] == [*["heard 2"] * 3, "heard 1"]


def heard(folder: Path) -> list[str]:
    path = folder / "heard"
    return path.read_text().splitlines() if path.exists() else []


@FRONTS
def test_the_key_for_the_end_ends_its_input(front: Sequence[str], session: Session) -> None:
    session.type(f"{' '.join(front)} cat\n")
    session.wait_for("\n")
    session.type("one\n")
    session.wait_for("one\r\none\r\n")
    session.type("\x04")
    session.wait_for(PROMPT)
    assert session.run("echo $?") == "0\n"


@FRONTS
def test_it_has_the_size_of_the_window_also_when_that_changes(session: Session, start: Start) -> None:
    start(MEASURES)
    session.wait_for(r"\b132 40\r\n")
    for rows, columns in ((20, 70), (50, 200)):
        session.resize(rows, columns)
        session.wait_for(rf"\b{columns} {rows}\r\n")
    session.type("\x03")
    session.wait_for(PROMPT)


@FRONTS
def test_a_password_is_asked_for_and_not_shown(
    session: Session, start: Start, private_environment: Path
) -> None:
    """As ssh and sudo do: at the terminal, whatever stdin is, and with the echo off."""
    before = session.mode()
    start("import getpass; print(len(getpass.getpass()), 'characters')", "</dev/null")
    session.wait_for("Password: ")
    session.type("hunter2\n")
    assert "hunter2" not in session.wait_for("7 characters\r+\n")
    session.wait_for(PROMPT)
    assert session.mode() == before
    for event in kept(spool_of(private_environment)):
        with event.attachments[0].open() as log:
            assert b"hunter2" not in log.read()
