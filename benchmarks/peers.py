"""The work of peers in the same class. The function with a row's name prepares it and returns one operation.

Each does what its own documentation shows, with the data of the event that ours sends: name, five attributes,
time. Only the thread that calls is measured, as of ours.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import uuid
from collections import deque
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .worker import Setting

    Work = Callable[[], object]

_DATA = {"branch": "main", "revision": "4f2c9a1", "status": "ok", "tests": 1234, "seconds": 81.25}


def memory_structlog(setting: Setting) -> Work:
    """A logger that adds level and time and renders JSON; a thousand lines are kept."""
    lines: deque[str] = deque(maxlen=1000)

    class Keeper:
        def msg(self, message: str) -> None:
            lines.append(message)

        info = msg

    return _structlog(lambda *args: Keeper())


def logging_structlog(setting: Setting) -> Work:
    """The same through the standard library's logging into a file, which is where `logging` goes."""
    structlog: Any = import_module("structlog")
    log = logging.getLogger("ci")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(logging.FileHandler(os.path.join(setting.folder, "events.log")))
    return _structlog(structlog.stdlib.LoggerFactory(), "ci")


def _structlog(factory: Any, *names: str) -> Work:
    structlog: Any = import_module("structlog")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    log = structlog.get_logger(*names)
    return lambda: log.info("nightly-build", uid=str(uuid.uuid4()), **_DATA)


def memory_cloudevents(setting: Setting) -> Work:
    """An event in CloudEvents' JSON format; a thousand are kept."""
    made = _cloudevent()
    kept: deque[bytes] = deque(maxlen=1000)
    return lambda: kept.append(made())


def file_cloudevents(setting: Setting) -> Work:
    """The same into a file of its own, which appears complete."""
    made = _cloudevent()

    def once() -> None:
        path = os.path.join(setting.folder, f"{uuid.uuid4()}.json")
        with open(path + ".tmp", "wb", buffering=0) as file:
            file.write(made())
        os.rename(path + ".tmp", path)

    return once


def _cloudevent() -> Callable[[], bytes]:
    event: Any = import_module("cloudevents.core.v1.event").CloudEvent
    write: Any = import_module("cloudevents.core.formats.json").JSONFormat().write

    def made() -> bytes:
        attributes = {
            "id": str(uuid.uuid4()),
            "source": "/ci",
            "type": "nightly-build",
            "specversion": "1.0",
            "time": datetime.now(UTC),
            "datacontenttype": "application/json",
        }
        content: bytes = write(event(attributes, dict(_DATA)))
        return content

    return made


def memory_opentelemetry(setting: Setting) -> Work:
    """A log record with an event name, handed to the batch processor, whose thread drops what it is given."""
    logs: Any = import_module("opentelemetry.sdk._logs")
    export: Any = import_module("opentelemetry.sdk._logs.export")
    record: Any = import_module("opentelemetry._logs").LogRecord

    class Exporter(export.LogRecordExporter):  # type: ignore[misc]  # of an environment of its own
        def export(self, batch: object) -> Any:
            return export.LogRecordExportResult.SUCCESS

        def force_flush(self, timeout_millis: int = 0) -> bool:
            return True

        def shutdown(self) -> None:
            """Nothing is open."""

    provider = logs.LoggerProvider()
    provider.add_log_record_processor(export.BatchLogRecordProcessor(Exporter()))
    log = provider.get_logger("ci")
    return lambda: log.emit(record(event_name="nightly-build", attributes=dict(_DATA, uid=str(uuid.uuid4()))))


def memory_sentry(setting: Setting) -> Work:
    """`capture_event`, which queues it for the thread that sends it, and drops it when the queue is full."""
    sentry: Any = import_module("sentry_sdk")
    sentry.init(dsn=f"http://key@{setting.address}/1", default_integrations=False)
    return lambda: sentry.capture_event({"message": "nightly-build", "extra": dict(_DATA)})


def smtp_apprise(setting: Setting) -> Work:
    """`notify` by mail over TLS to the same server, the data as text, the certificate not verified.

    The pause that Apprise makes between two mails is set to none.
    """
    peer: Any = import_module("apprise").Apprise()
    peer.add(f"mailtos://{setting.address}?from=ci@example.net&to=dev@example.net&mode=ssl&verify=no")
    peer[0].request_rate_per_sec = 0
    text = "\n".join(f"{key}: {value}" for key, value in _DATA.items())

    def once() -> None:
        if not peer.notify(title="nightly", body=text):
            raise RuntimeError("the mail was not taken")

    return once


def run_sentry(setting: Setting) -> Work:
    """Its command line tells of the begin and the end of a command, by a request each."""
    program = os.path.join(os.path.dirname(sys.executable), "sentry-cli")
    env = os.environ | {"SENTRY_DSN": f"http://{'0' * 32}@{setting.address}/1"}
    command = [program, "monitors", "run", "nightly", "--", "true"]
    return lambda: subprocess.run(command, env=env, check=True)
