"""`python -m faults.child PLAN SPEC`: a process that a row starts, and most often harms."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
from random import Random
from typing import TYPE_CHECKING, Any

from .broken import break_it
from .words import STACKS, tell, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e3_event import Event
    from e3_event.spool import Spool

    from .promise import Journal


class Child:
    """What a plan gets.

    :ivar folder: path of the spool
    :ivar broken: the broken variant that it uses
    :ivar options: what the row said beyond that
    :ivar told: path of the journal, which all processes of a trial share
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        from .promise import Journal  # imports the spool, which is broken by now if it has to be

        self.folder: str = spec["folder"]
        self.broken: str | None = spec["broken"]
        self.options: dict[str, Any] = spec["options"]
        self.random = Random(spec["seed"])
        self.files: str = spec["files"]
        self.told: str = spec["journal"]
        self.journal: Journal = Journal(spec["journal"])

    def spool(self) -> Spool:
        from e3_event.spool import Spool

        return Spool(self.folder)

    def events(self) -> Iterator[Event]:
        from .events import events

        return events(self.files, self.random)

    def file(self, size: int) -> str:
        """Path of the file of that size."""
        return os.path.join(self.files, str(size))

    def beside(self, name: str) -> str:
        """Path of a file of the trial, as `Bench.path`."""
        return os.path.join(os.path.dirname(self.told), name)

    def wait_for(self, word: str) -> None:
        """Wait until the row, or another child, tells this."""
        wait_for(self.told, word)

    def tell(self, word: str) -> None:
        """Tell this to all that wait for it."""
        tell(self.told, word)

    def say(self, line: str) -> None:
        """Tell the row that waits for this line."""
        print(line, flush=True)


def main() -> None:
    faulthandler.register(STACKS)
    plan, spec = sys.argv[1], json.loads(sys.argv[2])
    break_it(spec["broken"])
    module, _, name = plan.partition(":")
    function = getattr(importlib.import_module(module), name)
    function(Child(spec))


if __name__ == "__main__":
    main()
