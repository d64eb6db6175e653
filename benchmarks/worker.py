"""A process that does one side's work of one row: `python -m benchmarks.worker MODULE.FUNCTION SETTING`.

For each number on its standard input it does as many operations, and answers with a line of JSON that holds
their cost, in seconds or megabytes. It runs under the interpreter of that side, so it needs nothing but the
standard library and the side's own packages.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


@dataclass(frozen=True)
class Setting:
    """What the work is given.

    :ivar package: name of the package under test; `e3_event` and `e3.event` have the same API
    :ivar folder: a folder of its own
    :ivar address: `host:port` of the row's server
    :ivar ca_file: certificate of the authority that signed the server's
    :ivar size: of what the operation works on
    :ivar kept: the spool that keeps so many events
    """

    package: str
    folder: str
    address: str = ""
    ca_file: str = ""
    size: int = 0
    kept: str = ""

    def load(self) -> ModuleType:
        return importlib.import_module(self.package)


def main() -> None:
    work_of, setting = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    module, _, function = work_of.partition(".")
    prepare = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    work = prepare(Setting(**json.loads(setting)))
    batch = work.batch if hasattr(work, "batch") else _timed(work)
    for line in sys.stdin:
        print(json.dumps(batch(int(line))), file=answers, flush=True)


def _timed(once: Callable[[], object]) -> Callable[[int], float]:
    def batch(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            once()
        return time.perf_counter() - started

    return batch


if __name__ == "__main__":
    main()
