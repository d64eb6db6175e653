"""S3 servers for tests: moto over HTTP, and a relay in front of a server that misbehaves on demand."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True)
class S3Server:
    """A running server, and who may use it.

    :ivar url: its address
    """

    url: str
    access_key: str = "test-access-key"
    secret_key: str = "test-secret-key-0123456789"

    @functools.cache  # noqa: B019  there are one or two servers, and clients are slow to make
    def client(self) -> S3Client:
        """A client of the tests' own, to look at what is there."""
        return boto3.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                request_checksum_calculation="when_required", response_checksum_validation="when_required"
            ),
        )

    def new_bucket(self) -> Bucket:
        bucket = Bucket(self, f"b-{uuid.uuid4()}", self.client())
        bucket.client.create_bucket(Bucket=bucket.name)
        return bucket

    def give_credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let clients made from now on find the credentials in the environment, and nothing else anywhere."""
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", self.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", self.secret_key)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@dataclass(frozen=True)
class Bucket:
    """A bucket of one test."""

    server: S3Server
    name: str
    client: S3Client

    def listed(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [item["Key"] for item in found]

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def head(self, key: str) -> dict[str, Any]:
        return dict(self.client.head_object(Bucket=self.name, Key=key))

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(self.read(key)) for key in self.listed() if key.endswith(".s3")]

    def state(self) -> list[tuple[str, str]]:
        """All keys with their ETags: equal before and after what shall change nothing."""
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [(item["Key"], item["ETag"]) for item in found]


def free_port() -> int:
    """A port on the loopback address that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for_http(url: str, alive: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until *url* answers anything over HTTP."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            if not alive() or time.monotonic() > deadline:
                raise
        pause.wait(0.05)


@contextlib.contextmanager
def moto_server(folder: Path) -> Iterator[S3Server]:
    """Run a moto server on a free port."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for_http(f"http://127.0.0.1:{port}/", lambda: process.poll() is None)
        yield S3Server(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


@dataclass
class Answer:
    """What a relay answers in place of the server."""

    status: int
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        return f"<Error><Code>{self.code}</Code><Message>as the test wants</Message></Error>".encode()


@dataclass
class Request:
    """What a relay was sent; a test may change the headers before they go on."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Relay:
    """Stands in front of a server, keeps what it was asked, and answers itself where the test says so.

    :ivar url: its address
    :ivar seen: the requests, in order
    :ivar judge: is called with each request; an `Answer` is given back at once, `None` lets it through
    """

    url: str
    seen: list[Request] = field(default_factory=list)
    judge: Callable[[Request], Answer | None] = lambda request: None

    def asked(self) -> list[str]:
        """The methods of the requests, in order."""
        return [request.method for request in self.seen]


@contextlib.contextmanager
def relay_to(server: S3Server) -> Iterator[Relay]:
    """Run a relay in front of *server*, which must not check signatures (moto does not)."""
    target = urlsplit(server.url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, dict(self.headers))
            relay.seen.append(request)
            answer = relay.judge(request)
            if answer is not None:
                self.reply(answer.status, answer.headers, answer.body())
                return
            request.headers.pop("Expect", None)
            connection = HTTPConnection(str(target.hostname), int(target.port or 80), timeout=30)
            connection.request(request.method, request.path, body, request.headers)
            response = connection.getresponse()
            self.reply(response.status, dict(response.getheaders()), response.read())
            connection.close()

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = relay

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    front = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    front.daemon_threads = True
    relay = Relay(f"http://127.0.0.1:{front.server_port}")
    thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield relay
    finally:
        front.shutdown()
        front.server_close()
        thread.join()
