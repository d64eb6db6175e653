"""The record of a run, as it is read once its process is dead."""

from __future__ import annotations

from typing import Any

import msgspec


class Record(msgspec.Struct):
    """What is written down of a run.

    :ivar snapshot_id: of the one event that it ends in, whoever puts that
    :ivar owed_to: name and fingerprint of the subscriptions that get it; `None`: those of the configuration
        file
    :ivar data: of the event
    :ivar attachments: paths of what is to be attached if it is there, by name
    :ivar max_log: bytes of its output that are kept
    """

    snapshot_id: str
    owed_to: list[tuple[str, str]] | None
    data: dict[str, Any]
    attachments: dict[str, str] = {}
    max_log: int = 0
    version: int = 1


decode = msgspec.json.Decoder(Record).decode
