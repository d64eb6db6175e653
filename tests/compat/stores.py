"""Both sides of a program: its own observations and, for `s3`, what it stored.

e3-core runs the AWS command line, for which a script stands in that keeps the files; ours talks to moto. What
was stored is seen alike: `{bucket/key: [encryption, content]}`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compat.comparison import observe
from compat.environments import E3_CORE_ENV, e3_core_python
from compat.programs.normalise import normalised

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUCKETS = ("bucket", "other")
#: e3-core looks for `aws` beside its interpreter and runs it with Python.
_AWS = f"""
import json, os, sys
source, target = sys.argv[-2:]
bucket = target.removeprefix("s3://").split("/")[0]
sse = [a.removeprefix("--sse=") for a in sys.argv if a.startswith("--sse=")]
with open(source, "rb") as file, open(os.environ["STORED"], "a") as stored:
    content = file.read().decode("utf-8", "backslashreplace")
    if bucket not in {_BUCKETS}:
        sys.exit(1)
    print(json.dumps([target.removeprefix("s3://"), sse[0], content]), file=stored)
"""


def observe_both(program: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What a program sees with e3-core and with ours."""
    if program.stem != "handler_s3":
        return observe(e3_core_python(), program), observe(sys.executable, program)
    return _with_aws_script(program), _with_moto(program)


def _with_aws_script(program: Path) -> dict[str, str]:
    python = e3_core_python()
    with tempfile.TemporaryDirectory() as folder:
        script = E3_CORE_ENV / "bin" / f".aws.{os.getpid()}"
        script.write_text(_AWS)
        script.replace(script.with_name("aws"))
        stored = Path(folder, "stored")
        seen = observe(python, program, STORED=str(stored))
        return {**seen, **_shown([json.loads(line) for line in stored.read_text().splitlines()])}


def _with_moto(program: Path) -> dict[str, str]:
    with _moto() as endpoint:
        environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        client = _client(endpoint)
        for bucket in _BUCKETS:
            client.create_bucket(Bucket=bucket)
        seen = observe(sys.executable, program, **environment)
        stored = []
        for bucket in _BUCKETS:
            for item in client.list_objects_v2(Bucket=bucket).get("Contents", []):
                found = client.get_object(Bucket=bucket, Key=item["Key"])
                content = found["Body"].read().decode("utf-8", "backslashreplace")
                stored.append([f"{bucket}/{item['Key']}", found["ServerSideEncryption"], content])
        client.close()
    return {**seen, **_shown(stored)}


@contextlib.contextmanager
def _moto() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def _client(endpoint: str) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def _shown(stored: list[list[str]]) -> dict[str, str]:
    """What was stored under each key, ids taken out; what was stored last under one key is what counts."""
    last = {name: [sse, json.loads(text) if name.endswith(".s3") else text] for name, sse, text in stored}
    shown: dict[str, list[Any]] = {}
    for name, value in last.items():
        shown.setdefault(f"stored, {normalised(name, os.sep * 3)}", []).append(normalised(value, os.sep * 3))
    return {key: json.dumps(sorted(values, key=str)) for key, values in shown.items()}
