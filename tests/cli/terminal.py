"""Runs the command on a terminal (a pseudo-terminal of a given width), and returns what is written to it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Sequence
from pathlib import Path

from cli.command import COMMAND, DEADLINE


def on_terminal(
    *arguments: str | Path, columns: int = 100, command: Sequence[str] = COMMAND
) -> tuple[int, str]:
    """Run `e3-event` with all its streams on one terminal; return its exit code and what it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "", "LINES": ""},
        start_new_session=True,
    )
    os.close(theirs)
    timer = threading.Timer(DEADLINE, process.kill)
    timer.start()
    written = b""
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:  # the other side is closed
        pass
    finally:
        timer.cancel()
        os.close(ours)
    return process.wait(DEADLINE), written.decode().replace("\r\n", "\n")
