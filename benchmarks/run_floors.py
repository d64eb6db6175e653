"""What `e3-event run` is compared with: a bare interpreter, tee(1), script(1), the time it was given."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

from .batches import Made
from .run_tasks import FLUSH_TIMEOUT, printing, to_reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tasks import Work
    from .worker import Setting


def run_start(setting: Setting) -> Work:
    return lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)


def run_tee(setting: Setting) -> Made:
    """A pipeline in which tee writes a copy into a file."""
    command = shlex.join(printing(setting.folder, setting.size))
    return _copied(setting, lambda copy: ["sh", "-c", f"{command} | tee {shlex.quote(copy)}"])


def run_script(setting: Setting) -> Made:
    """The same through a terminal."""
    command = shlex.join(printing(setting.folder, setting.size))
    return _copied(setting, lambda copy: ["script", "-qec", command, copy])


def _copied(setting: Setting, command: Callable[[str], list[str]]) -> Made:
    copy = os.path.join(setting.folder, "copy.log")
    return Made(lambda count: [command(copy)] * count, to_reader, lambda: os.unlink(copy))


class _Limit:
    """What the run was given for delivering."""

    def batch(self, count: int) -> float:
        return FLUSH_TIMEOUT * count


def run_limit(setting: Setting) -> _Limit:
    return _Limit()
