"""`python -m benchmarks.redaction`: how fast secrets are masked in logs of several kinds."""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING

from e3_event._redaction import Redactor

from .logs import KINDS, log_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE = 8_000_000
_CHUNK = 1 << 16
_TIMES = 5
#: So many variables have secret values.
_VALUES = 10


def main() -> int:
    """Print for each kind of log the megabytes a second, without and with values of variables."""
    values = [f"{number:04}-the-value-of-a-variable" for number in range(_VALUES)]
    print(f"{'MB/s':<10} {'shapes':>8} {f'and {_VALUES} values':>16}")
    for kind in sys.argv[1:] or KINDS:
        log = log_of(kind, _SIZE)
        print(f"{kind:<10} {_rate(log, ()):>8.0f} {_rate(log, values):>16.0f}", flush=True)
    return 0


def _rate(log: bytes, values: Sequence[str]) -> float:
    """The median of megabytes for each second of processor time."""
    rates = []
    for _ in range(_TIMES):
        redactor = Redactor(values)
        started = time.process_time()
        for at in range(0, len(log), _CHUNK):
            redactor.feed(log[at : at + _CHUNK])
        redactor.finish()
        rates.append(len(log) / (time.process_time() - started) / 1e6)
    return statistics.median(rates)


if __name__ == "__main__":
    sys.exit(main())
