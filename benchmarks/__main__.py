"""`python -m benchmarks`: measure rows and print them; `make bench` runs it."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
import time

from .environments import MissingError, e3_core_python, e3_core_s3_python, peers_python
from .measure import ROOT, Result, Side, SideError, measure
from .rows import PEER_ROWS, ROWS, Row
from .servers import S3_ACCOUNT, Servers
from .table import HEAD, as_json, line

#: Share of a row's time that `--quick` takes.
QUICK = 0.1


def main() -> int:
    """Measure what the command line names. Return 1 if a row failed."""
    options = _options()
    chosen = [row for row in ROWS + PEER_ROWS if row.name in options.rows]
    if not options.rows:
        chosen = list(ROWS + PEER_ROWS if options.peers else ROWS)
    started = time.monotonic()
    print(HEAD, flush=True)
    results = []
    cache = os.path.join(ROOT, ".cache")
    os.makedirs(cache, exist_ok=True)
    share = QUICK if options.quick else 1.0
    with tempfile.TemporaryDirectory(prefix="bench-", dir=cache) as folder, Servers(folder) as servers:
        for row in chosen:
            results.append(_run(row, servers, os.path.join(folder, row.name), share))
            print(line(results[-1]), flush=True)
    about = _about()
    print(f"\n{about}; {time.monotonic() - started:.0f} s\n")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"about": about, "rows": [as_json(result) for result in results]}, file, indent=2)
    return int(any(result.error for result in results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [row.name for row in ROWS + PEER_ROWS]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of: {', '.join(names)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time; the figures are rougher")
    parser.add_argument("--peers", action="store_true", help="the rows against other peers than e3-core, too")
    parser.add_argument("--json", metavar="FILE", help="write all figures into FILE")
    options = parser.parse_args()
    for name in options.rows:
        if name not in names:
            parser.error(f"there is no row {name!r}; there are: {', '.join(names)}")
    return options


def _run(row: Row, servers: Servers, folder: str, share: float) -> Result:
    """Run one row: its sides, its batches. What goes wrong is in the result."""
    result = Result(row)
    pythons = dict.fromkeys(row.sides, sys.executable)
    try:
        pythons[row.peer] = _python_of(row)
    except MissingError as error:
        del pythons[row.peer]
        result.missing = str(error)
    with contextlib.ExitStack() as stack:
        try:
            setting = servers.setting(row.server) if row.server else {}
            env = dict(os.environ)
            env.pop("PYTHONDONTWRITEBYTECODE", None)  # both are compiled, as what pip installs is
            if row.server == "s3":
                env |= S3_ACCOUNT | {"AWS_ENDPOINT_URL": f"http://{setting['address']}"}
            sides = []
            for name, python in pythons.items():
                side = Side(name, row, python, setting | {"folder": os.path.join(folder, name)}, env)
                stack.callback(side.close)
                sides.append(side)
            measure(result, sides, row.seconds * share)
        except (SideError, OSError, RuntimeError) as error:
            result.error = str(error)
    return result


def _python_of(row: Row) -> str:
    """The interpreter of the row's peer."""
    if row.peer != "e3":
        return peers_python()
    return e3_core_s3_python() if row.server == "s3" else e3_core_python()


def _about() -> str:
    return (
        f"e3-event {importlib.metadata.version('e3-event')}, Python {platform.python_version()},"
        f" {os.cpu_count()} CPUs; ratios are medians of pairs of batches that ran one after the other"
    )


if __name__ == "__main__":
    sys.exit(main())
