"""`table`: events as rows of a CSV file, by a handler in the style of e3-core."""

from __future__ import annotations

import csv
from typing import Any

from e3.event import Event, EventHandler


class TableHandler(EventHandler):
    """Appends name, uid and begin time of each event to a CSV file."""

    def __init__(self, filename: str) -> None:
        self.filename = filename

    def send_event(self, event: Event) -> bool:
        shown = event.as_dict()
        with open(self.filename, "a", newline="") as file:
            csv.writer(file).writerow([shown["name"], shown["uid"], shown["begin_time"]])
        return True

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, Any]:
        return {"filename": config_str}

    def encode_config(self) -> str:
        return self.filename
