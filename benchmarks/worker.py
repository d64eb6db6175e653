"""A process that does one side's work of one row: `python -m benchmarks.worker SIDE FUNCTION SETTING`.

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

#: Side -> the module that holds its work, and the package under test. The other sides are in `peers`.
SIDES = {"ours": ("tasks", "e3_event"), "e3": ("tasks", "e3.event"), "floor": ("floors", "")}


@dataclass(frozen=True)
class Setting:
    """What the work is given.

    :ivar package: name of the package under test; `e3_event` and `e3.event` have the same API
    :ivar folder: a folder of its own
    :ivar address: `host:port` of the row's server
    :ivar ca_file: certificate of the authority that signed the server's
    """

    package: str
    folder: str
    address: str = ""
    ca_file: str = ""

    def load(self) -> ModuleType:
        return importlib.import_module(self.package)


def main() -> None:
    side, function, setting = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    module, package = SIDES.get(side, ("peers", ""))
    prepare = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    work = prepare(Setting(package, **json.loads(setting)))
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
