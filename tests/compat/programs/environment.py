"""E3_EVENT_HANDLERS: loading and exporting handlers."""

import os
import subprocess
import sys
from typing import Any

from observe import attempt, see

import e3.event
from e3.event import EventHandler, EventManager


def load(value: str | None, manager: EventManager | None = None) -> Any:
    """The handlers of a manager, each with its configuration, after loading a variable."""
    manager = manager or EventManager()
    os.environ.pop("HANDLERS", None)
    if value is not None:
        os.environ["HANDLERS"] = value
    given = attempt(manager.load_handlers_from_env, "HANDLERS")
    loaded = {name: handler.encode_config() for name, handler in manager.handlers.items()}
    return loaded if given is None else [given, loaded]


GOOD = {
    "one": "file=/a",
    "two": "file=/a|logging=x,20",
    "order": "logging=x,20|file=/a",
    "all": "file=/a|logging=x,20|smtp=s,f@x,t@x,h1,h2|s3=s3://bucket/e,s3://bucket/l,AES256,p",
    "an equals sign in the value": "file=/a=b",
    "commas in a folder": "file=/a,b",
    "spaces in a folder": "file=/a b",
    "percent signs in a folder": "file=/a%20b%2Cc",
    "a relative folder": "file=a/b",
    "twice": "file=/a|logging=x,20|file=/b",
    "an empty logger": "logging=,10",
    "an s3 without profile": "s3=s3://bucket/e,s3://bucket/l,AES256,",
    "an s3 with aws:kms": "s3=s3://bucket/e,s3://bucket/l,aws:kms,",
    "a comma in the profile": "s3=s3://bucket/e,s3://bucket/l,AES256,a,b",
    "one server": "smtp=s,f@x,t@x,h",
    "spaces in a subject": "smtp=a subject: x=y,f@x,t@x,h",
    "percent signs in a subject": "smtp=50% of %20,f@x,t@x,h",
}
ODD = {
    "unset": None,
    "empty": "",
    "a bar alone": "|",
    "a bar at the end": "file=/a|",
    "a bar at the start": "|file=/a",
    "two bars": "file=/a||logging=x,20",
    "unknown": "nothing=1",
    "unknown after a good one": "file=/a|nothing",
    "no name": "=x",
    "spaces around the name": " file =/a",
    "an encoded bar in a folder": "file=/a%7Cb",
    "an encoded percent sign in a folder": "file=/a%25b",
    "bare file": "file",
    "bare logging": "logging",
    "bare smtp": "smtp",
    "bare s3": "s3",
    "logging without level": "logging=x",
    "logging with three fields": "logging=x,20,z",
    "logging with a level's name": "logging=x,INFO",
    "logging with a wrong level": "logging=x,loud",
    "smtp without server": "smtp=s,f@x,t@x",
    "smtp with an empty server": "smtp=s,f@x,t@x,",
    "s3 without sse": "s3=s3://bucket/e,s3://bucket/l",
    "s3 without profile field": "s3=s3://bucket/e,s3://bucket/l,AES256",
}
for name, value in GOOD.items():
    see(f"load, {name}", load(value))
for name, odd in ODD.items():
    see(f"load, {name}", load(odd))

manager = EventManager()
manager.add_handler("logging", "kept", 30)
see("loading adds", load("file=/a", manager))
see("loading replaces one of the same name", load("logging=new,20", manager))
os.environ["E3_EVENT_HANDLERS"] = "file=/default"
manager = EventManager()
manager.load_handlers_from_env()
see("the default variable", list(manager.handlers))
e3.event.load_handlers_from_env()
see("module load_handlers_from_env", list(e3.event.default_manager.handlers))
os.environ["OTHER"] = "logging=x,20"
e3.event.load_handlers_from_env(var_name="OTHER")
see("module load_handlers_from_env adds", list(e3.event.default_manager.handlers))


def export(*handlers: tuple[Any, ...]) -> Any:
    manager = EventManager()
    for name, *args in handlers:
        manager.add_handler(name, *args)
    given = attempt(manager.handler_config_as_env, "EXPORTED")
    return os.environ.pop("EXPORTED", None) if given is None else given


FILE, LOGGING = ("file", "/a"), ("logging",)
SMTP = ("smtp", "s", "f@x", "t@x", ["h1", "h2"])
S3 = ("s3", "s3://bucket/e", "s3://bucket/l")
see("export, none", export())
see("export, file", export(FILE))
see("export, logging", export(LOGGING))
see("export, logging with level", export(("logging", "x", 40)))
see("export, smtp", export(SMTP))
see("export, one server as text", export(("smtp", "s", "f@x", "t@x", "h")))
see("export, s3", export(S3))
see("export, s3 with profile", export((*S3, "aws:kms", "p")))
see("export, all", export(FILE, LOGGING, SMTP, S3))
see("export, a bar in a folder", export(("file", "/a|b")))
see("export, an encoded bar in a folder", export(("file", "/a%7Cb")))
see("export, a comma in a logger", export(("logging", "a,b", 10)))
see("export, a comma in a subject", export(("smtp", "a, b", "f@x", "t@x", "h")))
see("export, two recipients", export(("smtp", "s", "f@x", "t@x,u@x", "h")))
see("export, spaces around a comma", export(("smtp", "s", "f@x", "t@x, u@x", "h")))


def round_trip(*handler: Any) -> bool:
    """Does a handler come out of its configuration string as it went in?"""
    manager = EventManager()
    manager.add_handler(*handler)
    before = manager.handlers[handler[0]]
    after = manager.get_handler(handler[0])(**type(before).decode_config(before.encode_config()))
    documented = {
        "file": ["log_dir"],
        "logging": ["logger_name", "level"],
        "smtp": ["default_subject", "from_addr", "to_addr", "smtp_servers"],
        "s3": ["event_s3_url", "log_s3_url", "sse", "aws_profile"],
    }[handler[0]]
    return all(getattr(before, name) == getattr(after, name) for name in documented)


see("round trip, file", round_trip(*FILE))
see("round trip, logging", round_trip(*LOGGING))
see("round trip, smtp", round_trip(*SMTP))
see("round trip, s3", round_trip(*S3))
see("round trip, a comma in a subject", attempt(round_trip, "smtp", "a, b", "f@x", "t@x", "h"))
see("round trip, two recipients", attempt(round_trip, "smtp", "s", "f@x", "t@x,u@x", "h"))
see("round trip, a comma in a logger", attempt(round_trip, "logging", "a,b"))


class Plain(EventHandler):
    def send_event(self, event: Any) -> bool:
        return True


class Barred(Plain):
    def encode_config(self) -> str:
        return "a|b"


manager = EventManager()
manager.handlers["plain"] = Plain()
manager.handler_config_as_env("EXPORTED")
see("export, a handler without configuration", os.environ["EXPORTED"])
manager.handlers["barred"] = Barred()
see("export, a bar in a configuration", attempt(manager.handler_config_as_env, "OTHER_VARIABLE"))
see("export, a bar in a configuration, sets", os.environ.get("OTHER_VARIABLE"))

manager = EventManager()
manager.add_handler("file", "/a")
manager.handler_config_as_env()
child = "import e3.event as e; e.load_handlers_from_env(); print(e.default_manager.handlers['file'].log_dir)"
see("a child process", subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout)
e3.event.handler_config_as_env(var_name="MODULE")
see("module handler_config_as_env", os.environ["MODULE"])
for kind, config in (
    ("file", "/a=b,c"),
    ("logging", "foo,30"),
    ("smtp", "a,b,c,d,e"),
    ("s3", "a,b,c,d"),
    ("s3", "a,b,c,"),
):
    see(f"decode_config, {kind}, {config}", EventManager().get_handler(kind).decode_config(config))
