"""`e3-event run --pty` where we have no terminal, and what its end, a kill or a full screen make of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from cli.command import COMMAND, DEADLINE, kept, spool_of, start
from job.scenario import PLAIN, PYTHON, Seen, is_alive, see, until
from job.session import PROMPT, Session

PTY = (*COMMAND, "run", "--pty", "--")


def test_without_a_terminal_of_ours_it_writes_to_one_and_reads_what_we_read() -> None:
    seen = see(
        [*PTY, "sh", "-c", "test -t 1 && test -t 2 && stty size <&1; cat; echo err >&2"], stdin=b"\0\x03x"
    )
    assert seen == Seen(0, b"24 80\r\n\0\x03xerr\r\n", b"")


def test_it_leads_no_session_and_its_terminal_is_its_own() -> None:
    script = "import os; print(os.getsid(0) != os.getpid(), os.getpgrp() == os.getpid() == os.tcgetpgrp(1))"
    done = see([*PTY, PYTHON, "-c", f"{script}; open('/dev/tty', 'w').write('x')"])
    assert done == Seen(0, b"True True\r\nx", b"")


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 7", 7), ("kill -TERM $$", -15), ("kill -KILL $$", -9), ("exec /no/such/program", 127)],
)
def test_it_ends_as_without(script: str, code: int) -> None:
    assert see([*PTY, "sh", "-c", script]).code == code


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/", 126)])
def test_what_can_not_be_started_is_told(program: str, code: int) -> None:
    seen = see([*PTY, program])
    assert (seen.code, seen.out) == (code, b"")
    assert seen.err.startswith(f"e3-event: {program}: ".encode())


def test_all_that_it_wrote_is_there_however_soon_it_ends() -> None:
    expected = b"".join(b"%d\r\n" % n for n in range(1, 100_001))
    assert see([*PTY, "seq", "100000"]).out == expected
    for _ in range(10):
        assert see([*PTY, "sh", "-c", "echo last"]).out == b"last\r\n"


def test_its_environment_is_what_it_would_be() -> None:
    locale = ["env", "-u", "LC_ALL", "-u", "LANG", "LC_CTYPE=C"]
    plain, wrapped = (see([*locale, *front, "env"]).out.split() for front in (PLAIN, PTY))
    assert {variable for variable in wrapped if not variable.startswith((b"E3_EVENT_", b"TRACE"))} == set(
        plain
    )


def test_who_is_left_behind_there_is_hung_up(tmp_path: Path) -> None:
    script = f"sleep 300 & echo $! >{tmp_path}/pid"
    assert see([*PTY, "sh", "-c", script]) == Seen(0, b"", b"")
    until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_when_we_are_killed_it_is_hung_up() -> None:
    with start("run", "--pty", "sh", "-c", "echo $$; exec sleep 300") as process:
        assert process.stdout
        command = int(process.stdout.readline())
        process.kill()
        until(lambda: not is_alive(command))


@pytest.mark.parametrize("to_group", [False, True])
def test_a_signal_to_us_is_its_own(to_group: bool) -> None:
    with start("run", "--pty", "sh", "-c", "echo begun; exec sleep 300", process_group=0) as process:
        assert process.stdout
        process.stdout.readline()
        (os.killpg if to_group else os.kill)(process.pid, signal.SIGTERM)
        assert process.wait(DEADLINE) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ("", "sh -c 'echo begun; stty raw; exit 3'"),
        ("", "sh -c 'echo begun; kill -KILL $$'"),
        ("", "sh -c 'echo begun; kill -TERM $(cut -d\" \" -f4 /proc/$PPID/stat); exec sleep 300'"),  # to us
        ("--timeout 0.3s", "sh -c 'echo begun; exec sleep 300'"),
        ("", "no-such-program"),
    ],
)
def test_our_terminal_is_what_it_was_however_it_ends(options: str, command: str, tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        before = session.mode()
        session.type(f"{' '.join(PTY[:-1])} {options} {command}\n")
        session.wait_for("\n")
        session.wait_for(PROMPT)
        assert session.mode() == before
        assert session.run("echo all well") == "all well\n"


def test_it_can_be_piped_on(tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        before = session.mode()
        session.type(f"{' '.join(PTY)} sh -c 'read x; echo got $x' | tee out\n")
        session.wait_for("\n")
        session.type("line\n")
        assert "got line\r" in session.wait_for(PROMPT)
        assert session.mode() == before
    assert (tmp_path / "out").read_bytes() == b"line\r\ngot line\r\n"


def test_a_command_that_is_interrupted_by_a_key_is_cancelled(
    tmp_path: Path, private_environment: Path
) -> None:
    with Session(tmp_path) as session:
        session.type(f"{' '.join(PTY)} bash -c 'trap \"exit 1\" INT; echo begun; read x'\n")
        session.wait_for("begun\r\n")
        session.type("\x03")
        session.wait_for(PROMPT)
    (event,) = kept(spool_of(private_environment))
    assert (event.status, event.exit_code) == ("cancelled", 1)
