"""What is logged, and what child processes are told."""

import logging
import os

from observe import see, write

from e3.event import Event, EventManager


class Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[list[str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "e3.event":
            self.records.append([record.levelname, record.getMessage()])

    def taken(self) -> list[list[str]]:
        """What came since the last call."""
        records, self.records = self.records, []
        return records


keeper = Keeper()
logging.getLogger().addHandler(keeper)
logging.getLogger().setLevel(logging.INFO)

manager = EventManager()
manager.send_event(Event("e", "u"))
see("no handler", keeper.taken())
manager.send_event(Event("e", "u"))
see("no handler again", keeper.taken())
manager.add_handler("file", "/x")
see("a handler added", keeper.taken())
manager.add_handler("file", "/y")
see("a handler replaced", keeper.taken())
os.environ["HANDLERS"] = "file=https://user:hunter2@example.org/x"
EventManager().load_handlers_from_env("HANDLERS")
see("a password in a configuration", "hunter2" in str(keeper.taken()))
event = Event("e", "u")
event.attach_file(write("a.log"))
event.attach_file(write("b.log"))
see("an attachment replaced", keeper.taken())
event.close()
see("closing", keeper.taken())
manager = EventManager()
manager.add_handler("file", write("no-folder"))
keeper.taken()
try:
    manager.send_event(Event("e", "u"))
except Exception as error:
    see("a handler that fails", type(error).__name__)
else:
    see("a handler that fails", [level for level, _ in keeper.taken()])
