"""Event: attached files."""

import os
import pathlib

from observe import FOLDER, attempt, see, write

from e3.event import Event, EventManager

log, other = write("a.log"), write("sub/b.txt", "other\n")
event = Event("build", "u")
see("answer", event.attach_file(log))
see("default name", event.get_attachments())
see("types", [type(event.get_attachments()).__name__, type(event.get_attachments()["log"]).__name__])
event.attach_file(other, "second.txt")
event.attach_file(path=other, name="third")
see("three", event.get_attachments())
see("attachments are no data", event.as_dict())
event.attach_file(other)
see("a second one of the same name", event.get_attachments()["log"])
see("order when replaced", list(event.get_attachments()))
event.attach_file("a.log", "relative")
see("a relative path as given", event.get_attachments()["relative"])
event.attach_file("./sub/../a.log", "odd")
see("an odd path as given", event.get_attachments()["odd"][0])
event.attach_file(write("empty", ""), "empty")
see("an empty file", event.get_attachments()["empty"][1])
event.attach_file(write("gr\u00fc\u00df.log"), "gr\u00fc\u00df")
see("unicode", event.get_attachments()["gr\u00fc\u00df"][0])
event.attach_file(write("s p [a]*.log"), "globs")
see("a name like a glob", event.get_attachments()["globs"])
os.symlink(log, "link")
event.attach_file("link", "link")
see("a link", event.get_attachments()["link"])
see("empty name", attempt(lambda: (event.attach_file(log, ""), "" in event.get_attachments())[1]))
event = Event("build", "u")
event.attach_file(pathlib.Path(log), "path")
see("a Path, its type", type(event.get_attachments()["path"][0]).__mro__[-2].__name__)
see("a Path can be dumped", attempt(lambda: bool(event.dump("dumps"))))

for what, path in (
    ("missing", "/nowhere/a.log"),
    ("folder", FOLDER),
    ("relative and missing", "nothing.log"),
):
    see(f"attach, {what}", attempt(Event("e").attach_file, path))
try:
    Event("e").attach_file("/nowhere/a.log")
except Exception as error:
    see("attach, missing, error", [error.messages, error.origin])
    see("attach, missing, class", type(error).__name__)
event = Event("build", "u")
attempt(event.attach_file, "/nowhere/a.log")
see("nothing is attached then", event.get_attachments())

event = Event("sent", "u")
event.attach_file("a.log", "moved")
event.attach_file(write("grown.log", "1\n"), "grown")
event.attach_file(write("gone.log"), "gone")
write("grown.log", "1\n2\n")
see("the SHA-1 stays that of attaching", event.get_attachments()["grown"][1])
os.mkdir("elsewhere")
os.chdir("elsewhere")
manager = EventManager()
manager.add_handler("file", os.path.join(FOLDER, "out"))
see("a relative path after chdir", attempt(manager.send_event, event))
event = Event("sent", "u2")
event.attach_file(os.path.join(FOLDER, "gone.log"), "gone")
os.unlink(os.path.join(FOLDER, "gone.log"))
see("a file that is gone", attempt(manager.send_event, event))
