"""Row 17: what a network does between a handler and its other side: replies lost, resets, delays, silence."""

from __future__ import annotations

import http.client
import http.server
import socket
import struct
import threading
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from e3_event import DeliveryError, Event, EventHandler

from .bench import Bench, Outcome
from .office import Office, SharedClock, is_soon

if TYPE_CHECKING:
    from .child import Child

#: What may happen to a connection.
FATES = ("fine", "reply lost", "reset", "delay", "black hole")
#: Seconds that the handler waits for an answer, and that a delayed one takes.
_TIMEOUT, _DELAY = 0.15, 0.4


class Receiver(http.server.ThreadingHTTPServer):
    """Accepts events; notes how often each came.

    :ivar got: how often each id was accepted
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Reception)
        self.got: Counter[str] = Counter()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that was broken is what this is about."""


class _Reception(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        assert isinstance(server, Receiver)
        server.got[content.decode()] += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Proxy:
    """Passes connections on to a port, or does something to them.

    :ivar fates: how many had each fate
    :ivar is_fine: whether all are passed on
    """

    def __init__(self, port: int, random: Random) -> None:
        self._target = ("127.0.0.1", port)
        self._random = random
        self.fates: Counter[str] = Counter()
        self.is_fine = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            fate = "fine" if self.is_fine else self._random.choice(FATES)
            self.fates[fate] += 1
            threading.Thread(target=self._serve, args=(client, fate), daemon=True).start()

    def _serve(self, client: socket.socket, fate: str) -> None:
        with client:
            client.settimeout(5)
            try:
                self._pass_on(client, fate)
            except OSError:
                return

    def _pass_on(self, client: socket.socket, fate: str) -> None:
        if fate == "reset":
            client.recv(10)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if fate == "black hole":
            while client.recv(4096):
                pass
            return
        with socket.create_connection(self._target, timeout=5) as server:
            server.sendall(_request(client))
            reply = server.recv(4096)
            if fate == "delay":
                time.sleep(_DELAY)
            if fate != "reply lost":
                client.sendall(reply)


def _request(client: socket.socket) -> bytes:
    """Read a whole request."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += client.recv(4096)
    head, _, body = text.partition(b"\r\n\r\n")
    (length,) = (
        int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += client.recv(4096)
    return head + b"\r\n\r\n" + body


class Posting(EventHandler):
    """Posts the id of each event."""

    def __init__(self, port: int) -> None:
        self._port = port

    def send_event(self, event: Event) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
        try:
            connection.request("POST", "/", event.snapshot().snapshot_id)
            return connection.getresponse().status == 204
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(f"no answer: {error}") from error
        finally:
            connection.close()


def relay_over_http(child: Child) -> None:
    """Deliver until somebody ends it."""
    from e3_event._relay import Relay, Subscriber
    from e3_event._retry import RetryPolicy
    from e3_event.spool import Key, Spool

    spool = Spool(child.folder, clock=SharedClock(child.beside("clock")))
    handler = Posting(child.options["port"])
    policy = RetryPolicy(first=0.05, longest=0.2, age=1e9)
    relay = Relay(spool, [Subscriber(key=Key("http"), build=lambda: handler, retry=policy)])
    relay.start()
    child.say("begins")
    while relay.wait(1.0):
        pass


def break_the_wire(bench: Bench) -> Outcome:
    """Deliver over a network that breaks; then it heals."""
    office = Office(bench, ("http",))
    receiver = Receiver()
    proxy = Proxy(receiver.server_address[1], bench.random)
    relay = bench.child(relay_over_http, port=proxy.port)
    bench.hear(relay, "begins")
    for number in range(4):
        office.put(*[f"{number}-{place}" for place in range(5)])
    is_soon(lambda: sum(proxy.fates.values()) > 30 or _are_delivered(office, 20), 15.0)
    proxy.is_fine = True
    office.put("after")
    losses = []
    if not is_soon(lambda: _are_delivered(office, 21)):
        losses.append(f"not all was delivered after the network had healed: {office.states('http')}")
    bench.kill(relay)
    proxy.close()
    receiver.shutdown()
    receiver.server_close()
    acknowledged = office.bench.books().acknowledged
    missing = [one for one in acknowledged if not receiver.got[one]]
    if missing:
        losses.append(f"{len(missing)} events are said to be delivered and never came")
    if foreign := set(receiver.got) - set(acknowledged):
        losses.append(f"{len(foreign)} came under an id of their own")
    twice = sum(receiver.got.values()) - len(receiver.got)
    if twice > (lost := proxy.fates["reply lost"] + proxy.fates["delay"]):
        losses.append(f"{twice} duplicates, though only {lost} replies were lost")
    office.close()
    return Outcome.of(losses)


def _are_delivered(office: Office, count: int) -> bool:
    states = office.states("http").values()
    return len(states) == count and {state.name for state, _ in states} == {"DELIVERED"}
