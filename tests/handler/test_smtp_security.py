"""smtp: whom it trusts, how it logs in, and where secrets never show."""

from __future__ import annotations

import base64
import datetime as dt
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
import trustme

from e3_event import DeliveryError, Event, EventManager
from e3_event.handler.smtp import SMTPHandler
from e3_event.handler_tools import Secret
from handler.smtp_server import ca_file, mail_server, server_context

PASSWORD = "correct horse battery"


def send(server: str, **kwargs: Any) -> bool:
    kwargs = {"timeout": 5, **kwargs}
    handler = SMTPHandler("s", "from@example.net", "to@example.net", server, **kwargs)
    try:
        return handler.send_event(Event("x"))
    finally:
        handler.close()


def test_a_certificate_of_an_unknown_authority_is_refused() -> None:
    with mail_server(server_context()) as server:
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
            send(server.url)
        assert server.mails == []


def test_a_certificate_of_another_authority_than_the_named_one_is_refused(tmp_path: Path) -> None:
    with (
        mail_server(server_context(ca=trustme.CA())) as server,
        pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        send(server.url, ca_file=ca_file(tmp_path))


def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    with (
        mail_server(server_context("other.example.net")) as server,
        pytest.raises(DeliveryError, match=r"(?i)hostname mismatch"),
    ):
        send(server.url, ca_file=ca_file(tmp_path))


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    with (
        mail_server(server_context("localhost", not_before=past, not_after=past)) as server,
        pytest.raises(DeliveryError, match="expired"),
    ):
        send(server.url, ca_file=ca_file(tmp_path))


def test_a_bare_host_is_spoken_to_with_verified_tls(tmp_path: Path) -> None:
    with mail_server(server_context()) as server:
        assert send(f"localhost:{server.port}", ca_file=ca_file(tmp_path))
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
            send(f"localhost:{server.port}")


def test_the_feature_smtp_nossl_makes_a_bare_host_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E3_ENABLE_FEATURE", "other,smtp_nossl")
    with mail_server() as server:
        assert send(f"localhost:{server.port}")
        with pytest.raises(DeliveryError, match="not sent without TLS"):
            send(f"localhost:{server.port}", user="me", password=PASSWORD)


def test_ipv6_addresses_work(tmp_path: Path) -> None:
    with mail_server(server_context("::1"), host="::1") as server:
        assert send(f"smtps://[::1]:{server.port}", ca_file=ca_file(tmp_path))


def test_the_ca_file_may_stand_with_the_server(tmp_path: Path) -> None:
    with mail_server(server_context()) as server:
        assert send(f"{server.url}?ca_file={ca_file(tmp_path)}")
        with pytest.raises(DeliveryError, match="No such file"):
            send(f"{server.url}?ca_file={tmp_path}/none.pem")


def test_starttls_is_used_and_verified(tmp_path: Path) -> None:
    with mail_server(starttls=server_context()) as server:
        assert send(f"smtp://localhost:{server.port}", ca_file=ca_file(tmp_path))
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
            send(f"smtp://localhost:{server.port}")
        assert len(server.mails) == 1


def test_a_server_without_starttls_gets_nothing_unless_that_was_asked_for() -> None:
    with mail_server() as server:
        with pytest.raises(DeliveryError, match="STARTTLS extension not supported"):
            send(f"smtp://localhost:{server.port}")
        assert server.mails == []
        assert send(f"smtp://localhost:{server.port}?starttls=never")


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
def test_it_logs_in_with_a_password_from_the_environment(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    context = server_context()
    how: dict[str, Any] = {"tls": context} if scheme == "smtps" else {"starttls": context}
    with mail_server(**how, logins={"me@example.net": PASSWORD}) as server:
        url = f"{scheme}://me%40example.net@localhost:{server.port}?password_env=MAIL_PASSWORD"
        assert send(url, ca_file=ca_file(tmp_path))


def test_it_logs_in_with_a_password_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with mail_server(server_context(), logins={"me": PASSWORD}) as server:
        options = f"password_file={tmp_path}/password&ca_file={ca_file(tmp_path)}"
        assert send(f"smtps://me@localhost:{server.port}?{options}")
        assert send(
            server.url, user="me", password=Secret(file=f"{tmp_path}/password"), ca_file=ca_file(tmp_path)
        )


def test_a_missing_secret_is_worth_another_try_and_named(tmp_path: Path) -> None:
    with (
        mail_server(server_context(), logins={"me": PASSWORD}) as server,
        pytest.raises(DeliveryError, match=rf"localhost:{server.port}: .*variable NO_SUCH_VARIABLE"),
    ):
        send(server.url, user="me", password=Secret(env="NO_SUCH_VARIABLE"), ca_file=ca_file(tmp_path))


def test_a_wrong_login_is_worth_another_try(tmp_path: Path) -> None:
    """Somebody may put the password right; the event must not be given up for it."""
    with (
        mail_server(server_context(), logins={"me": PASSWORD}) as server,
        pytest.raises(DeliveryError, match=r"login as me: 535 5\.7\.8"),
    ):
        send(server.url, user="me", password="wrong", ca_file=ca_file(tmp_path))


def test_a_server_that_offers_no_login_gets_nothing(tmp_path: Path) -> None:
    with mail_server(server_context()) as server:
        with pytest.raises(DeliveryError, match=r"login as me: .*AUTH"):
            send(server.url, user="me", password=PASSWORD, ca_file=ca_file(tmp_path))
        assert server.mails == []


@pytest.mark.parametrize("password", ["hunter2-hunter2", "h\u00fcnter2-hunter2"])
def test_no_failure_shows_the_password(
    password: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when the server quotes it: searched for in the report, the log and the chain of errors."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MAIL_PASSWORD", password)
    said = "535 bad password {password} or " + base64.b64encode(f"\0me\0{password}".encode()).decode()
    with mail_server(server_context(), logins={"me": "another"}, login_failure=said) as server:
        manager = EventManager()
        for label, how in (("a", {"password": password}), ("b", {"password": Secret(env="MAIL_PASSWORD")})):
            manager.add_handler(
                f"smtp:{label}",
                *("s", "f@example.net", "t@example.net", server.url),
                user="me",
                ca_file=ca_file(tmp_path),
                **how,
            )
        report = manager.dispatch(Event("x"))
        ours = [record for record in caplog.records if record.name != "mail.log"]  # the server's own
        seen = "".join(record.getMessage() for record in ours) + str(report) + repr(manager.handlers)
        for handler in manager.handlers.values():
            with pytest.raises(DeliveryError) as caught:
                handler.send_event(Event("x"))
            seen += "".join(traceback.format_exception(caught.value)) + _chain(caught.value)
        manager.close()
    assert not report.ok
    assert "login as me" in seen
    for secret in (password, "hunter2", base64.b64encode(f"\0me\0{password}".encode()).decode()):
        assert secret not in seen


def _chain(error: BaseException | None) -> str:
    """What all errors behind an error say, hidden ones included."""
    seen = ""
    while error is not None:
        seen += repr(error) + str(vars(error))
        error = error.__cause__ or error.__context__
    return seen
