"""Documented names, signatures and the handler interface."""

import inspect
import subprocess
import sys
from typing import Any

import e3.event.handler.file
import e3.event.handler.logging
import e3.event.handler.s3
import e3.event.handler.smtp
from e3.event.handler.file import FileHandler
from observe import attempt, see

import e3.event
from e3.event import Event, EventError, EventHandler, EventManager

DOCUMENTED = (
    *("Event", "EventHandler", "EventError", "EventManager", "default_manager", "logger", "unique_id"),
    *("send_event", "send_event_from_file", "add_handler", "load_handlers_from_env", "handler_config_as_env"),
)
see("documented names", [name for name in DOCUMENTED if hasattr(e3.event, name)])
star: dict[str, Any] = {}
exec("from e3.event import *", star)
see("import *", [name for name in DOCUMENTED if name in star])


def signature(function: Any) -> list[str]:
    """The parameters with their defaults and kinds, without annotations."""
    parameters = inspect.signature(function).parameters.values()
    return [str(p.replace(annotation=inspect.Parameter.empty)) for p in parameters]


MEMBERS = {
    Event: "__init__ __enter__ __exit__ set_formatter get_attachments attach_file close format_date as_dict"
    " dump load",
    EventHandler: "send_event decode_config encode_config",
    EventManager: "__init__ send_event send_event_from_file get_handler add_handler load_handlers_from_env"
    " handler_config_as_env",
}
for cls, members in MEMBERS.items():
    for member in members.split():
        see(f"signature, {cls.__name__}.{member}", signature(getattr(cls, member)))
for function in DOCUMENTED[6:]:
    see(f"signature, {function}", signature(getattr(e3.event, function)))
for handler, name in (("file", "File"), ("logging", "Logging"), ("smtp", "SMTP"), ("s3", "S3")):
    cls_ = getattr(getattr(e3.event.handler, handler), f"{name}Handler")
    see(f"handler {handler}", [cls_.__name__, issubclass(cls_, EventHandler)])
    documented = [str(p) for p in signature(cls_.__init__)]
    see(f"signature, {handler}", documented)
    see(f"get_handler, {handler}", EventManager().get_handler(handler) is cls_)
see("default_manager", isinstance(e3.event.default_manager, EventManager))
see("bases of EventError", [cls.__name__ for cls in EventError.__mro__[:3]])

see("an abstract handler", attempt(lambda: EventHandler())["raised"])


class Half(EventHandler):
    pass


class Whole(EventHandler):
    def send_event(self, event: Event) -> bool:
        return super().send_event(event) is None


see("a handler without send_event", attempt(lambda: Half())["raised"])
see("the abstract send_event answers None", Whole().send_event(Event("a")))
see("decode_config", [Whole.decode_config(""), Whole.decode_config("anything")])
see("encode_config", Whole().encode_config())
see("subclass a built-in one", issubclass(type("Mine", (FileHandler,), {}), EventHandler))

first = [sys.executable, "-c", "import e3.error"]
see("e3.error before e3.event", subprocess.run(first, capture_output=True).returncode)
