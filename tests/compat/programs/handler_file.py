"""The handler `file`: what it writes."""

import os
from typing import Any

from e3.event.handler.file import FileHandler
from observe import FOLDER, attempt, see, tree, write

from e3.event import Event


def sent(*events: Event) -> list[Any]:
    """What a new handler answers to each event, and the files there are then."""
    folder = os.path.join(FOLDER, "out", str(len(os.listdir("out"))), "deep")
    handler = FileHandler(folder)
    answers = [attempt(handler.send_event, event) for event in events]
    found = tree(os.path.dirname(folder))
    return [answers, {name: file for name, file in found.items() if file}]


def make(name: str = "build", uid: str = "u", log: str = "", as_name: str = "log", **data: Any) -> Event:
    event = Event(name, uid, begin_time=0.0, **data)
    if log:
        event.attach_file(log, as_name)
    return event


os.mkdir("out")
log = write("a.log", "hello\n")
os.utime(log, (1_000_000_000, 1_000_000_000))
os.chmod(log, 0o640)
see("attributes", vars(FileHandler("/x")))
see("encode_config", FileHandler("/x").encode_config())
see("attributes by name", FileHandler(log_dir="y").log_dir)
see("with an attachment", sent(make(log=log)))
see("without attachment", sent(make(b=1, a=[1, {"y": 1, "x": 2}], c="gr\u00fc\u00df")))
FileHandler("bare").send_event(make())
see("without attachment, folders", [name for name in tree("bare") if name.endswith("/")])
closed = make()
closed.close()
see("a closed event", sent(closed))
formatted = make(n=1)
formatted.set_formatter("n", lambda key, value: {"m": value})
see("formatters count", sent(formatted))
two = make(log=log)
two.attach_file(write("data.bin", b"\0\xff\n"), "b.bin")
see("two attachments", sent(two))
see("two events", sent(make(uid="u1", log=log), make(uid="u2", log=log)))
same = FileHandler("twice")
same.send_event(make())
same.send_event(make())
see("the same event twice", len([name for name in os.listdir("twice") if name.endswith(".json")]))
os.chdir(FOLDER)
handler = FileHandler("relative")
see("a relative folder", [handler.send_event(make(log=log)), len(os.listdir("relative"))])
see("spaces and unicode", sent(make("gr\u00fc\u00df a", "u 1", log, "l \u00fc"))[0])
spaced = sent(make("gr\u00fc\u00df a", "u 1", log, "l \u00fc"))[1]
see("spaces and unicode, names", list(spaced))

again = FileHandler("again")
again.send_event(make(log=write("v.log", "first\n")))
again.send_event(make(log=write("v.log", "second\n")))
see("another file under one uid and name", tree("again"))
see("an attachment name that climbs", sent(make(log=log, as_name="../../climbed")))
see("an attachment name with a slash", sent(make(log=log, as_name="a/b")))
see("an event name that climbs", sent(make("../climbed")))
see("an event name with a slash", sent(make("a/b")))
see("a uid that climbs", sent(make(uid="x/../../climbed")))
write("g/ab.log", "wrong file\n")
write("g/[ab]*.log", "right file\n")
see("a source that looks like a glob", sent(make(log=os.path.join(FOLDER, "g", "[ab]*.log"))))
see("data that JSON can't hold", sent(make(x={1})))
see("infinity", sent(make(x=float("inf"))))
blocked = FileHandler(write("a-file"))
see("a file for a folder", attempt(blocked.send_event, make())["raised"])
