"""`python -m benchmarks`: measure rows and print them; `make bench` runs it."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from typing import Any

from e3_event import EventError

from .environments import MissingError, e3_core_python, e3_core_s3_python, peers_python
from .kept import kept_spool
from .measure import ROOT, Result, Side, SideError, measure
from .rows import PEER_ROWS, ROWS, SPOOL_ROWS, Row
from .run_rows import RUN_PEER_ROWS, RUN_ROWS
from .servers import S3_ACCOUNT, Servers
from .table import HEAD, as_json, line

_OTHERS = PEER_ROWS + RUN_PEER_ROWS
_ALL = ROWS + SPOOL_ROWS + RUN_ROWS + _OTHERS
#: Side -> the package under test.
_PACKAGES = {"e3": "e3.event"}
#: The module of the work that is done in the environment of the other peers.
_PEERS = "peers."
#: Sides that are programs which not every machine has.
_PROGRAMS = ("script",)


def main() -> int:
    """Measure what the command line names. Return 1 if a row failed."""
    options = _options()
    chosen = [row for row in _ALL if row.name in options.rows]
    if not options.rows:
        chosen = [row for row in _ALL if options.peers or row not in _OTHERS]
    started = time.monotonic()
    print(HEAD, flush=True)
    results = []
    cache = os.path.join(ROOT, ".cache")
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=cache) as folder, Servers(folder) as servers:
        for row in chosen:
            run = row.quick() if options.quick else row
            results.append(_run(run, servers, os.path.join(folder, row.name)))
            print(line(results[-1]), flush=True)
    about = _about()
    print(f"\n{about}; {time.monotonic() - started:.0f} s\n")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"about": about, "rows": [as_json(result) for result in results]}, file, indent=2)
    return int(any(result.error for result in results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [row.name for row in _ALL]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of: {', '.join(names)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time; the figures are rougher")
    parser.add_argument("--peers", action="store_true", help="the rows against other peers than e3-core, too")
    parser.add_argument("--json", metavar="FILE", help="write all figures into FILE")
    options = parser.parse_args()
    for name in options.rows:
        if name not in names:
            parser.error(f"there is no row {name!r}; there are: {', '.join(names)}")
    return options


def _run(row: Row, servers: Servers, folder: str) -> Result:
    """Run one row: its sides, its batches. What goes wrong is in the result."""
    result = Result(row)
    with contextlib.ExitStack() as stack:
        try:
            setting: dict[str, Any] = servers.setting(row.server) if row.server else {}
            setting["size"] = row.size
            if row.kept:
                setting["kept"] = kept_spool(row.size)
            sides = []
            for name in row.sides:
                python = _python_of(row, name, result)
                if python:
                    its = {"package": _PACKAGES.get(name, "e3_event"), "folder": os.path.join(folder, name)}
                    sides.append(Side(name, row, python, setting | its, _environment(row, setting)))
                    stack.callback(sides[-1].close)
            measure(result, sides)
        except (SideError, EventError, OSError, RuntimeError) as error:
            result.error = str(error)
    return result


def _environment(row: Row, setting: dict[str, Any]) -> dict[str, str]:
    env = dict(os.environ)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # both are compiled, as what pip installs is
    if row.server == "s3":
        env |= S3_ACCOUNT | {"AWS_ENDPOINT_URL": f"http://{setting['address']}"}
    return env


def _python_of(row: Row, side: str, result: Result) -> str:
    """The interpreter of a side; empty if it can't be had, for which *result* has the reason."""
    try:
        if row.works[side].startswith(_PEERS):
            return peers_python()
        if side == "e3":
            return e3_core_s3_python() if row.server == "s3" else e3_core_python()
        if side in _PROGRAMS and not shutil.which(side):
            raise MissingError(f"{side} is not installed")
    except MissingError as error:
        result.missing = str(error)
        return ""
    return sys.executable


def _about() -> str:
    return (
        f"e3-event {importlib.metadata.version('e3-event')}, Python {platform.python_version()},"
        f" {os.cpu_count()} CPUs; ratios are medians of pairs of batches that ran one after the other"
    )


if __name__ == "__main__":
    sys.exit(main())
