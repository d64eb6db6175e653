"""EventManager and the functions of the module."""

import os
from typing import Any

from observe import FOLDER, attempt, see, write

import e3.event
from e3.event import Event, EventHandler, EventManager


class Answering(EventHandler):
    """Answers what it is told to, or raises it."""

    def __init__(self, answer: Any = True) -> None:
        self.answer = answer
        self.seen: list[Any] = []

    def send_event(self, event: Event) -> bool:
        self.seen.append(event)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def send(*answers: Any) -> list[Any]:
    """What send_event answers, and how often each handler was called."""
    manager = EventManager()
    handlers = [Answering(answer) for answer in answers]
    manager.handlers.update({f"h{n}": handler for n, handler in enumerate(handlers)})
    return [attempt(manager.send_event, Event("e", "u")), [len(handler.seen) for handler in handlers]]


see("handlers of a new manager", EventManager().handlers)
see("handlers are its own", EventManager().handlers is not EventManager().handlers)
see("no handler", send())
see("one true", send(True))
see("all true", send(True, True))
see("one false", send(True, False, True))
see("first false", send(False, True))
see("all false", send(False, False))
for answer in (1, "text", None, 0, ""):
    see(f"answer {answer!r}", send(answer))
see("a handler that raises", send(True, ValueError("broken"), True))
see("a handler that raises last", send(True, ValueError("broken")))

order: list[str] = []


class Ordered(EventHandler):
    def __init__(self, name: str) -> None:
        self.name = name

    def send_event(self, event: Event) -> bool:
        order.append(self.name)
        return True


manager = EventManager()
for name in ("z", "a", "m"):
    manager.handlers[name] = Ordered(name)
manager.send_event(Event("e"))
see("order", order)

manager = EventManager()
manager.handlers["mine"] = recording = Answering()
event = Event("e", "u", n=1)
event.attach_file(write("a.log"))
os.chdir(FOLDER)
event.attach_file("a.log", "relative")
manager.send_event(event)
got = recording.seen[0]
see("what a handler gets", [isinstance(got, Event), got.name, got.uid, got.n, got.as_dict()])
see("what a handler gets, begin_time", got.begin_time == event.begin_time)
see("what a handler gets, attachments", got.get_attachments()["log"])
see("what a handler gets, a relative path", got.get_attachments()["relative"][0])
see("what a handler gets is the event itself", got is event)
see("sending leaves the event open", attempt(lambda: setattr(event, "after", 1)))
see("an open event stays open", event.end_time)


class Changing(EventHandler):
    def send_event(self, event: Event) -> bool:
        event.changed = True
        return True


manager = EventManager()
manager.handlers["changing"] = Changing()
see("a handler that changes the event", [manager.send_event(event), "changed" in event.as_dict()])


class Special(Event):
    def greeting(self) -> str:
        return "hello"

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "special": True}


manager.handlers = {"mine": recording}
see("handlers can be set", manager.send_event(Special("e")))
see("as_dict of a subclass", recording.seen[-1].as_dict()["special"])
see("methods of a subclass", attempt(lambda: recording.seen[-1].greeting()))

manager = EventManager()
see("add_handler answers", manager.add_handler("file", "/x"))
manager.add_handler("logging", level=20)
see("names of handlers", {name: type(handler).__name__ for name, handler in manager.handlers.items()})
see("arguments", [manager.handlers["file"].log_dir, manager.handlers["logging"].level])
manager.add_handler("file", log_dir="/y")
see("added again", [list(manager.handlers), manager.handlers["file"].log_dir])
see("several of one type", attempt(manager.add_handler, "file:archive", "/z") or list(manager.handlers))
see("unknown handler", attempt(manager.add_handler, "nothing"))
see("unknown class", attempt(manager.get_handler, "nothing"))
see("arguments that do not fit", attempt(manager.add_handler, "file", wrong=1)["raised"])
see("arguments that are missing", attempt(manager.add_handler, "smtp")["raised"])
see("get_handler gives a class", isinstance(manager.get_handler("file"), type))

see("default manager is empty", e3.event.default_manager.handlers)
see("module send_event without handler", e3.event.send_event(Event("e")))
e3.event.add_handler("file", os.path.join(FOLDER, "out"))
see("module add_handler", list(e3.event.default_manager.handlers))
e3.event.send_event(Event("e", "u"))
see("module send_event", [name for name in os.listdir("out") if name.endswith(".json")])
e3.event.default_manager.handlers["bad"] = Answering(False)
see("module send_event, false", e3.event.send_event(Event("e", "u")))
path = Event("e", "u", n=2).dump("dumps")
manager.handlers = {"mine": recording}
see("send_event_from_file", [manager.send_event_from_file(path), recording.seen[-1].n])
see("module send_event_from_file", e3.event.send_event_from_file(filename=path))
