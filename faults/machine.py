"""What a machine must have for a row: tools, root, loop devices; and mounts that end with their block."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple


class Need(NamedTuple):
    """Something that a row needs.

    :ivar is_tool: whether it can be installed; with `CI=true` its lack is a failure then
    :ivar lacks: says what is missing; empty if nothing is
    """

    is_tool: bool
    lacks: Callable[[], str]


def tool(name: str, package: str) -> Need:
    """A command, and the Debian package that has it."""
    return Need(True, lambda: "" if shutil.which(name) else f"no {name}: install {package}")


@cache
def _no_mounts() -> str:
    if os.geteuid() != 0:
        return "not root: can't mount"
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no right to mount here: {done.stderr.strip()}"


@cache
def _no_loops() -> str:
    if os.geteuid() != 0:
        return "not root: can't use loop devices"
    done = subprocess.run(["losetup", "--find"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no loop device: {done.stderr.strip()}"


@cache
def _no_tracing() -> str:
    if not shutil.which("strace"):
        return ""  # said by the other need
    done = subprocess.run(["strace", "-f", "-qq", "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no right to trace here: {done.stderr.strip()}"


ROOT_USER = Need(False, lambda: "" if os.geteuid() == 0 else "not root")
MOUNT = Need(False, _no_mounts)
STRACE = (tool("strace", "strace"), Need(False, _no_tracing))
EXT4 = (tool("mkfs.ext4", "e2fsprogs"), Need(False, _no_loops), MOUNT)


def strace(log: str, calls: Sequence[str], *more: str) -> list[str]:
    """The command that runs another one, its *calls* traced into *log*."""
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-o", log, "-e", f"trace={','.join(calls)}", *more]


@contextlib.contextmanager
def mounted(what: str, place: str, *options: str) -> Iterator[str]:
    """Mount *what* at *place*, which is made, until the end of the block."""
    os.makedirs(place, exist_ok=True)
    run("mount", *options, what, place)
    try:
        yield place
    finally:
        unmount(place)


def unmount(place: str) -> None:
    run("umount", place)


def make_ext4(path: str, size: int, *options: str) -> None:
    """Make a file with an empty ext4 of *size* bytes."""
    with open(path, "wb") as file:
        file.truncate(size)
    run("mkfs.ext4", "-q", "-F", *options, path)


def copied(image: str) -> str:
    """Copy the image of a disk that was mounted, to mount it again.

    Its first loop device may not be gone yet, and would be used once more, with what it has in memory.
    """
    copy = f"{image}-again"
    run("cp", "--sparse=always", image, copy)
    return copy


def memory_folder() -> str | None:
    """A folder in memory, for what no disk is needed for; `None`: there is none."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run(*command: str) -> None:
    """Run a command of the system.

    :raises RuntimeError: it failed; says why
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
