"""A person at a terminal: an interactive bash on a pseudo-terminal, what is typed, and what is seen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import Any, Self

from cli.command import DEADLINE

PROMPT = "ready> "


class Session:
    """Types into a shell with job control, and waits for what is shown."""

    def __init__(self, folder: Path, *, rows: int = 40, columns: int = 132) -> None:
        self._ours, theirs = pty.openpty()
        self.terminal = os.ttyname(theirs)
        self._seen = ""
        self.resize(rows, columns)
        environment = {**os.environ, "PS1": PROMPT, "TERM": "xterm", "HISTFILE": "", "LC_ALL": "C.UTF-8"}
        self.shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "--noediting", "-i"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env=environment,
            preexec_fn=lambda: _lead(theirs),
        )
        self._theirs = theirs
        self.wait_for(re.escape(PROMPT))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self.shell.kill()
        self.shell.wait(DEADLINE)

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._ours, text.encode())

    def wait_for(self, pattern: str) -> str:
        """Wait until this is shown; return what was shown until its end, since the last time."""
        deadline = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self._seen, re.DOTALL)):
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{pattern} is not shown: {self._seen!r}"
            self._seen += os.read(self._ours, 65536).decode(errors="replace")
        shown, self._seen = self._seen[: found.end()], self._seen[found.end() :]
        return shown

    def run(self, line: str) -> str:
        """Let the shell run a line; return what is shown until its next prompt, without the line itself."""
        self.type(line + "\n")
        self.wait_for("\n")
        return self.wait_for(re.escape(PROMPT)).removesuffix(PROMPT).replace("\r\n", "\n")

    def mode(self) -> list[Any]:
        """What tcgetattr says of the terminal."""
        return termios.tcgetattr(self._theirs)

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the window."""
        for fd in (self._ours, self._theirs):
            if fd >= 0:
                os.close(fd)
        self._ours = self._theirs = -1


def _lead(terminal: int) -> None:
    """Become the leader of a session that this terminal controls, as a login does."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)
