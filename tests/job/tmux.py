"""tmux: another terminal, whose screen can be read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cli.command import DEADLINE
from job.scenario import until


class Tmux:
    """A server of its own, with one window of 80 columns and 24 rows."""

    def __init__(self, folder: Path, command: str) -> None:
        self._socket = str(folder / "tmux")
        os.environ.pop("TMUX", None)
        self._call("-f/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", str(folder), command)

    def close(self) -> None:
        """End it."""
        self._call("kill-server", check=False)

    def press(self, *keys: str) -> None:
        """Press these keys, by their names or as text."""
        self._call("send-keys", *keys)

    def screen(self) -> str:
        """What is seen."""
        return self._call("capture-pane", "-p", "-e")

    def wait_for(self, text: str) -> None:
        """Wait until this is seen."""
        until(lambda: text in self.screen())

    def _call(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=check,
        )
        return done.stdout
