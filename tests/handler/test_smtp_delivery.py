"""smtp: who gets the mail, and what happens when servers fail."""

from __future__ import annotations

import errno
import io
import os
import smtplib
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest

from e3_event import DeliveryError, Event, EventManager, RejectedError
from e3_event.handler import _mail, _smtp_connection
from e3_event.handler.smtp import SMTPHandler
from handler.smtp_server import MailServer, ca_file, mail_server, server_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., SMTPHandler]


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server(server_context()) as running:
        yield running


@pytest.fixture
def second() -> Iterator[MailServer]:
    with mail_server(server_context()) as running:
        yield running


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make a handler that trusts the CA of the tests and is closed in the end."""
    made = []

    def make(*servers: str, to: str = "a@example.net", **kwargs: Any) -> SMTPHandler:
        kwargs = {"ca_file": ca_file(tmp_path), "timeout": 5, **kwargs}
        made.append(SMTPHandler("s", "from@example.net", to, servers, **kwargs))
        return made[-1]

    yield make
    for handler in made:
        handler.close()


@pytest.fixture
def dead() -> Iterator[str]:
    """A server that is down: nobody listens at the port, and nobody else can get it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"smtps://localhost:{taken.getsockname()[1]}"


@pytest.fixture
def black_hole() -> Iterator[str]:
    """A server that takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"smtps://localhost:{listening.getsockname()[1]}"


def test_the_connection_is_kept_between_events(server: MailServer, make: Make) -> None:
    handler = make(server.url)
    for _ in range(5):
        assert handler.send_event(Event("x"))
    assert (len(server.mails), server.connections) == (5, 1)


def test_close_says_goodbye_and_the_next_event_connects_again(server: MailServer, make: Make) -> None:
    handler = make(server.url)
    handler.send_event(Event("x"))
    handler.close()
    handler.close()
    assert server.goodbyes.acquire(timeout=5)
    assert handler.send_event(Event("x"))
    assert server.connections == 2


@pytest.mark.parametrize("politely", [True, False])
def test_a_connection_that_the_server_closed_meanwhile_is_no_failure(
    server: MailServer, make: Make, politely: bool
) -> None:
    handler = make(server.url)
    assert handler.send_event(Event("x"))
    server.disconnect(politely=politely)
    assert handler.send_event(Event("x"))
    assert (len(server.mails), server.connections) == (2, 2)


def test_a_connection_unused_for_long_is_not_trusted(
    server: MailServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = make(server.url)
    handler.send_event(Event("x"))
    monkeypatch.setattr(_smtp_connection, "_IDLE", 0.0)
    assert handler.send_event(Event("x"))
    assert server.connections == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_its_own_connection_and_leaves_that_of_its_parent(
    server: MailServer, make: Make
) -> None:
    handler = make(server.url)
    handler.send_event(Event("parent"))
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if handler.send_event(Event("child")) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    handler.send_event(Event("parent again"))
    assert [mail.connection for mail in server.mails] == [1, 2, 1]
    assert not server.goodbyes.acquire(blocking=False)


def test_a_refused_recipient_is_named_and_the_others_get_the_mail_once(
    server: MailServer, second: MailServer, make: Make
) -> None:
    server.answers = {"b@example.net": "550 5.1.1 no such user"}
    handler = make(server.url, second.url, to="a@example.net, b@example.net, c@example.net")
    with pytest.raises(RejectedError) as caught:
        handler.send_event(Event("x"))
    assert str(caught.value) == (
        "refused: b@example.net (550 5.1.1 no such user); delivered to a@example.net, c@example.net"
    )
    assert [mail.recipients for mail in server.mails] == [["a@example.net", "c@example.net"]]
    assert second.connections == 0


def test_a_refused_recipient_is_the_only_one_tried_again(server: MailServer, make: Make) -> None:
    server.answers = {"b@example.net": "451 4.7.1 greylisted"}
    handler = make(server.url, to="a@example.net, b@example.net")
    snapshot = Event("x").snapshot()
    with pytest.raises(DeliveryError, match=r"b@example.net \(451 4.7.1 greylisted\)"):
        handler.send_event(snapshot)
    server.answers = {}
    assert handler.send_event(snapshot)
    assert handler.send_event(snapshot)
    assert [mail.recipients for mail in server.mails] == [["a@example.net"], ["b@example.net"]]
    assert server.mails[0].message["Message-ID"] == server.mails[1].message["Message-ID"]
    assert [mail.message["To"] for mail in server.mails] == ["a@example.net, b@example.net"] * 2


def test_a_recipient_deferred_by_one_server_is_offered_to_the_next(
    server: MailServer, second: MailServer, make: Make
) -> None:
    server.answers = {"b@example.net": "452 too many recipients"}
    assert make(server.url, second.url, to="a@example.net,b@example.net").send_event(Event("x"))
    assert server.mails[0].recipients == ["a@example.net"]
    assert second.mails[0].recipients == ["b@example.net"]


def test_when_all_are_refused_for_good_no_other_try_is_wanted(server: MailServer, make: Make) -> None:
    server.answers = {"a@example.net": "550 no", "b@example.net": "553 never"}
    handler = make(server.url, to="a@example.net,b@example.net")
    with pytest.raises(RejectedError, match=r"a@example.net \(550 no\), b@example.net \(553 never\)"):
        handler.send_event(Event("x"))
    server.answers = {}
    assert handler.send_event(Event("x"))
    assert server.connections == 1


def test_for_good_and_for_now_together_is_worth_another_try(server: MailServer, make: Make) -> None:
    server.answers = {"a@example.net": "550 no", "b@example.net": "450 later"}
    with pytest.raises(DeliveryError, match=r"550 no.*450 later"):
        make(server.url, to="a@example.net,b@example.net").send_event(Event("x"))


@pytest.mark.parametrize(
    ("verdict", "error"), [("554 5.7.1 spam", RejectedError), ("451 try again", DeliveryError)]
)
def test_a_mail_refused_after_it_was_sent_is_not_delivered(
    server: MailServer, make: Make, verdict: str, error: type[Exception]
) -> None:
    server.verdict = verdict
    with pytest.raises(error, match=verdict):
        make(server.url).send_event(Event("x"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("554 no valid recipients", RejectedError),
        ("451 not now", DeliveryError),
        ("250 what?", DeliveryError),
    ],
)
def test_a_server_that_does_not_want_the_mail_after_all_is_believed(
    server: MailServer, make: Make, answer: str, error: type[Exception]
) -> None:
    server.data_answer = answer
    with pytest.raises(error, match=answer[:3]):
        make(server.url).send_event(Event("x"))


def test_a_server_that_is_closing_is_left_for_the_next_one(
    server: MailServer, second: MailServer, make: Make
) -> None:
    server.answers = {"b@example.net": "421 going down"}
    assert make(server.url, second.url, to="a@example.net,b@example.net").send_event(Event("x"))
    assert server.mails == []
    assert second.mails[0].recipients == ["a@example.net", "b@example.net"]


def test_a_verdict_that_makes_no_sense_is_no_success(server: MailServer, make: Make) -> None:
    server.verdict = "999 what?"
    with pytest.raises(DeliveryError, match="unexpected verdict: 999 what"):
        make(server.url).send_event(Event("x"))


def test_a_refusal_counts_even_if_the_connection_breaks_after_it(server: MailServer, make: Make) -> None:
    server.answers, server.hang_up = {"a@example.net": "550 no"}, "RSET"
    handler = make(server.url)
    for _ in range(2):
        with pytest.raises(RejectedError, match=r"a@example.net \(550 no\)"):
            handler.send_event(Event("x"))
    assert server.connections == 2


def test_an_attachment_that_fails_half_way_delivers_nothing(
    server: MailServer, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BrokenDisk(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 0:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    event = Event("x")
    (tmp_path / "log").write_bytes(bytes(1 << 20))
    event.attach_file(tmp_path / "log")
    snapshot = event.snapshot()
    handler = make(server.url)
    with monkeypatch.context() as patch:
        opened = _mail.Mail._opened
        patch.setattr(
            _mail.Mail,
            "_opened",
            lambda mail, event: [replace(f, source=BrokenDisk(bytes(1 << 20))) for f in opened(mail, event)],
        )
        with pytest.raises(DeliveryError, match=r"attachment 'log' can't be read: .*Input/output error"):
            handler.send_event(snapshot)
    assert handler.send_event(snapshot)
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("answer", "error"), [("550 unknown sender", RejectedError), ("530 log in first", DeliveryError)]
)
def test_a_refused_sender_is_final_but_a_missing_login_is_not(
    server: MailServer, make: Make, answer: str, error: type[Exception]
) -> None:
    server.sender_answer = answer
    with pytest.raises(error, match=answer):
        make(server.url).send_event(Event("x"))


def test_when_the_first_server_is_down_the_next_one_gets_the_mail(
    dead: str, server: MailServer, make: Make
) -> None:
    handler = make(dead, server.url)
    for _ in range(3):
        assert handler.send_event(Event("x"))
    assert (len(server.mails), server.connections) == (3, 1)


def test_when_no_server_is_there_each_one_is_named(dead: str, make: Make) -> None:
    port = dead.rpartition(":")[2]
    with pytest.raises(DeliveryError) as caught:
        make(dead, f"smtps://127.0.0.1:{port}").send_event(Event("x"))
    refused = "ConnectionRefusedError: [Errno 111] Connection refused"
    assert str(caught.value) == (
        f"no server took it for a@example.net; localhost:{port}: {refused}; 127.0.0.1:{port}: {refused}"
    )


def test_a_server_that_does_not_answer_is_waited_for_once(
    black_hole: str, server: MailServer, make: Make
) -> None:
    handler = make(f"{black_hole}?timeout=0.5", server.url)
    started = time.monotonic()
    for _ in range(3):
        assert handler.send_event(Event("x"))
    assert 0.5 <= time.monotonic() - started < 1.5


def test_when_all_servers_failed_a_moment_ago_the_answer_comes_at_once(black_hole: str, make: Make) -> None:
    handler = make(f"{black_hole}?timeout=0.5")
    with pytest.raises(DeliveryError, match="timed out"):
        handler.send_event(Event("x"))
    started = time.monotonic()
    with pytest.raises(DeliveryError, match=r"timed out.*asked again in") as caught:
        handler.send_event(Event("x"))
    assert time.monotonic() - started < 0.3
    assert caught.value.retry_after is not None
    assert 3 < caught.value.retry_after < 60


def test_a_server_is_back_as_soon_as_its_pause_is_over(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        handler = make(f"smtps://localhost:{port}?timeout=0.05")
        with pytest.raises(DeliveryError):
            handler.send_event(Event("x"))
    with mail_server(server_context(), port=port) as server:
        handler.smtp_servers = [server.url]
        assert handler.send_event(Event("x"))


def test_a_reply_lost_after_the_mail_was_sent_is_no_success_and_goes_nowhere_else(
    server: MailServer, second: MailServer, make: Make
) -> None:
    handler = make(server.url, second.url)
    server.hang_up = "DATA"
    snapshot = Event("x").snapshot()
    with pytest.raises(DeliveryError, match="may have arrived"):
        handler.send_event(snapshot)
    server.hang_up = ""
    assert handler.send_event(snapshot)
    ids = [mail.message["Message-ID"] for mail in server.mails]
    assert ids == [f"<{snapshot.snapshot_id}@example.net>"] * 2
    assert second.connections == 0


def test_a_connection_lost_before_the_mail_was_sent_goes_to_the_next_server(
    server: MailServer, second: MailServer, make: Make
) -> None:
    server.hang_up = "RCPT"
    assert make(server.url, second.url).send_event(Event("x"))
    assert (len(server.mails), len(second.mails)) == (0, 1)


def test_a_verdict_is_waited_for_longer_than_an_answer(make: Make) -> None:
    with mail_server(server_context(), slow_verdict=1.0) as server:
        assert make(f"{server.url}?timeout=0.5").send_event(Event("x"))


def test_a_server_can_not_stretch_a_mail_by_answering_slowly(make: Make) -> None:
    with mail_server(server_context(), slow_answer=0.1) as server:
        to = ",".join(f"{number}@example.net" for number in range(100))
        handler = make(f"{server.url}?timeout=0.15", to=to)
        started = time.monotonic()
        with pytest.raises(DeliveryError, match=r"too long in all|timed out"):
            handler.send_event(Event("x"))
        assert 1 < time.monotonic() - started < 4


def test_a_recipient_named_twice_gets_one_mail(server: MailServer, make: Make) -> None:
    assert make(server.url, to="a@example.net, A <a@example.net>").send_event(Event("x"))
    assert server.mails[0].recipients == ["a@example.net"]


def test_addresses_beyond_ascii_need_a_server_that_takes_them(make: Make) -> None:
    to = "j\u00f6rg@example.net, a@example.net"
    with mail_server(server_context()) as server:
        assert make(server.url, to=to).send_event(Event("x"))
        assert "SMTPUTF8" in server.mails[0].options
        assert server.mails[0].recipients == ["j\u00f6rg@example.net", "a@example.net"]
        assert b"j\xc3\xb6rg@example.net" in server.mails[0].content
    with mail_server(server_context(), enable_SMTPUTF8=False) as server:
        with pytest.raises(RejectedError, match=r"ASCII addresses only.*delivered to a@example.net"):
            make(server.url, to=to).send_event(Event("x"))
        assert "SMTPUTF8" not in server.mails[0].options
        assert server.mails[0].message["To"] == "a@example.net"


def test_only_so_many_snapshots_are_remembered(
    server: MailServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("e3_event.handler.smtp._REMEMBERED", 3)
    handler = make(server.url)
    for _ in range(5):
        handler.send_event(Event("x"))
    assert len(handler._reached) == 3


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("default_subject", "a\r\nBcc: x@example.net"),
        ("to_addr", "a@example.net\nb@example.net"),
        ("from_addr", "<>"),
        ("smtp_servers", ["http://x"]),
    ],
)
def test_an_attribute_set_to_nonsense_is_rejected_and_never_tried_again(
    server: MailServer, make: Make, attribute: str, value: Any
) -> None:
    handler = make(server.url)
    setattr(handler, attribute, value)
    with pytest.raises(RejectedError):
        handler.send_event(Event("x"))
    assert server.connections == 0


@pytest.mark.parametrize("feature", ["", "other, smtp_nossl"])
def test_classes_that_a_program_puts_into_smtplib_get_the_documented_calls(
    monkeypatch: pytest.MonkeyPatch, feature: str
) -> None:
    monkeypatch.setenv("E3_ENABLE_FEATURE", feature)
    client = MagicMock()
    client.return_value.sendmail.return_value = {}
    monkeypatch.setattr(smtplib, "SMTP" if feature else "SMTP_SSL", client)
    handler = SMTPHandler("s", "F <f@example.net>", "a@example.net, b@example.net", ["h1", "h2"])
    assert handler.send_event(Event("x"))
    assert handler.send_event(Event("x"))
    assert [call.args for call in client.call_args_list] == [("h1",), ("h1",)]
    sender, recipients, text = client.return_value.sendmail.call_args.args
    assert (sender, recipients) == ("f@example.net", ["a@example.net", "b@example.net"])
    assert "\nSubject: s\n" in text
    assert "\r" not in text
    assert client.return_value.quit.call_count == 2


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        ({"a@example.net": (550, b"no")}, RejectedError, r"refused: a@example.net \(550 no\)"),
        (smtplib.SMTPRecipientsRefused({"a@example.net": (450, b"later")}), DeliveryError, "450 later"),
        (smtplib.SMTPDataError(554, b"spam"), DeliveryError, "h1: 554 spam; h2: 554 spam"),
        (OSError("broken"), DeliveryError, "h1: OSError: broken; h2"),
        (object(), DeliveryError, "sendmail answered object"),
    ],
)
def test_what_such_a_class_refuses_is_reported(
    monkeypatch: pytest.MonkeyPatch, answer: object, error: type[Exception], says: str
) -> None:
    client = MagicMock()
    client.return_value.sendmail.side_effect = [answer, answer]
    monkeypatch.setattr(smtplib, "SMTP_SSL", client)
    with pytest.raises(error, match=says):
        SMTPHandler("s", "f@example.net", "a@example.net", ["h1", "h2"]).send_event(Event("x"))


def test_a_kept_connection_does_not_hide_a_class_put_in_later(
    server: MailServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = make(server.url)
    handler.send_event(Event("x"))
    client = MagicMock()
    client.return_value.sendmail.return_value = {}
    monkeypatch.setattr(smtplib, "SMTP_SSL", client)
    assert handler.send_event(Event("x"))
    assert client.return_value.sendmail.call_count == 1


def test_the_manager_reports_who_did_not_get_it(server: MailServer, tmp_path: Path) -> None:
    server.answers = {"b@example.net": "550 no such user"}
    manager = EventManager()
    manager.add_handler(
        "smtp", "s", "f@example.net", "a@example.net,b@example.net", server.url, ca_file=ca_file(tmp_path)
    )
    outcome = manager.dispatch(Event("x")).outcomes[0]
    manager.close()
    assert (outcome.delivered, outcome.rejected) == (False, True)
    assert "b@example.net (550 no such user)" in outcome.reason
