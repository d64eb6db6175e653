"""The work of ours and of e3-core: the same programs, written against the API that both have.

The function with a row's name prepares it and returns one operation.
"""

from __future__ import annotations

import logging
import os
import smtplib
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from .worker import Setting

    Work = Callable[[], object]

_FRESH = """
import resource, sys, time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6
before, started = resident(), time.perf_counter()
{code}
print(time.perf_counter() - started, resident() - before)
"""
_FIRST_EVENT = """
import {package} as api
api.add_handler("file", {folder!r})
with api.Event("nightly-build") as event:
    event.branch = "main"
assert api.send_event(event)
"""


class Fresh:
    """Code that is run in fresh interpreters, and measured there.

    :param column: 0: its time in seconds; 1: its memory in MB
    """

    def __init__(self, code: str, column: int) -> None:
        self.program = _FRESH.format(code=code)
        self.column = column

    def batch(self, count: int) -> float:
        return sum(self._run() for _ in range(count))

    def _run(self) -> float:
        command = [sys.executable, "-c", self.program]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return float(run.stdout.split()[self.column])


def import_time(setting: Setting) -> Fresh:
    return Fresh(f"import {setting.package}", 0)


def import_memory(setting: Setting) -> Fresh:
    return Fresh(f"import {setting.package}", 1)


def first_event(setting: Setting) -> Fresh:
    return Fresh(_FIRST_EVENT.format(package=setting.package, folder=setting.folder), 0)


def make_event(api: Any, attach: str = "") -> Any:
    """Create an event such as a build makes, with five attributes, and close it."""
    event = api.Event("nightly-build")
    event.branch = "main"
    event.revision = "4f2c9a1"
    event.status = "ok"
    event.tests = 1234
    event.seconds = 81.25
    if attach:
        event.attach_file(attach)
    event.close()
    return event


def create(setting: Setting) -> Work:
    api = setting.load()
    return lambda: make_event(api)


def as_dict(setting: Setting) -> Work:
    work: Work = make_event(setting.load()).as_dict
    return work


def dump(setting: Setting) -> Work:
    event = make_event(setting.load())
    return lambda: event.dump(setting.folder)


def load(setting: Setting) -> Work:
    api = setting.load()
    path = make_event(api).dump(setting.folder)
    return lambda: api.Event.load(path)


def attach(setting: Setting) -> Work:
    event = setting.load().Event("nightly-build")
    path = big_file(setting.folder)
    return lambda: event.attach_file(path)


def send_file(setting: Setting) -> Work:
    return _sender(setting.load(), ("file", setting.folder))


def send_logging(setting: Setting) -> Work:
    log = logging.getLogger("e3.bench")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(logging.FileHandler(os.path.join(setting.folder, "events.log")))
    return _sender(setting.load(), ("logging", "bench", logging.INFO))


def send_memory(setting: Setting) -> Work:
    """A handler that keeps the last thousand events as JSON, such as a queue would have them."""
    from collections import deque

    from e3_event import Event, EventHandler, EventManager
    from e3_event.handler_tools import event_json

    class Queue(EventHandler):
        def __init__(self) -> None:
            self.kept: deque[bytes] = deque(maxlen=1000)

        def send_event(self, event: Event) -> bool:
            self.kept.append(event_json(event))
            return True

    api = setting.load()
    manager = EventManager()
    manager.handlers["queue"] = Queue()
    return lambda: _delivered(manager.send_event(make_event(api)))


def send_smtp(setting: Setting) -> Work:
    os.environ["SSL_CERT_FILE"] = setting.ca_file
    return _sender(setting.load(), ("smtp", "nightly", "ci@example.net", "dev@example.net", setting.address))


def build_mail(setting: Setting) -> Work:
    smtplib.SMTP_SSL = NoServer  # type: ignore[misc,assignment]
    api = setting.load()
    event = make_event(api, build_log(setting.folder))
    send = _manager(api, ("smtp", "nightly", "ci@example.net", "dev@example.net", "localhost")).send_event
    return lambda: _delivered(send(event))


def send_s3(setting: Setting) -> Work:
    return _sender(setting.load(), ("s3", "s3://bench/events", "s3://bench/logs"))


def send_s3_log(setting: Setting) -> Work:
    return _sender(setting.load(), ("s3", "s3://bench/events", "s3://bench/logs"), build_log(setting.folder))


def _sender(api: Any, handler: tuple[Any, ...], attach: str = "") -> Work:
    """Create an event and send it through a manager with one handler."""
    manager = _manager(api, handler)
    return lambda: _delivered(manager.send_event(make_event(api, attach)))


def _manager(api: Any, handler: tuple[Any, ...]) -> Any:
    manager = api.EventManager()
    manager.add_handler(*handler)
    return manager


def _delivered(answer: bool) -> None:
    if not answer:
        raise RuntimeError("the event was not delivered")


class NoServer:
    """Stands in for `smtplib.SMTP_SSL` and takes everything, so that only making the mail counts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...

    def sendmail(self, sender: str, to: list[str], message: str | bytes, *options: Any) -> dict[str, Any]:
        if len(message) < 2**20:
            raise RuntimeError("the attachment is missing")
        return {}

    def quit(self) -> None: ...


def build_log(folder: str) -> str:
    """Write 1 MB of log such as builds leave, and return its path."""
    path = os.path.join(folder, "build.log")
    with open(path, "w") as log:
        for number in range(2**20 // 64):
            line = f"[{number:06d}] cc -O2 -c src/module_{number % 997:03d}.c -o build/{number:06x}.o"
            log.write(f"{line:63.63}\n")
    return path


def big_file(folder: str, size: int = 2**30) -> str:
    """Make a file that has no blocks, so that reading it measures no disk; return its path."""
    path = os.path.join(folder, "big.log")
    with open(path, "wb") as file:
        file.truncate(size)
    return path
