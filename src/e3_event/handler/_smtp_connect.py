"""How a connection to a mail server comes to be: class, TLS, login."""

from __future__ import annotations

import base64
import smtplib
import ssl
from typing import TYPE_CHECKING, Any

from e3_event import EventError

from ._mail import LARGEST
from ._smtp_answers import Refusal, UnavailableError, named, readable, said
from ._smtp_connection import Connection, client_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._mail import Mail
    from ._smtp_answers import Answers
    from ._smtp_servers import Server


def connect(server: Server, contexts: dict[str, ssl.SSLContext]) -> Connection | Replacement:
    """Open a connection, encrypted and logged in as *server* demands.

    The classes are looked up now, since programs put their own in their place.

    :param contexts: TLS contexts by CA file, kept as they are slow to make
    :raises UnavailableError: says which server and why
    """
    options: dict[str, Any] = {"timeout": server.timeout}
    if server.usual_port:
        options["port"] = server.usual_port
    with named(server):
        if server.encrypted:
            options["context"] = _context(server, contexts)
        client = client_class(server)(server.host, **options)
    try:
        with named(server):
            if server.needs_starttls:
                client.starttls(context=_context(server, contexts))
            if server.user:
                _login(client, server)
            if getattr(getattr(type(client), "sendmail", None), "__module__", "") != "smtplib":
                return Replacement(server, client)
            return Connection(server, client)
    except BaseException:
        close = getattr(client, "close", None)
        if close:
            close()
        raise


class Replacement:
    """What a program has put in the place of smtplib's class: gets the documented calls, and is not kept."""

    def __init__(self, server: Server, client: Any) -> None:
        self.server = server
        self._client = client

    def deliver(self, mail: Mail, recipients: Sequence[str], deadline: float) -> Answers:
        """Call `sendmail(sender, recipients, text)`, then `quit()`; how long they take is theirs.

        :raises UnavailableError: it raised, or answered what is no dictionary of refusals
        """
        mail.fit(LARGEST, "this handler")
        text = b"".join(mail.chunks()).decode("ascii").replace("\r\n", "\n")
        try:
            with named(self.server):
                refused = self._client.sendmail(mail.envelope.sender.address, list(recipients), text)
        except UnavailableError as error:
            if not isinstance(error.__cause__, smtplib.SMTPRecipientsRefused):
                raise
            refused = error.__cause__.recipients
        finally:
            self._quit()
        if refused and not isinstance(refused, dict):
            raise UnavailableError(f"{self.server.address}: sendmail answered {type(refused).__name__}")
        refusals = {r: Refusal(code, readable(text)) for r, (code, text) in (refused or {}).items()}
        return {recipient: refusals.get(recipient) for recipient in recipients}

    def _quit(self) -> None:
        try:
            self._client.quit()
        except (OSError, smtplib.SMTPException):
            pass


def _context(server: Server, contexts: dict[str, ssl.SSLContext]) -> ssl.SSLContext:
    """TLS 1.2 or later; certificate and host name are verified."""
    context = contexts.get(server.ca_file)
    if context is None:
        context = ssl.create_default_context(cafile=server.ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        contexts[server.ca_file] = context
    return context


def _login(client: smtplib.SMTP, server: Server) -> None:
    """Log in.

    The error holds no trace of the password, not in what it was made of either: servers quote what they got.
    """
    if not (server.encrypted or server.needs_starttls):
        raise UnavailableError("the password is not sent without TLS; `smtp_nossl` is enabled")
    assert server.password is not None  # noqa: S101  a server with a user has one
    password = failure = ""
    try:
        password = server.password.get()
        client.login(server.user, password)
    except EventError as error:
        failure = error.messages[-1]
    except UnicodeError:
        failure = "user and password must be ASCII"
    except (OSError, smtplib.SMTPException) as error:
        failure = said(error)
    if password:
        failure = _without(password, server.user, failure)
    if failure:
        raise UnavailableError(f"login as {server.user}: {failure}")


def _without(password: str, user: str, text: str) -> str:
    for secret in (f"\0{user}\0{password}", password):
        text = text.replace(base64.b64encode(secret.encode()).decode(), "[redacted]")
    return text.replace(password, "[redacted]")
