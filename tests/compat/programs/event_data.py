"""Event: data, attributes, formatters."""

import copy
import pickle
import sys
import time
import uuid
from typing import Any

from observe import attempt, see

import e3.event
from e3.event import Event, unique_id

sys.setrecursionlimit(300)  # an endless recursion ends soon

before = time.time()
event = Event("build")
see("keys", list(event.as_dict()))
see("as_dict", event.as_dict())
see("name", event.name)
see("uid is text", isinstance(event.uid, str))
see("begin_time is now", isinstance(event.begin_time, float) and before <= event.begin_time <= time.time())
see("end_time", event.end_time)
see("no attachments", event.get_attachments())
see("as_dict is fresh", event.as_dict() is not event.as_dict())
see("two events have two uids", Event("a").uid != Event("a").uid)

see("kwargs", Event("build", "u", branch="main", n=1).as_dict())
see("arguments by name", Event(uid="u", name="build").as_dict())
see("kwargs override", Event("build", "u", begin_time=0.5, end_time=1.5).as_dict())
see("kwargs override the order too", list(Event("build", x=1, end_time=2.0, begin_time=1.0).as_dict()))
see("begin_time as text", Event("build", "u", begin_time="then").as_dict()["begin_time"])
see("begin_time as int", Event("build", "u", begin_time=5).as_dict()["begin_time"])
see("an empty uid", Event("build", "").uid)
see("a number as uid", Event("build", 5).as_dict()["uid"])
twice: dict[str, Any] = {"name": "b"}
see("name twice", attempt(lambda: Event("a", **twice))["raised"])
see("without name", attempt(lambda: Event())["raised"])

event = Event("build", "u")
event.branch = "main"
event.name = "other"
event._private = 1
see("attributes are data", event.as_dict())
see("read back", [event.branch, event.name, event._private])
see("hasattr", [hasattr(event, "branch"), hasattr(event, "nothing"), hasattr(event, "close")])
see("getattr with default", getattr(event, "nothing", "default"))
see("missing attribute", attempt(lambda: event.nothing)["raised"])
see("missing attribute, text", attempt(lambda: event.nothing)["text"])
see("delete an attribute", attempt(lambda: delattr(event, "branch"))["raised"])
event.close = "a value"
see("a key that a method hides", [callable(event.close), event.as_dict()["close"]])
see("any value", Event("x", "u", a=[1, {"b": None}], t=(1, 2)).as_dict()["a"])
see("the value itself", (lambda v: Event("x", a=v).a is v)([1]))

event = Event("build", "u", size=3)
event.set_formatter("size", lambda key, value: {key: f"{value} bytes", "unit": "bytes"})
see("formatter", event.as_dict())
see("formatter leaves the attribute", event.size)
event.set_formatter("size", lambda key, value: {})
see("formatter that hides", event.as_dict())
event.set_formatter("absent", lambda key, value: {"seen": True})
see("formatter of an absent key", "seen" in event.as_dict())
event.set_formatter("begin_time", lambda key, value: {key: type(value).__name__})
see("formatter of begin_time", event.as_dict())
event.set_formatter("uid", lambda key, value: {"name": "from uid"})
see("later keys win", event.as_dict()["name"])
event.set_formatter("name", lambda key, value: {}[key])
see("formatter that raises", attempt(event.as_dict))

see("format_date, float", event.format_date("k", 0.9))
see("format_date, now", event.format_date("k", time.time()))
see("format_date, before 1970", event.format_date("k", -1.5))
for kind, value in (("text", "s"), ("int", 5), ("None", None), ("bool", True)):
    see(f"format_date, {kind}", event.format_date("k", value))
see("format_date, infinite", attempt(event.format_date, "k", float("inf")))
see("format_date, by name", event.format_date(key="k", value="v"))

see("unique_id is a UUID", str(uuid.UUID(unique_id())) == unique_id() or len(unique_id()) == 36)
see("unique_id, version", uuid.UUID(unique_id()).version)
see("unique_id shows the MAC address", f"{uuid.getnode():012x}" in unique_id())
see("Event uses unique_id's form", uuid.UUID(Event("a").uid).version == uuid.UUID(unique_id()).version)

event = Event("build", "u", a=1)
COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda e: pickle.loads(pickle.dumps(e))}
for name, how in COPIES.items():
    see(name, attempt(lambda how=how: how(event).as_dict() == event.as_dict()))
see("equality is identity", [event == event, Event("a", "u") == Event("a", "u")])
see("hashable", len({event, event}))
see("truth", bool(event))
see("repr", repr(event))
see("item access", attempt(lambda: event["name"]))
see("logger", e3.event.logger.name if hasattr(e3.event.logger, "name") else e3.event.logger.logger.name)
