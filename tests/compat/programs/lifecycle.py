"""Event: closing, and what is refused afterwards."""

import contextlib
import time

from observe import attempt, see, write

from e3.event import Event, EventError

log = write("a.log")
event = Event("build", "u")
event.close()
see("end_time is now", isinstance(event.end_time, float) and abs(event.end_time - time.time()) < 60)
see("as_dict when closed", event.as_dict())
end = event.end_time
event.close()
see("closing twice changes nothing", event.end_time == end)

see("set an attribute when closed", attempt(lambda: setattr(event, "x", 1)))
see("set a private attribute when closed", attempt(lambda: setattr(event, "_x", 1)))
see("attach when closed", attempt(event.attach_file, log))
see("set a formatter when closed", attempt(event.set_formatter, "name", lambda k, v: {k: "formatted"}))
see("a formatter set when closed counts", event.as_dict()["name"])
try:
    event.x = 1
except EventError as error:
    see("closed error", [error.messages, error.origin])
see("nothing was changed", [list(event.as_dict()), event.get_attachments()])
event = Event("build", "u")
event.name = "renamed"
event.close()
see("the error names the event as it is", attempt(lambda: setattr(event, "x", 1)))

with Event("build", "u") as event:
    see("with gives the event", [isinstance(event, Event), event.end_time])
see("with closes", [event.end_time is not None, attempt(lambda: setattr(event, "x", 1))])


def failing() -> None:
    with Event("build", "u") as inner:
        kept.append(inner)
        raise ValueError("from the block")


kept: list[Event] = []
see("with lets an exception through", attempt(failing))
see("with closes on an exception", [kept[0].end_time is not None, list(kept[0].as_dict())])
see("__exit__ answers", Event("build").__exit__(None, None, None))
with contextlib.closing(Event("build")) as event:
    pass
see("contextlib.closing", event.end_time is not None)
with Event("build") as event:
    event.close()
see("close inside with", event.end_time is not None)
event = Event("build", end_time=1.5)
event.close()
see("close overwrites end_time", event.end_time != 1.5)
event = Event("build")
event.end_time = 2.5
see("end_time may be set", event.as_dict()["end_time"])
event.uid = "other"
see("uid may be set", event.as_dict()["uid"])
