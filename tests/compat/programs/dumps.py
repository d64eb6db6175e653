"""Event: dump and load."""

import json
import os
from typing import Any

from observe import FOLDER, attempt, see, tree, write

import e3.event
from e3.event import Event

log = write("a.log")
event = Event("build", "u", n=1, nested={"b": [1, None, "gr\u00fc\u00df"]})
event.attach_file(log)
event.attach_file("a.log", "relative")
path = event.dump(os.path.join(FOLDER, "deep", "dumps"))
see("path", path)
see("path is text", type(path).__name__)
see("two dumps, two files", event.dump("dumps") != event.dump("dumps"))
with open(path) as file:
    text = file.read()
dumped = json.loads(text)
see("data", dumped["data"])
see("attachments", dumped["attachments"])
see("closed", dumped["closed"])
see("further keys", sorted(set(dumped) - {"data", "attachments", "closed"}))
see("a relative folder", event.dump("rel").startswith("rel"))
see("pure ASCII", text.isascii())

loaded = Event.load(path)
see("loaded", loaded.as_dict())
see("loaded attachments", loaded.get_attachments())
see("loaded attributes", [loaded.name, loaded.uid, loaded.n, loaded.nested, loaded.end_time])
see("begin_time of a loaded event", type(loaded.begin_time).__name__)
loaded.extra = 1
see("a loaded open event is open", loaded.as_dict()["extra"])
loaded.close()
see("a loaded event can be closed", loaded.as_dict()["end_time"])
event.close()
closed = Event.load(event.dump("dumps"))
see("a loaded closed event stays closed", attempt(lambda: setattr(closed, "x", 1)))
see("its times", [closed.as_dict()["begin_time"], closed.as_dict()["end_time"]])
see("dump again", Event.load(closed.dump("dumps")).as_dict() == closed.as_dict())
event = Event("build", "u", size=1)
event.set_formatter("size", lambda key, value: {key: f"{value} bytes"})
see("what a formatter gave is dumped", Event.load(event.dump("dumps")).size)


class Special(Event):
    pass


see("load of a subclass", type(Special.load(path)).__name__)
os.unlink(log)
see("the file of a loaded event may be missing", Event.load(path).get_attachments()["log"][0])


def load(content: Any) -> Any:
    target = write("given.json", content if isinstance(content, str) else json.dumps(content))
    found = attempt(Event.load, target)
    return found if isinstance(found, dict) else attempt(lambda: [found.as_dict(), found.get_attachments()])


good = {"data": {"name": "n", "uid": "u"}, "attachments": {}, "closed": False}
see("load, smallest", load(good))
see("load, unknown keys", load({**good, "other": 1}))
see("load, spaces", load(json.dumps(good, indent=4)))
see("load, attachments", load({**good, "attachments": {"log": ["/x", "0"]}}))
see("load, times that are text", load({**good, "data": {**good["data"], "begin_time": "then"}}))
see("load, missing file", attempt(Event.load, "/nowhere/e.json"))
see("load, folder", attempt(Event.load, FOLDER)["raised"])
see("load, no JSON", load("{"))
see("load, empty", load(""))
see("load, a list", load("[]"))
see("load, no data", load({}))
see("load, no attachments", load({"data": good["data"], "closed": False}))
see("load, no closed", load({"data": good["data"], "attachments": {}}))
see("load, no uid", load({**good, "data": {"name": "n"}}))
see("load, no name", load({**good, "data": {"uid": "u"}}))
see("load, closed is a number", load({**good, "closed": 1}))
see("load, data is a list", load({**good, "data": [1]}))
see("load, attachment is a text", load({**good, "attachments": {"log": "ab"}}))
see("load, NaN", load('{"data":{"name":"n","uid":"u","x":NaN},"attachments":{},"closed":false}'))
see("load, a key twice", load('{"data":{"name":"n","name":"m","uid":"u"},"attachments":{},"closed":false}'))
see("load, a huge number", load({**good, "data": {**good["data"], "n": 10**30}}))
nested = "[" * 5000 + "]" * 5000
deep = load(json.dumps(good).replace('"u"', f'"u", "x": {nested}'))
see("load, deep", deep["raised"] if isinstance(deep, dict) else "loaded")


def left_by(uid: str, **data: Any) -> list[Any]:
    """What a dump gives, and what it leaves in its folder."""
    folder = os.path.join(FOLDER, "left", str(len(os.listdir("left"))))
    os.makedirs(folder)
    given = attempt(Event("build", uid, begin_time=0.0, **data).dump, folder)
    return [given, tree(folder)]


os.mkdir("left")
see("dump, a set", left_by("u", x={1})[0])
see("dump, a set, leaves", left_by("u", x={1})[1])
see("dump, infinity", left_by("u", x=float("inf"))[0])
see("dump, bytes", left_by("u", x=b"a")[0])
see("dump, a tuple", json.loads(next(iter(left_by("u", x=(1, 2))[1].values()))[2])["data"]["x"])
see("dump, a number as key", json.loads(next(iter(left_by("u", x={1: 2})[1].values()))[2])["data"]["x"])
see("dump, a huge number", isinstance(left_by("u", x=10**30)[0], str))
see("dump, a slash in the uid", left_by("a/b")[0])
see("dump, a uid that climbs, leaves in the folder", len(left_by("../b")[1]))
see("dump, a file for a folder", attempt(Event("e").dump, write("file"))["raised"])

see("send_event_from_file", e3.event.EventManager().send_event_from_file(path))
see("module function", e3.event.send_event_from_file(path))
see("send_event_from_file, missing file", attempt(e3.event.send_event_from_file, "/nowhere/e.json")["raised"])
