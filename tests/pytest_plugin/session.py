"""Runs real pytest processes with the plugin, and finds the events that they sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

DEADLINE = 120.0
#: No cache is written, and our own settings are not those of the tests.
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


class Sessions:
    """A folder with tests, and the events of its sessions.

    The handler is a `file` one, behind the user's spool.
    """

    def __init__(self, folder: Path, events: Path) -> None:
        self.folder = folder
        self.events = events
        self.write("pytest.ini", "[pytest]\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(text))

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start pytest with the plugin."""
        usual = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
        command = [*PYTEST, "-p", "e3_event.pytest", *arguments]
        return subprocess.Popen(command, cwd=self.folder, **{**usual, **options})

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run pytest with the plugin, to its end."""
        with self.start(*arguments, env={**os.environ, **environment}) as process:
            try:
                printed, _ = process.communicate(timeout=DEADLINE)
            finally:
                process.kill()
        return subprocess.CompletedProcess(arguments, process.returncode, printed)

    def sent(self) -> list[dict[str, Any]]:
        """All events."""
        return [json.loads(path.read_text()) for path in sorted(self.events.glob("*.json"))]

    def session(self) -> dict[str, Any]:
        """The one event of a session."""
        (event,) = [event for event in self.sent() if "exit_code" in event]
        return event

    def tests(self) -> dict[str, dict[str, Any]]:
        """The events of tests, by name; each is there once."""
        tests = [event for event in self.sent() if "outcome" in event]
        by_name = {event["name"]: event for event in tests}
        assert len(by_name) == len(tests)
        return by_name

    def log(self) -> str:
        """What is attached to the event of the session."""
        event = self.session()
        return (self.events / f"{event['name']}-{event['uid']}" / "log").read_text()


def line_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that we add."""
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("e3-event: ")]
    return line
