"""The floors: what each row would cost with the raw operation that it can't do without, and nothing else.

The function with a row's name prepares it and returns one operation, as in `tasks`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import smtplib
import ssl
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from .tasks import Fresh, big_file, build_log

if TYPE_CHECKING:
    from .tasks import Work
    from .worker import Setting

_numbers = count()


def import_time(setting: Setting) -> Fresh:
    return Fresh("import json", 0)


def import_memory(setting: Setting) -> Fresh:
    return Fresh("import json", 1)


def _data() -> dict[str, Any]:
    """The data of an event, as a plain dictionary with a number instead of a unique id."""
    data = {"uid": next(_numbers), "name": "nightly-build", "begin_time": time.time(), "end_time": None}
    data["branch"] = "main"
    data["revision"] = "4f2c9a1"
    data["status"] = "ok"
    data["tests"] = 1234
    data["seconds"] = 81.25
    data["end_time"] = time.time()
    return data


def create(setting: Setting) -> Work:
    return _data


def as_dict(setting: Setting) -> Work:
    return _data().copy


def dump(setting: Setting) -> Work:
    """A file that is created, written and closed, with nothing made safe or atomic."""
    content = json.dumps(_data()).encode()
    return lambda: _write(os.path.join(setting.folder, f"{next(_numbers)}.json"), content)


def send_file(setting: Setting) -> Work:
    return lambda: _write(
        os.path.join(setting.folder, f"{next(_numbers)}.json"),
        json.dumps(_data(), indent=2, sort_keys=True).encode(),
    )


def _write(path: str, content: bytes) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(content)


def load(setting: Setting) -> Work:
    path = os.path.join(setting.folder, "floor.json")
    _write(path, json.dumps({"data": _data(), "attachments": {}, "closed": True}).encode())

    def once() -> object:
        with open(path, "rb", buffering=0) as file:
            return json.loads(file.read())

    return once


def send_logging(setting: Setting) -> Work:
    log = logging.getLogger("floor")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(logging.FileHandler(os.path.join(setting.folder, "events.log")))
    return lambda: log.info(json.dumps(_data(), indent=2))


def send_smtp(setting: Setting) -> Work:
    """A connection that is kept, and a message that is ready."""
    host, _, port = setting.address.partition(":")
    context = ssl.create_default_context(cafile=setting.ca_file)
    server = smtplib.SMTP_SSL(host, int(port), context=context)
    message = f"Subject: nightly\r\n\r\n{json.dumps(_data())}\r\n"
    return lambda: server.sendmail("ci@example.net", ["dev@example.net"], message)


def build_mail(setting: Setting) -> Work:
    """The base64 lines of the attachment."""
    path = build_log(setting.folder)

    def once() -> object:
        with open(path, "rb") as file:
            return base64.encodebytes(file.read())

    return once


def send_s3(setting: Setting) -> Work:
    """A client that is kept, and one object."""
    s3 = _s3()
    return lambda: _put(s3, f"events/{next(_numbers)}", json.dumps(_data()).encode())


def send_s3_log(setting: Setting) -> Work:
    s3 = _s3()
    path = build_log(setting.folder)

    def once() -> None:
        with open(path, "rb") as file:
            _put(s3, f"logs/{next(_numbers)}", file.read())
        _put(s3, f"events/{next(_numbers)}", json.dumps(_data()).encode())

    return once


def _s3() -> Any:
    import boto3

    return boto3.client("s3")


def _put(s3: Any, key: str, body: bytes) -> None:
    s3.put_object(Bucket="bench", Key=key, Body=body, ServerSideEncryption="AES256")


def attach(setting: Setting) -> Work:
    path = big_file(setting.folder)

    def once() -> object:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha1").hexdigest()

    return once
