"""`python -m benchmarks.redaction`: how fast secrets are masked in logs of several kinds."""

from __future__ import annotations

import statistics
import sys
import time

from e3_event._redaction import Redactor

from .logs import KINDS, log_of

_SIZE = 8_000_000
_CHUNK = 1 << 16
_TIMES = 5
#: So many variables have secret values.
_VALUES = 10


def main() -> int:
    """Print for each kind of log the megabytes a second, without and with values of variables."""
    kinds = sys.argv[1:] or list(KINDS)
    values = [f"{number:04}-the-value-of-a-variable" for number in range(_VALUES)]
    print(f"{'log':<10} {'MB/s':>6} {f'with {_VALUES} values':>16} {'copied in pieces':>18}")
    for kind in kinds:
        log = log_of(kind, _SIZE)
        rates = [_rate(log, Redactor()), _rate(log, Redactor(values)), _rate(log, _Copy())]
        print(f"{kind:<10} {rates[0]:>6.0f} {rates[1]:>16.0f} {rates[2]:>18.0f}", flush=True)
    return 0


def _rate(log: bytes, redactor: Redactor | _Copy) -> float:
    """The median of megabytes a second of this process's own time."""
    rates = []
    for _ in range(_TIMES):
        started = time.process_time()
        for at in range(0, len(log), _CHUNK):
            redactor.feed(log[at : at + _CHUNK])
        redactor.finish()
        rates.append(len(log) / (time.process_time() - started) / 1e6)
    return statistics.median(rates)


class _Copy:
    """What there is to compare with: pieces that end with lines, and nothing is looked for."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        return data[:end]

    def finish(self) -> bytes:
        return self._rest


if __name__ == "__main__":
    sys.exit(main())
