"""Ids of `unique_id()` from eight busy processes: no two are equal, and each process makes them in order.

`python tests/compat/ids.py --count 10000000` makes ten million and says how it went; `--maker uuid:uuid1`
shows what becomes of ids that only clock and MAC address tell apart.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Barrier

#: Half of them are forked from a parent that has made ids itself, half begin anew.
PROCESSES = 8
_SIZE = 16  # bytes of a packed id
_BLOCK = 10_000  # ids a write


def run(count: int, maker: str) -> tuple[int, int, int]:
    """Make *count* ids in eight processes that begin at once.

    :param maker: what makes an id, `module:function`
    :return: ids made, how many of them were there already, how many did not sort behind the one before
    """
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder, str(number)) for number in range(PROCESSES + 1)]
        _make(1000, maker, parts[-1], None)
        barrier = multiprocessing.get_context("spawn").Barrier(PROCESSES)
        workers: list[multiprocessing.process.BaseProcess] = []
        for number, part in enumerate(parts[:PROCESSES]):
            arguments = (count // PROCESSES, maker, part, barrier)
            method = multiprocessing.get_context("fork" if number % 2 else "spawn")
            workers.append(method.Process(target=_make, args=arguments))  # type: ignore[attr-defined]
            workers[-1].start()
        for worker in workers:
            worker.join()
            if worker.exitcode:
                raise RuntimeError(f"a process ended with {worker.exitcode}")
        return judge(unpack(part.read_bytes()) for part in parts)


def judge(parts: Iterable[list[bytes]]) -> tuple[int, int, int]:
    """Count the ids of all parts, those that came again, and those that are out of order in their part."""
    ids: list[bytes] = []
    disorders = 0
    for part in parts:
        disorders += sum(1 for first, second in itertools.pairwise(part) if second <= first)
        ids += part
    ids.sort()
    collisions = sum(1 for first, second in itertools.pairwise(ids) if first == second)
    return len(ids), collisions, disorders


def unpack(packed: bytes) -> list[bytes]:
    return [packed[i : i + _SIZE] for i in range(0, len(packed), _SIZE)]


def _make(count: int, maker: str, part: Path, barrier: Barrier | None) -> None:
    """What a process does: write *count* ids, packed, in the order they were made."""
    module, _, name = maker.partition(":")
    make: Callable[[], object] = getattr(importlib.import_module(module), name)
    if barrier is not None:
        barrier.wait(60)
    with part.open("wb") as file:
        for done in range(0, count, _BLOCK):
            made = [str(make()) for _ in range(min(_BLOCK, count - done))]
            file.write(b"".join(uuid.UUID(text).bytes for text in made))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=400_000)
    parser.add_argument("--maker", default="e3_event:unique_id")
    options = parser.parse_args()
    started = time.perf_counter()
    made, collisions, disorders = run(options.count, options.maker)
    seconds = time.perf_counter() - started
    where = f"{PROCESSES} processes on {os.cpu_count()} cores"
    sys.stdout.write(f"{made} ids of {where} in {seconds:.0f} s\n")
    sys.stdout.write(f"{collisions} collisions\n{disorders} out of order\n")


if __name__ == "__main__":
    main()
