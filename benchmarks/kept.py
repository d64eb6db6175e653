"""A spool that keeps millions of delivered events: made once, and kept in `.cache`."""

from __future__ import annotations

import os
import shutil
import sys
import time
import zlib
from glob import escape, glob

import e3_event
import e3_event.spool
from e3_event.spool import Key, Spool, _deliveries, _subscriptions
from e3_event.spool._deliveries import Delivery, State

from .measure import ROOT
from .tasks import make_event

#: Who was owed the events of such a spool.
HANDLER = Key("bench")
#: What says how a spool's rows look.
_FORMS = ("_schema", "_stored", "_storing", "_events", "_deliveries", "_subscriptions")
_CHUNK = 10_000


def open_spool(path: str) -> Spool:
    """Open a spool that has room for all and never removes anything."""
    return Spool(path, max_size=1 << 40, retention=1e12)


def kept_spool(size: int) -> str:
    """Return the path of a spool that keeps *size* events, all of them delivered to `HANDLER`.

    It is made anew when the code that writes its rows has changed. 5 million events take 3 GB and minutes.
    """
    stem = os.path.join(ROOT, ".cache", f"spool-of-{size}-")
    path = f"{stem}{_fingerprint():08x}"
    if os.path.exists(path):
        _trim(path, size)
    else:
        for old in glob(f"{escape(stem)}*"):
            shutil.rmtree(old)
        started = time.monotonic()
        print(f"... making a spool that keeps {size:,} events, once", file=sys.stderr, flush=True)
        spool = open_spool(f"{path}.tmp")
        fill(spool, size)
        spool.close()
        os.rename(f"{path}.tmp", path)
        print(f"... made in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return path


def _trim(path: str, size: int) -> None:
    """Remove the oldest events, if earlier runs have added some to those that were to be kept."""
    spool = open_spool(path)
    with spool._database.reading() as connection:
        find = "SELECT put FROM event ORDER BY seq DESC LIMIT 1 OFFSET ?"
        oldest = connection.execute(find, (size,)).get
    if oldest is not None:
        spool.purge(oldest)
    spool.close()


def _fingerprint() -> int:
    value = 0
    for name in _FORMS:
        with open(os.path.join(os.path.dirname(e3_event.spool.__file__), f"{name}.py"), "rb") as file:
            value = zlib.crc32(file.read(), value)
    return value


def fill(spool: Spool, size: int) -> None:
    """Let a new spool keep so many events, delivered to `HANDLER`."""
    (number,) = spool.register([HANDLER])
    for first in range(0, size, _CHUNK):
        spool.put_many([make_event(e3_event) for _ in range(min(_CHUNK, size - first))])
    now = time.time()
    for first in range(1, size + 1, _CHUNK):
        done = range(first, min(first + _CHUNK, size + 1))
        with spool._database.writing() as connection:  # as a relay does, without reading the events
            _deliveries.write(
                connection, [Delivery(seq, number, State.DELIVERED, 1, 0, now, now, 1e-4) for seq in done]
            )
    with spool._database.writing() as connection:
        mine = _subscriptions.load(connection, number)
        mine.lane.cursor = mine.lane.delivered = size
        _subscriptions.save(connection, mine)
