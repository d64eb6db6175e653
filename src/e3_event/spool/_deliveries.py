"""The table `delivery`: what became of each event with each subscription."""

from __future__ import annotations

import enum
import struct
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ._bulk import insert_rows, placeholders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import apsw


class State(enum.IntEnum):
    """What becomes of a delivery. The first three wait for somebody."""

    LOAN = 1  #: out with a worker, not for the first time
    AGAIN = 2  #: to be tried again
    DEAD = 3  #: given up: a dead letter
    DELIVERED = 4
    SKIPPED = 5  #: not for this handler
    DROPPED = 6  #: a dead letter that a person has dropped


#: Condition of the index of those that wait. A query has to repeat it word for word to use the index.
OPEN = "state <= 3"


class Delivery(NamedTuple):
    """A row of the table `delivery`.

    :ivar seq: of the event
    :ivar subscription: whom it is owed to
    :ivar state: what became of it
    :ivar attempts: how often it was tried
    :ivar crashes: how often its worker died while it was out
    :ivar due: it is not tried before (seconds since the epoch)
    :ivar updated: when this was written
    :ivar duration: of the last attempt, in seconds
    :ivar reason: why the last attempt failed
    """

    seq: int
    subscription: int
    state: int
    attempts: int
    crashes: int
    due: float
    updated: float
    duration: float = 0.0
    reason: str = ""


_pack = struct.Struct("<qqqqqddd").pack
_COLUMNS = (*Delivery._fields, "checksum")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM delivery"


@lru_cache
def _replace(rows: int) -> str:
    return f"INSERT OR REPLACE INTO delivery {placeholders(_COLUMNS, rows)}"


def write(connection: apsw.Connection, deliveries: Iterable[Delivery]) -> None:
    """Write deliveries down, in place of what was known of them."""
    insert_rows(connection, _replace, [(*delivery, _checksum(delivery)) for delivery in deliveries])


def read(connection: apsw.Connection, condition: str, values: Sequence[object]) -> list[Delivery]:
    """Read deliveries. A row that is damaged is one to be tried again, as nobody knows what became of it.

    :param condition: what stands behind `FROM delivery`, with *values* for its question marks
    """
    return [_checked(row) for row in connection.execute(f"{_SELECT} {condition}", tuple(values))]


def _checked(row: tuple[object, ...]) -> Delivery:
    delivery = Delivery(*row[:-1])  # type: ignore[arg-type]  # the table is strict
    if is_intact(row):
        return delivery
    return Delivery(
        delivery.seq, delivery.subscription, State.AGAIN, 0, 0, 0.0, 0.0, reason="its record is damaged"
    )


def is_intact(row: tuple[object, ...]) -> bool:
    """Is a row of the table as it was written?"""
    try:
        return _checksum(Delivery(*row[:-1])) == row[-1]  # type: ignore[arg-type]  # the table is strict
    except (AttributeError, struct.error):  # a damaged one may hold anything
        return False


def _checksum(delivery: Delivery) -> int:
    packed = _pack(*delivery[:8])
    return zlib.crc32(packed, zlib.crc32(delivery[8].encode())) if delivery[8] else zlib.crc32(packed)
