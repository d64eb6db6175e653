"""The servers that rows need, each in a process of its own: `python -m benchmarks.servers NAME FOLDER`.

Each listens on a free port of the loopback interface, prints its address, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from .measure import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

#: Where the `smtp` server puts the certificate of its authority, in its folder.
CA_FILE = "ca.pem"
#: The account that the `s3` server takes (it takes any).
S3_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class Servers:
    """The servers of a run, each started when it is first needed. A context manager.

    :param folder: each has a folder in it
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._addresses: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def setting(self, name: str) -> dict[str, str]:
        """Where a server is, as in a worker's `Setting`.

        :raises RuntimeError: it did not start; says what it said
        """
        folder = os.path.join(self._folder, name)
        if name not in self._addresses:
            self._addresses[name] = self._stack.enter_context(_running(name, folder))
        return {"address": self._addresses[name], "ca_file": os.path.join(folder, CA_FILE)}


@contextlib.contextmanager
def _running(name: str, folder: str) -> Iterator[str]:
    """Run a server and give its address, `host:port`."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "server.log")
    command = [sys.executable, "-m", "benchmarks.servers", name, folder]
    pipe = subprocess.PIPE
    with (
        open(path, "w") as log,
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | S3_ACCOUNT, stdin=pipe, stdout=pipe, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            with open(path) as errors:
                raise RuntimeError(f"no {name} server: {errors.read().strip()[-500:]}")
        yield address


def _serve(address: tuple[str, int]) -> None:
    """Say where, and wait for the end."""
    print(f"{address[0]}:{address[1]}", flush=True)
    sys.stdin.read()


def smtp(folder: str) -> None:
    """Mail over TLS. Takes everything, keeps nothing."""
    asyncio.run(_smtp(folder))


async def _smtp(folder: str) -> None:
    import trustme
    from aiosmtpd.handlers import Sink
    from aiosmtpd.smtp import SMTP

    authority = trustme.CA()
    authority.cert_pem.write_to_path(os.path.join(folder, CA_FILE))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), hostname="localhost"), "127.0.0.1", 0, ssl=context)
    await asyncio.to_thread(_serve, server.sockets[0].getsockname())


def s3(folder: str) -> None:
    """Moto's server with a bucket `bench`."""
    import boto3
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="bench")
    _serve((host, port))
    moto.stop()


def http(folder: str) -> None:
    """Takes every POST."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _serve(("127.0.0.1", server.server_port))
    server.shutdown()


class _Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


if __name__ == "__main__":
    {"smtp": smtp, "s3": s3, "http": http}[sys.argv[1]](sys.argv[2])
