"""Who takes part in a day: handlers of all tempers, writers, and `e3-event relay` with its configuration."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from e3_event import DeliveryError, Event
from e3_event.handler_tools import attachments
from faults.bench import ROOT
from faults.office import Noting
from faults.promise import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults.bench import Bench
    from faults.child import Child

#: Handlers by the relay that serves them: one that is never killed, and those that are.
STEADY = ("plain", "flapping", "dead")
DOOMED = ("many", "slow", "strict")
#: What each has in its configuration beyond its notes.
_SETTINGS = {
    "plain": "",
    "flapping": 'retry = { first = "200ms", longest = "2s" }',
    "dead": 'retry = { attempts = 2, first = "500ms", longest = "2s" }',
    "many": 'type = "day-many"\nseconds = 0.002',
    "strict": 'order = "strict"\nseconds = 0.002',
}
#: More than a day puts: the handler that is dead pins everything.
_ROOM = 4 << 30
#: Sizes of what an event may have attached (bytes; `None`: nothing), and how often.
_SIZES = (None, 100, 20_000, 32_768, 70_000, 300_000)
_WEIGHTS = (70, 12, 10, 4, 3, 1)
#: Events of one put, and how often.
_BATCHES, _BATCH_WEIGHTS = (1, 10), (9, 1)


class Recording(Noting):
    """Notes each event with a digest of all that it got, in place of the event's name.

    :param path: of its notes
    :param seconds: that it needs for an event
    """

    def __init__(self, path: str, seconds: float = 0.0) -> None:
        super().__init__(path)
        self._down = down(path)
        self._seconds = seconds

    def note(self, event: Any) -> bool:
        if os.path.exists(self._down):
            raise DeliveryError("connection refused")
        time.sleep(self._seconds)
        files = {}
        for attachment in attachments(event):
            with attachment.open() as file:
                files[attachment.name] = hashlib.file_digest(file, "sha1").hexdigest()
        got = content(digest(event), files)
        os.write(self._fd, f"{event.snapshot_id} {got} {os.getpid()} {time.monotonic()}\n".encode())
        return True


class RecordingMany(Recording):
    """Takes many at once."""

    def send_events(self, events: Sequence[Event]) -> list[bool | Exception]:
        return [self.note(event) for event in events]


def content(data: str, files: dict[str, str]) -> str:
    """A digest of an event: of its data and of the bytes of its attachments.

    :param data: digest of the data
    :param files: SHA-1 of the bytes by name
    """
    return hashlib.sha1(json.dumps([data, files], sort_keys=True).encode()).hexdigest()


def down(notes: str) -> str:
    """Path of the file that is there while a handler's other side is down."""
    return f"{notes}.down"


def install(bench: Bench, slow: float) -> dict[str, str]:
    """Write the relays' configurations, and make the handlers known as another distribution would.

    :param slow: seconds that the slow handler needs for an event
    :return: what is added to the environment of a relay
    """
    settings = {**_SETTINGS, "slow": f"seconds = {slow}"}
    for relay, names in {"steady": STEADY, "doomed": DOOMED}.items():
        with open(bench.path(f"{relay}.toml"), "w") as file:
            file.write(f'[spool]\npath = "{bench.spool}"\nmax_size = {_ROOM}\n')
            for name in names:
                kind = "" if "type" in settings[name] else 'type = "day"\n'
                notes = bench.path(f"notes-{name}")
                file.write(f'[handlers.{name}]\n{kind}path = "{notes}"\n{settings[name]}\n')
    info = bench.path("day-1.0.dist-info")
    os.mkdir(info)
    with open(os.path.join(info, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\nName: day\nVersion: 1.0\n")
    with open(os.path.join(info, "entry_points.txt"), "w") as file:
        file.write(f"[e3_event.handler]\nday = {__name__}:Recording\nday-many = {__name__}:RecordingMany\n")
    return {"PYTHONPATH": os.pathsep.join((bench.folder, ROOT))}


def relay(child: Child) -> None:
    """Be `e3-event relay`, with leases of another length if need be: a short day has no time for 30 s."""
    if child.options["lease"]:
        from e3_event._relay import _relay
        from e3_event.spool import _queue, _subscriptions

        for module in (_relay, _queue, _subscriptions):
            vars(module)["LEASE"] = child.options["lease"]
    from e3_event.cli import main

    config = child.beside(f"{child.options['config']}.toml")
    sys.argv = ["e3-event", "--config", config, "relay"]
    main()


def write(child: Child) -> None:
    """Put events of all kinds, alone and in batches, so many a second, until it is enough."""
    from e3_event.spool import Spool

    spool = Spool(child.folder, max_size=_ROOM)
    number = 0
    due = time.monotonic()
    while not os.path.exists(f"{child.told}.enough"):
        size = child.random.choices(_BATCHES, _BATCH_WEIGHTS)[0]
        child.journal.put(spool, *[_event(child, number + place) for place in range(size)])
        number += size
        due += child.random.uniform(0, 2 * size / child.options["rate"])
        time.sleep(max(0.0, due - time.monotonic()))


def _event(child: Child, number: int) -> Event:
    padding = "y" * int(child.random.expovariate(1 / 800))
    event = Event("day", writer=os.getpid(), number=number, padding=padding)
    size = child.random.choices(_SIZES, _WEIGHTS)[0]
    if size is not None:
        event.attach_file(child.file(size), f"log-{size}")
    return event if child.random.random() < 0.5 else event.snapshot()
