"""Runs the command as a user does, and reads what its `file` handler wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e3_event import Snapshot
from e3_event.spool import Spool

COMMAND = [sys.executable, "-m", "e3_event"]
DEADLINE = 60.0


def e3_event(
    *arguments: str | Path,
    stdin: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run `e3-event` with these arguments and further environment variables, to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, **(env or {}), **environment},
        timeout=DEADLINE,
        check=False,
    )


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start `e3-event` with pipes as its standard streams."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*COMMAND, *arguments], **{"stdin": pipe, "stdout": pipe, "stderr": pipe, "bufsize": 0, **options}
    )


def peak_memory(*arguments: str) -> int:
    """Peak memory in KiB of `e3-event` with these arguments, whose output is read and thrown away."""
    process = start(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdin.close()  # type: ignore[union-attr]
    assert process.returncode == 0
    return usage.ru_maxrss


class Events:
    """What lies in the folder of a `file` handler."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))]

    def only(self) -> dict[str, Any]:
        (event,) = self.all()
        return event

    def attachment(self, name: str = "log") -> bytes:
        event = self.only()
        return (self.folder / f"{event['name']}-{event['uid']}" / name).read_bytes()


def spool_of(home: Path) -> Path:
    """The spool of the user with this home."""
    return home / ".local/state/e3-event/spool"


def kept(folder: Path) -> list[Snapshot]:
    """What lies in a spool, the newest first."""
    spool = Spool(folder)
    try:
        return [spool.read(found.snapshot_id) for found in spool._events.before(1 << 62, 1000)]
    finally:
        spool.close()


#: A file that keeps events out of the spool: they go to their handlers at once.
DIRECT = 'spool = "none"\n'
