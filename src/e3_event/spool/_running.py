"""What runs now, by the records in a spool's folder that are locked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from ._orphans import lock, read, records
from ._place import RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator


class Running(msgspec.Struct, kw_only=True):
    """A command of `e3-event run`, or a block of `record`, that has begun and not ended.

    :ivar name: of the event that it ends in
    :ivar uid: of that event
    :ivar begun: when it began, in seconds since the epoch
    :ivar seen: when it gave its last sign of life
    """

    name: str
    uid: str
    begun: float
    seen: float


def running(folder: str) -> Iterator[Running]:
    """Return what runs now, in the order in which it began.

    :param folder: of the spool
    """
    for path in records(os.path.join(folder, RUNS)):
        fd = lock(path)
        if fd is not None:  # it was killed
            os.close(fd)
            continue
        record = read(path)
        if record is not None:
            try:
                seen = os.stat(path).st_mtime
            except OSError:  # it has ended meanwhile
                continue
            data = record.data
            yield Running(
                name=str(data["name"]), uid=str(data["uid"]), begun=float(data["begin_time"]), seen=seen
            )
