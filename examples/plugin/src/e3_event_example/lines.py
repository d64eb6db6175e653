"""`lines`: events as lines of JSON in one file."""

from __future__ import annotations

import os
from typing import Any

from e3_event import Event, EventError, EventHandler
from e3_event.handler_tools import decode_fields, encode_fields, event_json


class LinesHandler(EventHandler):
    """Appends each event to a file, as one line. Attachments are not kept.

    Configuration string: the path.

    :param path: the file; made when it is first needed, its folder has to be there
    """

    def __init__(self, path: str) -> None:
        if not path:
            raise EventError("the path is missing, as in lines=/var/log/events.jsonl")
        self.path = path

    def send_event(self, event: Event) -> bool:
        # one write to a file opened for appending: lines of several processes do not mix
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(fd, event_json(event) + b"\n")
        finally:
            os.close(fd)
        return True

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, Any]:
        fields = decode_fields(config_str)
        if len(fields) != 1:
            raise EventError("the configuration is the path alone; write a comma in it as %2C")
        return {"path": fields[0]}

    def encode_config(self) -> str:
        return encode_fields([self.path])
