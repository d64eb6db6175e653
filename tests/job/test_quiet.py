"""`--quiet`: what a command prints is shown when it has failed, and not otherwise."""

from __future__ import annotations

import os
import resource
import select
import subprocess
from pathlib import Path

import pytest

from cli.command import COMMAND, DEADLINE, kept, spool_of, start
from job.scenario import PYTHON, Seen, see

QUIET = (*COMMAND, "run", "--quiet", "--")
#: Prints to both, in an order that one reader of both sees.
PRINTS = "for n in 1 2 3; do echo out $n; echo err $n >&2; done"


def logged(home: Path) -> bytes:
    """The log of the only event."""
    (event,) = kept(spool_of(home))
    with event.attachments[0].open() as file:
        return file.read()


def test_success_is_silent_and_logged(private_environment: Path) -> None:
    assert see([*QUIET, "sh", "-c", PRINTS]) == Seen(0, b"", b"")
    assert sorted(logged(private_environment).split(b"\n")) == sorted(
        [b"", *(b"%s %d" % (name, n) for name in (b"out", b"err") for n in (1, 2, 3))]
    )


def test_failure_shows_all_of_it_where_it_belongs() -> None:
    seen = see([*QUIET, "sh", "-c", f"{PRINTS}; exit 3"])
    assert seen == Seen(3, b"out 1\nout 2\nout 3\n", b"err 1\nerr 2\nerr 3\n")


def test_a_reader_of_both_sees_them_in_the_order_in_which_they_came() -> None:
    script = "for n in 1 2 3; do echo out $n; sleep 0.1; echo err $n >&2; sleep 0.1; done; exit 1"
    seen = see([*QUIET, "sh", "-c", script], stderr=subprocess.STDOUT)
    assert seen.out == b"".join(b"out %d\nerr %d\n" % (n, n) for n in (1, 2, 3))


@pytest.mark.parametrize("ending", ["kill -TERM $$", "sleep 300"])
def test_a_signal_and_the_end_of_its_time_are_failures(ending: str) -> None:
    seen = see([*COMMAND, "run", "--quiet", "--timeout", "0.5s", "sh", "-c", f"echo x; {ending}"])
    assert seen.out == b"x\n"


def test_nothing_is_shown_before_the_end(tmp_path: Path) -> None:
    script = "echo early; exec >&-; echo >fifo; read line; exit 1"
    os.mkfifo(tmp_path / "fifo")
    with start("run", "-q", "sh", "-c", script, cwd=tmp_path) as process:
        assert process.stdin
        assert process.stdout
        (tmp_path / "fifo").read_text()
        assert select.select([process.stdout], [], [], 0.2)[0] == []
        process.stdin.write(b"\n")
        assert process.stdout.read() == b"early\n"
    assert process.returncode == 1


def test_a_slow_reader_gets_all_of_it(private_environment: Path) -> None:
    script = "import os\nfor n in range(100): os.write(1 + n % 2, bytes([n]) * 50_000)\nos._exit(1)"
    seen = see([*QUIET, PYTHON, "-c", script])
    assert seen.out == b"".join(bytes([n]) * 50_000 for n in range(0, 100, 2))
    assert seen.err == b"".join(bytes([n]) * 50_000 for n in range(1, 100, 2))


def test_a_reader_that_went_away_changes_nothing() -> None:
    with start("run", "-q", "sh", "-c", "read line; echo x; exit 6") as process:
        assert process.stdin
        assert process.stdout
        process.stdout.close()
        process.stdin.write(b"\n")
        assert process.wait(DEADLINE) == 6


def test_on_a_terminal_of_its_own_too() -> None:
    assert see([*COMMAND, "run", "-q", "--pty", "sh", "-c", "echo x; exit 2"]).out == b"x\r\n"
    assert see([*COMMAND, "run", "-q", "--pty", "sh", "-c", "echo x"]) == Seen(0, b"", b"")


@pytest.mark.parametrize("code", [0, 1])
def test_what_can_not_be_kept_back_is_shown_at_once(code: int) -> None:
    """The disk is full: better loud than lost."""
    script = f"import os\nfor n in range(50): os.write(1, bytes([n]) * 10_000)\nos._exit({code})"
    seen = see(
        [*QUIET, PYTHON, "-c", script],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )
    assert (seen.code, seen.out) == (code, b"".join(bytes([n]) * 10_000 for n in range(50)))
    assert b"can't be kept back, it is shown as it comes: File too large\n" in seen.err


def test_where_no_file_can_be_made_it_is_shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/no/such/folder")
    seen = see([*QUIET, "echo", "x"])
    assert (seen.code, seen.out) == (0, b"x\n")
    assert b"can't be kept back, it is shown as it comes: No such file or directory\n" in seen.err


def test_no_file_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    see([*QUIET, "false"])
    assert list(tmp_path.iterdir()) == []
