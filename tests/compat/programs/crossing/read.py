"""Reads what `write.py` has written and says what it found."""

import json
import os
import sys

from observe import attempt, see, tree

from e3.event import Event, EventManager

folder = sys.argv[1]
with open(os.path.join(folder, "written.json")) as file:
    written = json.load(file)


def shown(text: str) -> str:
    return text.replace(folder, "<given>")


for name, path in written["dumps"].items():
    event = Event.load(path)
    see(f"{name}, data", event.as_dict())
    paths = {key: [shown(value[0]), value[1]] for key, value in event.get_attachments().items()}
    see(f"{name}, attachments", paths)
    see(f"{name}, is closed", attempt(lambda event=event: setattr(event, "x", 1)))
    manager = EventManager()
    manager.add_handler("file", os.path.join(folder, name))
    see(f"{name}, sent", manager.send_event_from_file(path))
    found = tree(os.path.join(folder, name))
    see(f"{name}, files", {key: value for key, value in found.items() if value})

os.environ["HANDLERS"] = written["handlers"]
manager = EventManager()
manager.load_handlers_from_env("HANDLERS")
see("handlers", {name: shown(handler.encode_config()) for name, handler in manager.handlers.items()})
manager.handler_config_as_env("AGAIN")
see("exported again", os.environ["AGAIN"] == written["handlers"])
