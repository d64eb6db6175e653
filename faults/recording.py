"""What a process writes and syncs, recorded: all that a disk gets to know of it, in order."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from .machine import strace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .bench import Bench
    from .child import Child

_CALLS = (
    *("openat", "write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "mkdir", "rename"),
    *("unlink", "unlinkat", "rmdir"),
)
_LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (\d+)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_PARTS = re.compile(r"^(\d+) +(?:<\.\.\. \w+ resumed>)?(.*?)( <unfinished \.\.\.>)?$")
_PLACE = re.compile(r"^(?:\d+|AT_FDCWD)<([^>]*)>")


class Op(NamedTuple):
    """One thing that was done.

    :ivar kind: make (a file), mkdir, write, truncate, sync, rename, remove, or tell: a line of the journal
    :ivar path: of the file or folder
    :ivar target: the new name
    :ivar offset: where it was written, or the new size
    :ivar data: what was written or told
    """

    kind: str
    path: str
    target: str = ""
    offset: int = 0
    data: bytes = b""


def record(bench: Bench, plan: Callable[[Child], None], spool: str, *, is_long: bool) -> list[Op]:
    """Have a child do *plan*, and return what it did in the folder of the trial."""
    log = bench.path("log")
    under = strace(log, _CALLS, "-y", "-xx", "-s", str(1 << 24))
    bench.finish(bench.child(plan, under=under, spool=spool, is_long=is_long))
    with open(log, encoding="ascii") as file:
        return [op for op in _ops(_whole(file), bench.journal) if op.path.startswith(bench.folder)]


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """Put together what strace tells in two lines, as another thread did something meanwhile."""
    begun: dict[str, str] = {}
    for line in lines:
        match = _PARTS.match(line)
        if match is None:
            yield line
            continue
        thread, text, is_unfinished = match.groups()
        text = begun.pop(thread, "") + text
        if is_unfinished:
            begun[thread] = text
        else:
            yield f"{thread} {text}"


def _ops(lines: Iterable[str], journal: str) -> Iterator[Op]:
    positions: dict[str, int] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            if "= -1 " in line or "+++" in line or "---" in line:
                continue
            raise RuntimeError(f"not understood: {line[:200]}")
        call, arguments, result = match[1], match[2], int(match[3])
        strings = [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(arguments)]
        place = _PLACE.match(arguments)
        at = _unhex(place[1]) if place else ""
        if call in ("openat", "unlinkat"):
            at = os.path.join(at, os.fsdecode(strings[0]))
        elif strings and not place:
            at = os.path.abspath(os.fsdecode(strings[0]))
        match call:
            case "openat":
                if "O_RDONLY" not in arguments:
                    positions[at] = 0
                if "O_CREAT" in arguments:
                    yield Op("make", at)
                if "O_TRUNC" in arguments:
                    yield Op("truncate", at)
            case "write":
                yield Op("write", at, offset=positions.get(at, 0), data=strings[0][:result])
                positions[at] = positions.get(at, 0) + result
            case "pwrite64":
                yield Op("write", at, offset=int(arguments.rpartition(" ")[2]), data=strings[0][:result])
            case "writev" if at == journal:
                yield Op("tell", at, data=strings[0][:result])
            case "fsync" | "fdatasync":
                yield Op("sync", at)
            case "ftruncate":
                yield Op("truncate", at, offset=int(arguments.rpartition(" ")[2]))
            case "mkdir":
                yield Op("mkdir", at)
            case "rename":
                yield Op("rename", at, target=os.path.abspath(os.fsdecode(strings[1])))
            case "unlink" | "unlinkat" | "rmdir":
                yield Op("remove", at)


def _unhex(text: str) -> str:
    """A path of `strace -y`, which -xx shows in hexadecimal."""
    return os.fsdecode(bytes.fromhex(text.replace("\\x", ""))) if text.startswith("\\x") else text
