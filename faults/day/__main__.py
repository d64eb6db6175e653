"""`python -m faults.day`: ten minutes that stand for a day; `make day` runs it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from faults.bench import ROOT, Bench

from .checks import accounts, losses, memory
from .life import SHORT, Day, Scale
from .report import Result, as_markdown, chart

#: Broken variants that a short day has to catch first.
CONTROLS = ("forgets what was out", "acknowledges before the commit")
#: Minutes of a whole day, whose result is committed.
WHOLE = 10.0


def main() -> int:
    """Run a day. Return 1 if anything was broken, or a control was not caught."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # processes are ended on the way
    parser = argparse.ArgumentParser(prog="python -m faults.day", description=__doc__)
    parser.add_argument("--minutes", type=float, default=WHOLE, help="for which events are put (default: 10)")
    parser.add_argument("--seed", type=int, help="of what is put and when is killed (default: the time)")
    options = parser.parse_args()
    seed = int(time.time()) if options.seed is None else options.seed
    controls = {name: is_caught(name, seed) for name in CONTROLS}
    result = run(Scale(60 * options.minutes), seed)._replace(controls=controls)
    text = as_markdown(result)
    print(text)
    folder = os.path.join(ROOT, "benchmarks" if options.minutes >= WHOLE else ".cache")
    for name, content in {"day.md": text, "day.svg": chart(result)}.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(content)
    print(f"written: {os.path.relpath(folder)}/day.md, day.svg")
    return int(not result.is_fine)


def is_caught(control: str, seed: int) -> bool:
    """Is a broken variant caught in one of three short days? A kill may come while nothing is out."""
    return any(run(SHORT, seed + number, control).losses for number in range(3))


def run(scale: Scale, seed: int, broken: str | None = None) -> Result:
    """Let a day pass.

    :param broken: name of the broken variant of spool or relay; `None`: the real ones
    """
    with Bench(0, 0, seed, broken, {}) as bench:
        day = Day(bench, scale)
        day.live()
        books, found = bench.books(), accounts(day.office)
        day.office.close()
    return Result(seed, day.record, books, found, losses(books, found, day.record), {}, memory(day.record))


if __name__ == "__main__":
    sys.exit(main())
