"""Writes dumps and handlers' configuration into a folder, for the other implementation to read."""

import json
import os
import sys

from e3.event import Event, EventManager

folder = sys.argv[1]
log = os.path.join(folder, "a.log")
with open(log, "w") as file:
    file.write("hello\n")

plain = Event("plain", "u1", begin_time=0.0)
rich = Event(
    "rich", "u2", begin_time=0.75, text="gr\u00fc\u00df \u2028 \U0001f600", nested={"a": [1, 2.5, None, True]}
)
rich.attach_file(log)
rich.attach_file(log, "second")
rich.end_time = 1.75
closed = Event("closed", "u3", begin_time=0.0, size=1)
closed.set_formatter("size", lambda key, value: {key: f"{value} bytes"})
closed.close()
dumps = {event.name: event.dump(os.path.join(folder, "dumps")) for event in (plain, rich, closed)}

manager = EventManager()
manager.add_handler("file", os.path.join(folder, "sent, to = here"))
manager.add_handler("logging", "build", 30)
manager.add_handler("smtp", "a subject: x=y", "f@example.org", "t@example.org", ["h1", "h2"])
manager.add_handler("s3", "s3://bucket/events", "s3://bucket/logs", "aws:kms", "profile")
manager.handler_config_as_env("HANDLERS")
with open(os.path.join(folder, "written.json"), "w") as file:
    json.dump({"dumps": dumps, "handlers": os.environ["HANDLERS"]}, file)
