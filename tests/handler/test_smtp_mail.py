"""smtp: what the mail looks like, and that nothing in an event can change its form."""

from __future__ import annotations

import json
import subprocess
import sys
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3_event import Event, EventManager, RejectedError
from e3_event.handler import _mail
from e3_event.handler._mail import base64_lines
from e3_event.handler.smtp import SMTPHandler
from handler.smtp_server import MailServer, Received, ca_file, mail_server, server_context

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server(server_context()) as running:
        yield running


@pytest.fixture
def ca(tmp_path: Path) -> str:
    return ca_file(tmp_path)


def sent(server: MailServer, ca: str, event: Event, **arguments: Any) -> Received:
    """Send an event and return what the server got."""
    given = {
        "subject": "a subject",
        "from_addr": "from@example.net",
        "to_addr": "to@example.net",
        **arguments,
    }
    handler = SMTPHandler(**given, smtp_servers=server.url, ca_file=ca)
    try:
        assert handler.send_event(event) is True
    finally:
        handler.close()
    return server.mails[-1]


def attach(event: Event, path: Path, content: bytes, name: str = "log") -> None:
    path.write_bytes(content)
    event.attach_file(str(path), name)


def test_the_mail_has_the_documented_form(server: MailServer, ca: str, tmp_path: Path) -> None:
    event = Event("nightly", branch="main", begin_time=0.0)
    attach(event, tmp_path / "build.txt", b"all \xff is well\n")
    attach(event, tmp_path / "empty.txt", b"", "empty")
    message = sent(server, ca, event, to_addr="a@example.net, b@example.net").message

    assert message.get_content_type() == "multipart/mixed"
    assert message["Subject"] == "a subject"
    assert message["From"] == "from@example.net"
    assert message["To"] == "a@example.net, b@example.net"
    assert parsedate_to_datetime(message["Date"]).tzinfo is not None
    first, log, empty, text = message.iter_parts()
    assert (first.get_content_type(), first.get_filename()) == ("application/json", "event")
    assert first.get_content_disposition() == "attachment"
    assert json.loads(first.get_content()) == event.as_dict()
    assert b" " not in first.get_content()
    assert (log.get_content_type(), log.get_filename()) == ("text/plain", "log")
    assert log.get_payload(decode=True) == b"all \xff is well\n"
    assert empty.get_payload(decode=True) == b""
    assert (text.get_content_type(), text.get_content_disposition()) == ("text/plain", "inline")


def test_a_person_can_read_the_mail_even_without_a_mail_reader(server: MailServer, ca: str) -> None:
    event = Event("nightly", status="failed", branch="main", traceback="Traceback:\n.dots\n..\n.")
    mail = sent(server, ca, event)
    assert "nightly: failed" in mail.text
    assert "branch" in mail.text
    assert "  .dots\n  ..\n  ." in mail.text
    assert b"\r\nnightly: failed\r\n" in mail.content


@pytest.mark.parametrize("line", ["\u00e9t\u00e9 \U0001f600", "x" * 2000])
def test_text_that_plain_mail_can_not_carry_arrives_all_the_same(
    server: MailServer, ca: str, line: str
) -> None:
    mail = sent(server, ca, Event("nightly", note=line))
    assert line in mail.text
    assert max(len(row) for row in mail.content.split(b"\r\n")) <= 998
    assert mail.content.isascii()


def test_lines_that_begin_with_a_dot_arrive_as_they_are(server: MailServer, ca: str) -> None:
    event = Event(".", error=".\n..")
    assert sent(server, ca, event).text.splitlines()[0] == "."


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("a.tar.gz", "application/x-tar-gz"),
        ("a.tgz", "application/x-tar-gz"),
        ("a.gz", "application/octet-stream"),
        ("a.tar.bz2", "application/octet-stream"),
        ("a.html", "text/html"),
        ("a.png", "image/png"),
        ("a.unknown-ending", "application/octet-stream"),
        ("plain", "application/octet-stream"),
    ],
)
def test_the_type_of_an_attachment_is_guessed_from_its_path(file: str, kind: str) -> None:
    assert _mail._type_of(f"/some/where/{file}") == kind


def test_the_message_id_is_the_snapshots(server: MailServer, ca: str) -> None:
    snapshot = Event("nightly").snapshot()
    mail = sent(server, ca, snapshot, from_addr="CI <ci@b\u00fccher.example>")
    assert mail.message["Message-ID"] == f"<{snapshot.snapshot_id}@xn--bcher-kva.example>"
    again = sent(server, ca, snapshot, from_addr="root")
    assert again.message["Message-ID"] == f"<{snapshot.snapshot_id}@localhost>"


def test_the_subject_property_can_be_overridden(server: MailServer, ca: str) -> None:
    class Own(SMTPHandler):
        @property
        def subject(self) -> str:
            return f"[CI] {self.default_subject}"

    handler = Own("nightly", "f@example.net", "t@example.net", server.url, ca_file=ca)
    handler.send_event(Event("x"))
    handler.close()
    assert server.mails[0].message["Subject"] == "[CI] nightly"


def test_braces_in_the_subject_stand_for_data_of_the_event(server: MailServer, ca: str) -> None:
    event = Event("nightly", status="failed", n=3)
    mail = sent(server, ca, event, subject="{name} {status} {n} {nothing} {} {name.x}")
    assert mail.message["Subject"] == "nightly failed 3 {nothing} {} {name.x}"


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("a\r\nBcc: x@example.net\r\n\r\nbody", "a  Bcc: x@example.net    body"),
        ("=?utf-8?q?a=0D=0ABcc:_x@example.net?=", "=?utf-8?q?a=0D=0ABcc:_x@example.net?="),
        ("\u202egnp.exe \x1b[31m \ud800", None),
        ("x" * 5000, "x" * 200),
        ("{uid}", "{uid}"),
    ],
)
def test_a_hostile_event_can_not_add_headers_through_the_subject(
    server: MailServer, ca: str, name: str, subject: str | None
) -> None:
    message = sent(server, ca, Event(name), subject="{name}").message
    assert message["Bcc"] is None
    assert str(message["Subject"]).isprintable()
    if subject is not None:
        assert message["Subject"] == subject
    assert [part.get_filename() for part in message.iter_parts()] == ["event", None]


def test_subject_and_names_beyond_ascii_arrive(server: MailServer, ca: str) -> None:
    mail = sent(
        server,
        ca,
        Event("x"),
        subject="\u00dcbersetzung fertig " * 9,
        from_addr="B\u00f6rse Gr\u00fc\u00dfe <f@example.net>",
        to_addr='"M\u00fcller, J\u00f6rg" <a@example.net>, b@b\u00fccher.example',
    )
    assert mail.content.isascii()
    assert mail.recipients == ["a@example.net", "b@xn--bcher-kva.example"]
    message = mail.message
    assert message["Subject"].strip() == ("\u00dcbersetzung fertig " * 9).strip()
    assert message["From"].addresses[0].display_name == "B\u00f6rse Gr\u00fc\u00dfe"
    assert [box.display_name for box in message["To"].addresses] == ["M\u00fcller, J\u00f6rg", ""]


def test_many_recipients_make_no_line_too_long(server: MailServer, ca: str) -> None:
    to = ", ".join(f"somebody.with.a.long.name.{number}@example.net" for number in range(60))
    mail = sent(server, ca, Event("x"), to_addr=to, subject="word " * 300)
    assert len(mail.recipients) == 60
    assert mail.message["To"] == to
    assert max(len(row) for row in mail.content.split(b"\r\n")) <= 998


HOSTILE = [
    "../../etc/passwd",
    "/absolute",
    'a"; filename="b.exe',
    "a\r\nContent-Type: text/html\r\n\r\n<script>",
    "a\\b",
    "nul\0",
    "n" * 5000,
    "\ud800",
    "\u202etxt.exe",
    "\u00e9t\u00e9.log",
    "=?utf-8?q?x?=",
    " ",
    "",
]


def test_hostile_names_of_attachments_are_harmless_and_stay_different(
    server: MailServer, ca: str, tmp_path: Path
) -> None:
    event = Event("x")
    for number, name in enumerate(HOSTILE):
        attach(event, tmp_path / "a.bin", str(number).encode(), name)
    message = sent(server, ca, event).message
    parts = list(message.iter_parts())
    names = [part.get_filename() for part in parts[1:-1]]
    assert len(parts) == len(HOSTILE) + 2
    assert all(part.get_content_type() == "application/octet-stream" for part in parts[1:-1])
    assert len(set(names)) == len(HOSTILE)
    for shown in names:
        assert shown
        assert shown.isprintable()
        assert not set(shown) & set('/\\"')
    assert "\u00e9t\u00e9.log" in names
    assert [part.defects for part in message.walk()] == [[]] * len(list(message.walk()))


def test_an_attachment_that_goes_before_it_is_sent_is_named(
    server: MailServer, ca: str, tmp_path: Path
) -> None:
    event = Event("x")
    attach(event, tmp_path / "log", b"x")
    snapshot = event.snapshot()
    (tmp_path / "log").unlink()
    mail = sent(server, ca, snapshot)
    assert "Attachment left out, it can't be read: 'log' (No such file or directory)" in mail.text


def test_what_is_written_while_it_is_sent_does_not_break_the_mail(
    server: MailServer, ca: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = Event("x")
    path = tmp_path / "log"
    attach(event, path, b"before")
    snapshot = event.snapshot()
    opened = _mail.Mail._opened

    def grow(mail: _mail.Mail, event: Event) -> Any:
        files = opened(mail, event)
        path.write_bytes(b"before and after")
        return files

    monkeypatch.setattr(_mail.Mail, "_opened", grow)
    part = list(sent(server, ca, snapshot).message.iter_parts())[1]
    assert part.get_payload(decode=True) == b"before"


def test_the_largest_attachments_are_left_out_of_a_mail_that_would_be_too_large(
    server: MailServer,
    ca: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("e3_event.handler._smtp_connection.LARGEST", 100_000)
    event = Event("x")
    for name, size in (("small", 10), ("huge", 200_000), ("large", 70_000), ("medium", 20_000)):
        attach(event, tmp_path / name, bytes(size), name)
    mail = sent(server, ca, event)
    assert [part.get_filename() for part in mail.message.iter_parts()] == ["event", "small", "medium", None]
    assert "Attachment left out, too large for this mail: 'huge' (0.2 MB)" in mail.text
    assert "'large' (0.1 MB)" in mail.text
    assert "left out: ['huge', 'large']" in caplog.text


def test_an_event_that_is_too_large_itself_is_refused_with_the_reason(ca: str) -> None:
    manager = EventManager()
    with mail_server(server_context(), data_size_limit=100 << 20) as server:
        manager.add_handler("smtp", "s", "f@example.net", "t@example.net", server.url, ca_file=ca)
        outcome = manager.dispatch(Event("x", data="x" * (31 << 20))).outcomes[0]
        manager.close()
    assert outcome.rejected
    assert "too large" in outcome.reason
    assert f"this handler takes {40 * 2**20 - 1}" in outcome.reason
    assert server.mails == []


def test_the_limit_of_the_server_is_kept(ca: str, tmp_path: Path) -> None:
    event = Event("x")
    attach(event, tmp_path / "log", bytes(60_000))
    with mail_server(server_context(), data_size_limit=50_000) as server:
        assert "too large for this mail: 'log'" in sent(server, ca, event).text
        with pytest.raises(RejectedError, match=rf"localhost:{server.port} takes 50000"):
            sent(server, ca, Event("x", data="x" * 60_000))


def test_the_size_that_is_announced_is_the_size(server: MailServer, ca: str, tmp_path: Path) -> None:
    event = Event("x\u00e9")
    for size in (0, 1, 56, 57, 58, 114, 57 * 4096, 57 * 4096 + 1):
        attach(event, tmp_path / "log", bytes(size), f"log{size}")
    mail = sent(server, ca, event)
    announced = next(option for option in mail.options if option.startswith("SIZE="))
    assert announced == f"SIZE={len(mail.content)}"


@given(st.binary(max_size=400))
def test_base64_is_what_mail_wants(raw: bytes) -> None:
    import base64

    assert base64_lines(raw) == base64.encodebytes(raw).replace(b"\n", b"\r\n")


MEMORY = """
import resource, sys, threading
from e3_event import Event
from e3_event.handler.smtp import SMTPHandler
event = Event("x")
event.attach_file(sys.argv[1])
handler = SMTPHandler("s", "f@example.net", "t@example.net", sys.argv[2], ca_file=sys.argv[3])
assert handler.send_event(Event("warm up"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert handler.send_event(event)
handler.close()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_a_large_attachment_costs_less_memory_than_its_size(ca: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(28 << 20))
    with mail_server(server_context(), data_size_limit=100 << 20) as server:
        command = [sys.executable, "-c", MEMORY, str(tmp_path / "log"), server.url, ca]
        grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        assert len(server.mails[-1].content) > 28 << 20
    assert grown < 28 << 20


def test_of_long_values_the_text_has_both_ends_and_the_data_all(server: MailServer, ca: str) -> None:
    long = "first " + "x" * 3_000_000 + " last"
    mail = sent(server, ca, Event("x", note=long, traceback=long, key={"k" * 1000: 1}))
    assert json.loads(next(iter(mail.message.iter_parts())).get_content())["note"] == long
    assert len(mail.text) < 50_000
    for end in ("first x", "x last", "characters are left out here"):
        assert mail.text.count(end) == 2
