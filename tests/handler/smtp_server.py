"""Mail servers for tests: aiosmtpd on a free port, with TLS from a CA of their own, and faults on demand."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path


@cache
def authority() -> trustme.CA:
    """The CA that the handlers under test are told to trust."""
    return trustme.CA()


def ca_file(folder: Path) -> str:
    """Write the CA's certificate into a file and return its path."""
    path = folder / "ca.pem"
    path.write_bytes(authority().cert_pem.bytes())
    return str(path)


def server_context(*names: str, ca: trustme.CA | None = None, **how: Any) -> ssl.SSLContext:
    """The TLS context of a server with a certificate for *names*, which are `localhost` by default."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (ca or authority()).issue_cert(*(names or ("localhost", "127.0.0.1")), **how).configure_cert(context)
    return context


@dataclass
class Received:
    """A mail as the server got it."""

    sender: str
    recipients: list[str]
    content: bytes
    connection: int
    options: list[str]

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=email.policy.default)

    @property
    def text(self) -> str:
        """What people read."""
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


@dataclass
class MailServer:
    """What a server got, and what it shall do wrong.

    :ivar answers: recipient -> answer to RCPT
    :ivar verdict: the answer to a mail
    :ivar hang_up: close the connection instead of answering: `"RCPT"`, `"RSET"`, `"DATA"` (the mail is there)
    :ivar slow_answer: seconds until the answer to a recipient
    :ivar slow_verdict: seconds until the verdict
    :ivar logins: user -> password; without any there is no AUTH
    """

    port: int = 0
    mails: list[Received] = field(default_factory=list)
    connections: int = 0
    goodbyes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    answers: dict[str, str] = field(default_factory=dict)
    verdict: str = "250 OK"
    sender_answer: str = "250 OK"
    data_answer: str = ""
    hang_up: str = ""
    slow_answer: float = 0.0
    slow_verdict: float = 0.0
    logins: dict[str, str] = field(default_factory=dict)
    login_failure: str = "535 5.7.8 authentication failed"

    _loop: Any = None
    _protocols: list[Any] = field(default_factory=list)

    def disconnect(self, *, politely: bool) -> None:
        """Close all connections, as a server does with those it finds idle or when it is stopped."""

        async def close() -> None:
            for protocol in self._protocols:
                if politely:
                    protocol.transport.close()
                else:
                    protocol.transport.abort()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)

    @property
    def url(self) -> str:
        return f"smtps://localhost:{self.port}"

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.sender_answer

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.hang_up == "RCPT":
            _transport(server).close()
        await asyncio.sleep(self.slow_answer)
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        assert envelope.mail_from is not None
        if self.verdict.startswith("250"):
            number = server.number  # type: ignore[attr-defined]  # of _Server
            self.mails.append(
                Received(
                    envelope.mail_from,
                    [str(to) for to in envelope.rcpt_tos],
                    envelope.content,
                    number,
                    list(envelope.mail_options),
                )
            )
        if self.hang_up == "DATA":
            _transport(server).close()
        await asyncio.sleep(self.slow_verdict)
        return self.verdict

    async def handle_RSET(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hang_up == "RSET":
            _transport(server).abort()
        return "250 OK"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.goodbyes.release()
        return "221 Bye"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = self.logins.get(data.login.decode()) == data.password.decode()
        said = self.login_failure.replace("{password}", data.password.decode())
        return AuthResult(success=good, handled=False, message=None if good else said)


class _Server(SMTP):
    """Counts the connections, and knows of which it is."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        behaviour: MailServer = self.event_handler
        if not self._over_starttls():
            behaviour.connections += 1
        self.number = behaviour.connections

    async def smtp_DATA(self, arg: str) -> None:
        if self.event_handler.data_answer:
            await self.push(self.event_handler.data_answer)
        else:
            await super().smtp_DATA(arg)

    def _over_starttls(self) -> bool:
        return self._tls_handshake_okay and self._original_transport is not None


def _transport(server: SMTP) -> asyncio.Transport:
    assert isinstance(server.transport, asyncio.Transport)
    return server.transport


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None = None,
    *,
    starttls: ssl.SSLContext | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    **settings: Any,
) -> Iterator[MailServer]:
    """Run a server until the block ends.

    :param tls: speak TLS from the first byte
    :param starttls: offer, and demand, STARTTLS
    :param settings: of `MailServer`; others are for aiosmtpd
    """
    own = {name: settings.pop(name) for name in list(settings) if name in MailServer.__dataclass_fields__}
    behaviour = MailServer(**own)
    if behaviour.logins:
        settings |= {"authenticator": behaviour.authenticate, "auth_required": True}
    if starttls is not None:
        settings |= {"tls_context": starttls, "require_starttls": True}
    settings = {"hostname": "localhost", "ident": "test", "enable_SMTPUTF8": True, **settings}
    loop = asyncio.new_event_loop()
    behaviour._loop = loop

    def protocol() -> SMTP:
        smtp = _Server(behaviour, loop=loop, **settings)
        smtp._auth_require_tls = (
            tls is None or not behaviour.logins
        )  # it knows of STARTTLS only; the argument would warn
        behaviour._protocols.append(smtp)
        return smtp

    server = loop.run_until_complete(loop.create_server(protocol, host, port, ssl=tls))
    behaviour.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield behaviour
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server, behaviour._protocols), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(server: asyncio.Server, protocols: list[SMTP]) -> None:
    server.close()
    for protocol in protocols:
        if protocol.transport is not None:
            _transport(protocol).abort()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
