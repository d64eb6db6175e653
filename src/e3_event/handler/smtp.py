"""`smtp`: an event as a mail."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from e3_event import DeliveryError, EventError, EventHandler, RejectedError, logger
from e3_event.handler_tools import Secret, decode_fields, encode_fields, snapshot_id

from ._mail import Envelope, Mail
from ._mail_headers import mailboxes, one_line, refuse_control_characters
from ._smtp_pool import Pool
from ._smtp_servers import TIMEOUT, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e3_event import Event

    from ._mail_headers import Mailbox
    from ._smtp_answers import Refusal
    from ._smtp_servers import Server

#: Snapshots whose recipients are remembered.
_REMEMBERED = 1000
_LONGEST_VALUE = 200  # characters of the event that a placeholder puts into the subject


class SMTPHandler(EventHandler):
    """Sends each event as a mail.

    The mail is multipart/mixed: `as_dict()` as `application/json`, file name `event`; each attachment under
    its name; and last the text that people read. The largest attachments are left out, and named in the text,
    when the mail would have 40 MiB or more, or more than the server says it takes.

    Servers are tried in order; one connection is kept between events. Each recipient has an outcome of their
    own: sending the same snapshot again reaches only those who have not got it. The Message-ID is made of the
    snapshot's id, so it is the same again.

    Configuration string: `subject,from,to,server[,server…]`, a comma in a field as `%2C`; as in
    `smtp=Nightly,ci@example.net,dev@example.net,mail.example.net`.

    :ivar default_subject: the subject; `{key}` in it stands for the event's data of that key
    :param from_addr: `me@example.net` or `Me <me@example.net>`
    :param to_addr: likewise, several between commas
    :param smtp_servers: one or several, tried in order: `host`, `host:port` (TLS; plain where
        `E3_ENABLE_FEATURE` has `smtp_nossl`), `smtps://user@host:port` (TLS), `smtp://user@host:port`
        (STARTTLS), each with options as in `smtps://me@host?password_env=SMTP_PASSWORD`: `password_env`,
        `password_file`, `ca_file`, `timeout`, `starttls=never`
    :param user: for servers that name none; likewise the next three
    :param password: text or a `Secret`; given as text it can't be shared with other processes
    :param ca_file: certificates in PEM to trust instead of the system's
    :param timeout: seconds that a server may take for one answer; a mail may take ten times that
    :raises EventError: says which argument is wrong, and what would be right
    """

    def __init__(
        self,
        subject: str,
        from_addr: str,
        to_addr: str,
        smtp_servers: str | Sequence[str],
        *,
        user: str = "",
        password: str | Secret | None = None,
        ca_file: str = "",
        timeout: float = TIMEOUT,
    ) -> None:
        self.default_subject = subject
        self.from_addr = from_addr
        self.to_addr = to_addr
        self.smtp_servers = [smtp_servers] if isinstance(smtp_servers, str) else list(smtp_servers)
        self._defaults: dict[str, Any] = {
            "user": user,
            "password": Secret(value=password) if isinstance(password, str) else password,
            "ca_file": ca_file,
            "timeout": timeout,
        }
        self._pool = Pool()
        self._reached: OrderedDict[str, set[str]] = OrderedDict()
        refuse_control_characters("subject", subject)
        self._addresses()
        self._servers()

    @property
    def subject(self) -> str:
        """The subject, to be overridden by those who want another."""
        return self.default_subject

    def send_event(self, event: Event) -> bool:
        """Send the mail to all who have not got it yet.

        :return: True once a server has taken it for every recipient
        :raises DeliveryError: somebody has not got it, or may not have it, and another try may help; says who
            and why
        :raises RejectedError: a server refused somebody for good (says whom and why), the mail is too large,
            or its headers can't be made
        """
        event = event.snapshot()
        try:
            envelope, servers = self._envelope(event), self._servers()
        except EventError as error:  # an attribute or an overridden subject: no other try would help
            raise RejectedError(error.messages[-1]) from error
        reached = self._reached_by(snapshot_id(event))
        if all(box.address in reached for box in envelope.recipients):
            return True
        troubles: list[str] = []
        up = self._pool.up(servers, troubles)
        with Mail(event, envelope) as mail:
            noes = self._ask(up, mail, reached, troubles)
            if mail.too_large:
                left_out = [file.name for file in mail.too_large]
                logger.warning("%r: too large for a mail, left out: %s", event, left_out)
        _judge(envelope, reached, noes, troubles)
        return True

    def close(self) -> None:
        """Part from the server. The next event connects again, with the CA files read anew."""
        self._pool.close()

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, Any]:
        """Decode `subject,from,to,server[,server…]`."""
        fields = decode_fields(config_str)
        if len(fields) < 4:
            missing = ("subject", "from", "to", "server")[len(fields) if config_str else 0]
            raise EventError(
                f"the field `{missing}` is missing: the configuration is `subject,from,to,server[,server…]`,"
                " with %2C for a comma in a field"
            )
        subject, from_addr, to_addr, *servers = fields
        return {"subject": subject, "from_addr": from_addr, "to_addr": to_addr, "smtp_servers": servers}

    def encode_config(self) -> str:
        servers = [str(server) for server in self._servers()]
        return encode_fields([self.default_subject, self.from_addr, self.to_addr, *servers])

    def _ask(
        self, servers: list[Server], mail: Mail, reached: set[str], troubles: list[str]
    ) -> dict[str, Refusal]:
        """Offer the mail to one server after the other, until each recipient has it or is refused for good.

        :param reached: those who have it; who gets it is added
        :return: the refusals, by recipient
        """
        noes: dict[str, Refusal] = {}
        for server in servers:
            waiting = [
                address
                for address in dict.fromkeys(box.address for box in mail.envelope.recipients)
                if address not in reached and not (address in noes and noes[address].permanent)
            ]
            if not waiting:
                break
            for address, refusal in self._pool.offer(server, mail, waiting, troubles).items():
                if refusal is None:
                    reached.add(address)
                else:
                    noes[address] = refusal
        return noes

    def _reached_by(self, shown_id: str) -> set[str]:
        """Those for whom a server took this snapshot; the oldest snapshots are forgotten."""
        reached = self._reached.setdefault(shown_id, set())
        self._reached.move_to_end(shown_id)
        while len(self._reached) > _REMEMBERED:
            self._reached.popitem(last=False)
        return reached

    def _envelope(self, event: Event) -> Envelope:
        configured = self.subject
        refuse_control_characters("subject", configured)
        subject = _filled_in(configured, event)
        sender, recipients = self._addresses()
        return Envelope(subject, subject == configured, self.from_addr, sender, self.to_addr, recipients)

    def _addresses(self) -> tuple[Mailbox, tuple[Mailbox, ...]]:
        sender, *more = mailboxes("from_addr", self.from_addr)
        if more:
            raise EventError("from_addr: one address only, as in me@example.net")
        return sender, mailboxes("to_addr", self.to_addr)

    def _servers(self) -> list[Server]:
        if not self.smtp_servers:
            raise EventError("smtp_servers: a server is missing, as in mail.example.net")
        return [
            parse(text, f"smtp_servers[{number}]", **self._defaults)
            for number, text in enumerate(self.smtp_servers)
        ]


def _judge(envelope: Envelope, reached: set[str], noes: dict[str, Refusal], troubles: list[str]) -> None:
    """Say who has not got the mail, and why.

    :raises DeliveryError: another try may help
    :raises RejectedError: no other try will help
    """
    missing = [box.address for box in envelope.recipients if box.address not in reached]
    if not missing:
        return
    refused = [f"{address} ({noes[address]})" for address in missing if address in noes]
    unheard = [address for address in missing if address not in noes]
    said = [f"refused: {', '.join(refused)}"] if refused else []
    said += [f"no server took it for {', '.join(unheard)}"] if unheard else []
    said += troubles
    said += [f"delivered to {', '.join(sorted(reached))}"] if reached else []
    for_good = all(address in noes and noes[address].permanent for address in missing)
    raise (RejectedError if for_good else DeliveryError)("; ".join(said))


def _filled_in(subject: str, event: Event) -> str:
    """Put data of the event in place of `{key}`, in one line; a key that it does not have stays as it is."""
    if "{" not in subject:
        return subject
    shown = event.as_dict()

    def value(match: re.Match[str]) -> str:
        key = match[1]
        return one_line(str(shown[key]))[:_LONGEST_VALUE] if key in shown else match[0]

    return re.sub(r"\{(\w+)\}", value, subject)
