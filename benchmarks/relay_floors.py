"""The floors of the relay's rows: a bare loop that reads, checks and decodes events, and writes a ledger.

The function with a row's name prepares it, as in `floors`. It has a database of its own, with nothing in it
that it can do without: no retries, no leases, no places of handlers.
"""

from __future__ import annotations

import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

import e3_event

from .batches import Made
from .tasks import make_event

if TYPE_CHECKING:
    from .worker import Setting

_SCHEMA = """
CREATE TABLE event (seq INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT;
CREATE TABLE delivery (seq INTEGER, handler INTEGER, state INTEGER, PRIMARY KEY (seq, handler))
    STRICT, WITHOUT ROWID;
"""
#: Deliveries that are written with one commit.
_BATCH = 200


def _connect(path: str) -> apsw.Connection:
    connection = apsw.Connection(path)
    connection.set_busy_timeout(60_000)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    return connection


class Loop:
    """The loop of one handler, from where it stopped."""

    def __init__(self, path: str, number: int) -> None:
        self._connection = _connect(path)
        self._number = number
        self._seq = 0
        self.count = 0

    def deliver(self) -> None:
        """Deliver all that is there: count it, and write that down."""
        decode = msgspec.json.Decoder().decode
        while rows := self._read():
            for _, body, checksum in rows:
                if zlib.crc32(body) != checksum:
                    raise RuntimeError("an event is damaged")
                decode(body)
                self.count += 1
            self._seq = rows[-1][0]
            with self._connection as connection:
                connection.executemany(
                    "INSERT INTO delivery VALUES (?, ?, 4)", [(seq, self._number) for seq, _, _ in rows]
                )

    def _read(self) -> list[Any]:
        return self._connection.execute(
            "SELECT seq, body, checksum FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (self._seq, _BATCH)
        ).fetchall()


def relay_one(setting: Setting) -> Made:
    return _loops(setting, 1)


def relay_eight(setting: Setting) -> Made:
    return _loops(setting, 8)


def _loops(setting: Setting, number: int) -> Made:
    """So many loops, each in a thread of its own."""
    path = os.path.join(setting.folder, "floor.db")
    writer = _connect(path)
    writer.execute(_SCHEMA)
    loops = [Loop(path, place) for place in range(number)]
    pool = ThreadPoolExecutor(number)

    def make(deliveries: int) -> list[int]:
        events = max(1, deliveries // number)
        bodies = [json.dumps(make_event(e3_event).as_dict()).encode() for _ in range(events)]
        with writer:
            writer.executemany(
                "INSERT INTO event (body, checksum) VALUES (?, ?)",
                [(body, zlib.crc32(body)) for body in bodies],
            )
        return [loops[0].count + events]

    def deliver(expected: int) -> None:
        list(pool.map(Loop.deliver, loops))
        if any(loop.count != expected for loop in loops):
            raise RuntimeError("not all was delivered")

    return Made(make, deliver)
