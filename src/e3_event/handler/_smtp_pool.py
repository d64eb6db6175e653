"""The mail servers of a handler: which are up, and the one connection that is kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from e3_event import DeliveryError

from ._smtp_answers import UnavailableError, UnknownOutcomeError
from ._smtp_connect import connect
from ._smtp_connection import Connection

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from ._mail import Mail
    from ._smtp_answers import Answers
    from ._smtp_servers import Server

#: A server that failed is left alone for this many times as long as the failure took, so that at most a
#: tenth of the time is lost to servers that are down.
_PAUSE_FACTOR = 10
_LONGEST_PAUSE = 60.0
#: A mail may take this many times as long as one answer. What is left of that in the end is how long the
#: verdict is waited for: to give up earlier might deliver the mail twice (RFC 5321, section 4.5.3.2).
_WHOLE = 10


class Pool:
    """Offers mails to servers. Remembers which of them failed a moment ago, and keeps one connection."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._down: dict[Server, tuple[float, str]] = {}  # until when it is left alone, and why

    def close(self) -> None:
        """Part from the server, and forget the CA files."""
        connection, self._connection = self._connection, None
        self._contexts = {}
        if connection is not None:
            connection.close()

    def up(self, servers: Sequence[Server], troubles: list[str]) -> list[Server]:
        """Those to be asked; the others, which failed a moment ago, go to *troubles*.

        :raises DeliveryError: there is none
        """
        now = time.monotonic()
        waits = {server: self._down.get(server, (now, ""))[0] - now for server in servers}
        up = [server for server in servers if waits[server] <= 0]
        troubles += [
            f"{self._down[server][1]} (asked again in {waits[server]:.1f} s)"
            for server in servers
            if waits[server] > 0
        ]
        if not up:
            raise DeliveryError("; ".join(troubles), retry_after=min(waits.values()))
        return up

    def offer(self, server: Server, mail: Mail, recipients: list[str], troubles: list[str]) -> Answers:
        """Offer the mail to one server. What keeps that from answering goes to *troubles*.

        :raises DeliveryError: the server has the mail, perhaps; nobody else may be asked
        """
        started = time.monotonic()
        try:
            answers = self._deliver(server, mail, recipients)
        except UnavailableError as error:
            now = time.monotonic()
            pause = min(_PAUSE_FACTOR * (now - started), _LONGEST_PAUSE)
            self._down[server] = (now + pause, error.messages[-1])
            troubles.append(error.messages[-1])
            return {}
        except UnknownOutcomeError as error:
            raise DeliveryError(
                f"{error.messages[-1]}; the mail may have arrived, the next try has the same Message-ID"
                f" {mail.message_id}"
            ) from error
        self._down.pop(server, None)
        return answers

    def _deliver(self, server: Server, mail: Mail, recipients: list[str]) -> Answers:
        """Deliver over the kept connection, or over a new one if the server has closed that by now."""
        deadline = time.monotonic() + _WHOLE * server.timeout
        kept = self._connection
        if kept is not None and kept.usable(server):
            try:
                return kept.deliver(mail, recipients, deadline)
            except UnavailableError:
                pass
        fresh = connect(server, self._contexts)
        self._connection = fresh if isinstance(fresh, Connection) else None
        if kept is not None:
            kept.close()
        return fresh.deliver(mail, recipients, deadline)
