"""A connection to a mail server, used for one mail after the other."""

from __future__ import annotations

import os
import re
import smtplib
import socket
import time
from typing import TYPE_CHECKING

from ._mail import LARGEST
from ._smtp_answers import Answers, Refusal, UnavailableError, UnknownOutcomeError, named, readable, said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._mail import Mail
    from ._smtp_servers import Server

#: Seconds after which an unused connection is not trusted any more: routers forget one without a word.
_IDLE = 60.0
#: Seconds for the farewell.
_QUIT = 5.0
#: Noes that are about the login and not about the mail: RFC 4954.
_LOGIN_CODES = frozenset({530, 534, 535, 538})
_LEADING_DOT = re.compile(rb"(?m)^\.")


class Connection:
    """An open connection, which can be kept for the next mail."""

    def __init__(self, server: Server, client: smtplib.SMTP) -> None:
        self.server = server
        self._client = client
        self._class = type(client)
        self._pid = os.getpid()
        self._used = time.monotonic()
        self._deadline = 0.0
        client.ehlo_or_helo_if_needed()
        if client.sock is not None:
            # or the last piece of a mail would wait until the other side has confirmed the one before
            client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def usable(self, server: Server) -> bool:
        """Is it for *server*, of this process (a parent may still use the one of before a fork) and alive?"""
        return (
            self.server == server
            and self._pid == os.getpid()
            and self._class is client_class(server)
            and self._client.sock is not None
            and time.monotonic() - self._used < _IDLE
        )

    def deliver(self, mail: Mail, recipients: Sequence[str], deadline: float) -> Answers:
        """Hand a mail over.

        :param deadline: when it must have got its verdict, in seconds of `time.monotonic`

        :raises UnavailableError: the server took nothing; the connection is closed
        :raises UnknownOutcomeError: the server may have taken it; likewise
        :raises RejectedError: the mail is too large
        :raises DeliveryError: an attachment can't be read; likewise closed
        """
        self._deadline = deadline
        mail.fit(*self._largest())
        try:
            with named(self.server):
                answers = self._transfer(mail, recipients)
        except BaseException:
            self.drop()
            raise
        self._used = time.monotonic()
        return answers

    def close(self) -> None:
        """Part in good manners, which a server that does not answer can't delay for long."""
        if self._pid == os.getpid() and self._client.sock is not None:
            try:
                self._client.sock.settimeout(min(self.server.timeout, _QUIT))
                self._client.quit()
            except (OSError, smtplib.SMTPException):
                pass
        self.drop()

    def drop(self) -> None:
        """Let go without a word."""
        self._client.close()

    def __del__(self) -> None:
        self.drop()

    def _largest(self) -> tuple[int, str]:
        """The largest mail in bytes that can go here, and whose limit that is."""
        announced = self._client.esmtp_features.get("size", "")
        limit = int(announced) if announced.isdecimal() else 0
        if 0 < limit < LARGEST:
            return limit, self.server.address
        return LARGEST, "this handler"

    def _transfer(self, mail: Mail, recipients: Sequence[str]) -> Answers:
        utf8 = mail.needs_utf8 and self._client.has_extn("smtputf8")
        answers: Answers = {}
        if mail.needs_utf8 and not utf8:
            recipients, answers = _without_utf8(mail, recipients)
        if recipients:
            answers |= self._introduce(mail, recipients, utf8)
        takers = [recipient for recipient, refusal in answers.items() if refusal is None]
        if takers:
            verdict = self._hand_over(mail, utf8)
            answers |= dict.fromkeys(takers, verdict)
        return answers

    def _introduce(self, mail: Mail, recipients: Sequence[str], utf8: bool) -> Answers:
        """Say who writes to whom. Unless somebody wants the mail, nothing is left begun."""
        options = [f"SIZE={mail.size(utf8=utf8)}"] if self._client.has_extn("size") else []
        options += ["BODY=8BITMIME", "SMTPUTF8"] if utf8 else []
        self._bound()
        refusal = self._refusal(*self._client.mail(mail.envelope.sender.address, options))
        if refusal is not None:
            if not refusal.permanent or refusal.code in _LOGIN_CODES:
                raise UnavailableError(str(refusal))
            answers: Answers = dict.fromkeys(recipients, refusal)
        else:
            answers = {}
            for recipient in recipients:
                self._bound()
                answers[recipient] = self._refusal(*self._client.rcpt(recipient))
        if None not in answers.values():
            self._reset()
        return answers

    def _hand_over(self, mail: Mail, utf8: bool) -> Refusal | None:
        """Send the mail itself and hear the verdict."""
        self._bound()
        code, text = self._client.docmd("DATA")
        if code != 354:
            refusal = self._refusal(code, text)
            self._reset()
            return refusal or Refusal(451, f"unexpected answer to DATA: {code}")
        waiting = b""
        for piece in mail.chunks(utf8=utf8):
            if waiting:
                self._bound()
                self._client.send(waiting)
            waiting = _LEADING_DOT.sub(b"..", piece) if b"\n." in piece or piece[:1] == b"." else piece
        self._bound(whole=True)
        try:
            self._client.send(waiting + b".\r\n")
            code, text = self._client.getreply()
        except (OSError, smtplib.SMTPException) as error:
            raise UnknownOutcomeError(said(error)) from error
        if not 200 <= code < 600:
            raise UnknownOutcomeError(f"unexpected verdict: {code} {readable(text)}")
        return None if code < 300 else Refusal(code, readable(text))

    def _refusal(self, code: int, text: bytes) -> Refusal | None:
        """What an answer means for a recipient.

        :raises UnavailableError: the server says that it is closing
        """
        if 200 <= code < 300:
            return None
        refusal = Refusal(code, readable(text))
        if code == 421:
            raise UnavailableError(str(refusal))
        return refusal

    def _reset(self) -> None:
        """Make ready for the next mail; what the server said about this one counts in any case."""
        try:
            self._bound()
            self._client.rset()
        except (OSError, smtplib.SMTPException):
            self.drop()

    def _bound(self, *, whole: bool = False) -> None:
        """Limit the time of what comes next: to that of one answer, or to all that the mail has left."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the mail took too long in all")
        if self._client.sock is None:
            raise smtplib.SMTPServerDisconnected("connection closed")
        self._client.sock.settimeout(left if whole else min(left, self.server.timeout))


def _without_utf8(mail: Mail, recipients: Sequence[str]) -> tuple[list[str], Answers]:
    """Split into those whom a server without SMTPUTF8 (RFC 6531) can be told of, and a No for the others."""
    refusal = Refusal(553, "this server takes ASCII addresses only (no SMTPUTF8)")
    possible = [r for r in recipients if r.isascii() and mail.envelope.sender.address.isascii()]
    return possible, {r: refusal for r in recipients if r not in possible}


def client_class(server: Server) -> type[smtplib.SMTP]:
    return smtplib.SMTP_SSL if server.encrypted else smtplib.SMTP
