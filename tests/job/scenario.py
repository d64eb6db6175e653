"""Runs a program as it is and behind `e3-event run`, to compare what becomes of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cli.command import COMMAND, DEADLINE

PYTHON = sys.executable
#: In front of a command: nothing, and ours.
PLAIN: tuple[str, ...] = ()
WRAPPED = (*COMMAND, "run", "--")


@dataclass(frozen=True)
class Seen:
    """What others see of a program that has ended: an exit code, or minus the signal that killed it."""

    code: int
    out: bytes
    err: bytes


def see(command: Sequence[str], *, stdin: bytes | int = b"", **options: Any) -> Seen:
    """Run a command to its end, with pipes unless *options* say something else."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    streams |= {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done = subprocess.run(command, timeout=DEADLINE, check=False, **(streams | options))
    return Seen(done.returncode, done.stdout or b"", done.stderr or b"")


def see_both(command: Sequence[str], **options: Any) -> tuple[Seen, Seen]:
    """What is seen of a command without and with ours in front of it."""
    return see(command, **options), see([*WRAPPED, *command], **options)


def shell(script: str, front: Sequence[str] = PLAIN) -> list[str]:
    """A bash script in which `$run` is what stands in front of a command."""
    return ["bash", "-c", script.replace("$run", " ".join(front))]


def see_shells(script: str, **options: Any) -> tuple[Seen, Seen]:
    """What is seen of a script in which `$run` is nothing, and ours."""
    return see(shell(script), **options), see(shell(script, WRAPPED), **options)


def is_alive(pid: int) -> bool:
    """Is there such a process, and is it more than a zombie?"""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(holds: Callable[[], object]) -> None:
    """Return when this holds."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, "it never holds"
        time.sleep(0.01)
