"""The handler `smtp`: the mails that a server gets."""

import asyncio
import email
import email.policy
import json
import os
import smtplib
import threading
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP
from e3.event.handler.smtp import SMTPHandler
from observe import attempt, see, write

from e3.event import Event


class Mailbox:
    """Keeps what comes; refuses one address."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_RCPT(self, *args: Any) -> str:
        _server, _session, envelope, address, _options = args
        if address.startswith("refused"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(envelope)
        return "250 OK"


os.environ["E3_ENABLE_FEATURE"] = "other,smtp_nossl"
box = Mailbox()
loop = asyncio.new_event_loop()
listening = loop.run_until_complete(
    loop.create_server(lambda: SMTP(box, hostname="test", data_size_limit=100 << 20), "127.0.0.1", 0)
)
threading.Thread(target=loop.run_forever, daemon=True).start()
PORT = listening.sockets[0].getsockname()[1]
SERVER, DEAD = f"127.0.0.1:{PORT}", "127.0.0.1:1"


def mailed(handler: SMTPHandler, event: Event) -> list[Any]:
    """The answer, and sender, recipients and message of each mail that came."""
    box.mails.clear()
    answer = attempt(handler.send_event, event)
    mails = []
    for envelope in box.mails:
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        mails.append([envelope.mail_from, envelope.rcpt_tos, message])
    return [answer, *mails]


def make(name: str = "build", uid: str = "u", **data: Any) -> Event:
    return Event(name, uid, begin_time=0.0, **data)


def parts(message: EmailMessage) -> list[EmailMessage]:
    return [part for part in message.iter_parts() if isinstance(part, EmailMessage)]


def handler(to: str = "t@example.org", servers: Any = SERVER, subject: str = "a subject") -> SMTPHandler:
    return SMTPHandler(subject, "f@example.org", to, servers)


shown = SMTPHandler("s", "f@x", "t@x", "h")
see("attributes", [shown.default_subject, shown.from_addr, shown.to_addr, shown.smtp_servers])
see("subject", shown.subject)
see("a list of servers", SMTPHandler("s", "f@x", "t@x", ["a", "b"]).smtp_servers)
see("by name", SMTPHandler(subject="s", from_addr="f", to_addr="t", smtp_servers="h").smtp_servers)
see("encode_config", SMTPHandler("s", "f@x", "t@x", ["a", "b"]).encode_config())
see("decode_config", SMTPHandler.decode_config("s,f@x,t@x,a,b"))
for config in ("", "a", "a,b,c"):
    see(f'decode_config, "{config}"', attempt(SMTPHandler.decode_config, config))
see("decode_config, empty server", attempt(SMTPHandler.decode_config, "a,b,c,"))

answer, (sender, recipients, message) = mailed(handler(), make(b=1, a="gr\u00fc\u00df"))
see("answer", answer)
see("envelope", [sender, recipients])
see("headers", [message["Subject"], message["From"], message["To"]])
see("braces in the subject", mailed(handler(subject="{name} {nothing}"), make())[1][2]["Subject"])
see("further headers", [name for name in ("Date", "Message-ID", "MIME-Version") if message[name]])
see("type", message.get_content_type())
see("first part", [parts(message)[0].get_content_type(), parts(message)[0].get_filename()])
see("first part, content", json.loads(parts(message)[0].get_payload(decode=True)))
see("parts", len(parts(message)))
second = mailed(handler(), make())[1][2]
see("a second mail has another Message-ID", second["Message-ID"] != message["Message-ID"])

event = make()
FILES = {"log": "build.log", "text": "a.txt", "json": "a.json", "tarball": "a.tar.gz", "gzip": "a.gz"}
FILES |= {"unknown": "a.unknown", "none": "plain", "image": "a.png", "page": "a.html", "bz2": "a.tar.bz2"}
for name, file in FILES.items():
    event.attach_file(write(file, f"content of {file}\n"), name)
event.attach_file(write("b.bin", bytes(range(256))), "bytes")
event.attach_file(write("u.txt", "gr\u00fc\u00df\n"), "gr\u00fc\u00df.txt")
event.attach_file(write("q.txt"), 'a "quoted" name.txt')
_, (_, _, message) = mailed(handler(), event)
found = {part.get_filename(): part for part in message.walk() if part.get_filename()}
for name in event.get_attachments():
    part = found.get(name)
    see(f"attachment {name!r}", part and [part.get_content_type(), part.get_payload(decode=True).hex()[:80]])
    see(f"attachment {name!r}, disposition", part and part.get_content_disposition())
see("parts in order", [part.get_filename() for part in message.walk() if part.get_filename()])

answer, (sender, recipients, message) = mailed(handler("t@example.org,u@example.org"), make())
see("two recipients", [answer, recipients, message["To"]])
answer, (sender, recipients, message) = mailed(handler("t@example.org, u@example.org"), make())
see("two recipients with a space", [answer, [r.strip() for r in recipients], message["To"]])
see("the first server is down", mailed(handler(servers=[DEAD, SERVER]), make())[0])
see("no server", [mailed(handler(servers=[DEAD]), make())[0], len(box.mails)])
answer, *mails = mailed(handler("t@example.org,refused@example.org"), make())
see("one recipient refused", [answer, [mail[1] for mail in mails]])
answer, *mails = mailed(handler("t@example.org,refused@example.org", [SERVER, SERVER]), make())
see("one recipient refused, two servers", len(mails))
see("all recipients refused", [mailed(handler("refused@example.org"), make())[0], len(box.mails)])


class Special(SMTPHandler):
    @property
    def subject(self) -> str:
        return "overridden"


_, (_, _, message) = mailed(Special("s", "f@x", "t@x", SERVER), make())
see("subject overridden", message["Subject"])
big = make()
big.attach_file(write("big.bin", os.urandom(1 << 20) * 31), "big")
see("40 MiB or more", [mailed(handler(), big)[0], len(box.mails)])
hostile = attempt(lambda: mailed(handler(subject="a\nBcc: x@example.org"), make())[1:])
see("a subject with a newline", hostile)
_, (_, _, message) = mailed(handler(subject="gr\u00fc\u00df"), make())
see("a subject with umlauts", message["Subject"])
see("data that JSON can't hold", mailed(handler(), make(x={1}))[0])

calls: list[Any] = []


class Patched(smtplib.SMTP):
    def __init__(self, host: str = "", *args: Any, **kwargs: Any) -> None:
        calls.append(host.replace(str(PORT), "<port>") if ":" in host else host)
        kwargs.pop("context", None)
        super().__init__(host, *args, **kwargs)


os.environ.pop("E3_ENABLE_FEATURE")
smtplib.SMTP_SSL = Patched
see("smtplib.SMTP_SSL is looked up at the call", [mailed(handler(), make())[0], len(calls)])
calls.clear()
os.environ["E3_ENABLE_FEATURE"] = "smtp_nossl"
smtplib.SMTP = Patched
see("smtplib.SMTP is looked up at the call", [mailed(handler(), make())[0], len(calls)])
loop.call_soon_threadsafe(loop.stop)
