"""smtp: what its configuration string and its arguments may be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from e3_event import EventError, EventManager
from e3_event.handler.smtp import SMTPHandler
from e3_event.handler_tools import Secret


def handler(server: str = "localhost", **kwargs: Any) -> SMTPHandler:
    return SMTPHandler("a subject", "from@example.net", "to@example.net", server, **kwargs)


def again(made: SMTPHandler) -> SMTPHandler:
    """The handler that another process makes of the configuration string."""
    return SMTPHandler(**SMTPHandler.decode_config(made.encode_config()))


def test_the_attributes_are_the_documented_ones() -> None:
    made = SMTPHandler("s", "f@example.net", "t@example.net", "localhost")
    assert (made.default_subject, made.subject) == ("s", "s")
    assert (made.from_addr, made.to_addr, made.smtp_servers) == (
        "f@example.net",
        "t@example.net",
        ["localhost"],
    )


def test_a_configuration_string_of_e3_core_is_read_and_written_alike() -> None:
    config = "a subject,from@example.net,to@example.net,mail1.example.net,mail2"
    kwargs = SMTPHandler.decode_config(config)
    assert kwargs == {
        "subject": "a subject",
        "from_addr": "from@example.net",
        "to_addr": "to@example.net",
        "smtp_servers": ["mail1.example.net", "mail2"],
    }
    assert SMTPHandler(**kwargs).encode_config() == config


def test_several_recipients_and_commas_in_the_subject_survive_the_configuration_string() -> None:
    made = SMTPHandler("50% off, | today", "f@example.net", 'a@example.net, "Doe, Jo" <jo@example.net>', "h")
    copy = again(made)
    assert (copy.subject, copy.to_addr) == (made.subject, made.to_addr)


texts = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
hosts = st.one_of(
    st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)


@st.composite
def servers(draw: st.DrawFn) -> str:
    scheme = draw(st.sampled_from(["", "smtp://", "smtps://"]))
    port = draw(st.one_of(st.just(""), st.integers(1, 65535).map(":{}".format)))
    options = [f"timeout={draw(st.floats(0.001, 999))}"] if draw(st.booleans()) else []
    user = ""
    if draw(st.booleans()):
        user = draw(st.from_regex(r"[a-zA-Z0-9@%+._-]{1,9}", fullmatch=True)).replace("%", "%25") + "@"
        options.append(draw(st.sampled_from(["password_env=SMTP_PASSWORD", "password_file=/a%20b/c,d"])))
    elif scheme == "smtp://" and draw(st.booleans()):
        options.append("starttls=never")
    return f"{scheme}{user}{draw(hosts)}{port}" + ("?" + "&".join(options) if options else "")


@given(texts, st.lists(servers(), min_size=1, max_size=3))
@example("%2C,|%7C", ["smtps://me%40example.net@[::1]:465?password_env=P&ca_file=/a,b|c%25"])
def test_each_configuration_survives_its_string(subject: str, given_servers: list[str]) -> None:
    made = SMTPHandler(subject, "f@example.net", "t@example.net,u@example.net", given_servers)
    config = made.encode_config()
    assert "|" not in config
    copy = SMTPHandler(**SMTPHandler.decode_config(config))
    assert (copy.subject, copy.to_addr) == (made.subject, made.to_addr)
    assert copy._servers() == made._servers()


def test_what_was_given_for_all_servers_is_in_the_configuration_string() -> None:
    made = handler(
        "smtp://mail.example.net", user="me", password=Secret(env="PW"), ca_file="/ca.pem", timeout=2.5
    )
    assert again(made)._servers() == made._servers()
    assert "password_env=PW" in made.encode_config()


def test_handlers_go_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = EventManager(), EventManager()
    first.add_handler("smtp:oncall", "a, b|c", "f@example.net", "t@example.net,u@example.net", "localhost")
    monkeypatch.setenv("E3_EVENT_HANDLERS", "")
    first.handler_config_as_env()
    second.load_handlers_from_env()
    loaded = second.handlers["smtp:oncall"]
    assert isinstance(loaded, SMTPHandler)
    assert (loaded.subject, loaded.to_addr) == ("a, b|c", "t@example.net,u@example.net")


def test_a_password_given_as_such_is_never_exported_or_shown() -> None:
    made = handler("smtps://me@localhost", password="hunter2")
    with pytest.raises(EventError, match="can't be shared") as caught:
        made.encode_config()
    assert "hunter2" not in str(caught.value) + repr(vars(made)) + repr(made._servers())


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("", "the field `subject` is missing"),
        ("a", "the field `from` is missing"),
        ("a,b@example.net", "the field `to` is missing"),
        ("a,b@example.net,c@example.net", "the field `server` is missing"),
        ("a,b@example.net,c@example.net,", r"smtp_servers\[0\]: a server is"),
        ("a,,c@example.net,h", "from_addr: an address is missing"),
        ("a,b@example.net,no address,h", "to_addr: 'no address' is no mail address"),
        ("a,b@example.net,c@b\u00fc..example,h", "is no domain"),
        ("a,b@example.net%2Cd@example.net,c@example.net,h", "from_addr: one address only"),
        ("a,b@example.net,c@example.net,ok,http://h", r"smtp_servers\[1\]: the scheme"),
        ("a,b@example.net,c@example.net,h:x", "the port is a number"),
        ("a,b@example.net,c@example.net,h:0", "the port is a number"),
        ("a,b@example.net,c@example.net,h:65536", "the port is a number"),
        ("a,b@example.net,c@example.net,smtps://h:", "the port is a number"),
        ("a,b@example.net,c@example.net,[::g]", "a server is"),
        ("a,b@example.net,c@example.net,h h", "a server is"),
        ("a,b@example.net,c@example.net,h?nonsense=1", "an option is one of"),
        ("a,b@example.net,c@example.net,h?ca_file=", "an option is one of"),
        ("a,b@example.net,c@example.net,h?timeout=1&timeout=2", "an option is one of"),
        ("a,b@example.net,c@example.net,h?timeout=soon", "the timeout is"),
        ("a,b@example.net,c@example.net,h?timeout=-1", "the timeout is"),
        ("a,b@example.net,c@example.net,h?timeout=nan", "the timeout is"),
        ("a,b@example.net,c@example.net,smtp://h?starttls=perhaps", "`required` or `never`"),
        ("a,b@example.net,c@example.net,h?starttls=never", "with `smtp://` only"),
        ("a,b@example.net,c@example.net,smtp://me@h?starttls=never&password_env=P", "never sent without TLS"),
        ("a,b@example.net,c@example.net,smtps://me@h", "a user and a password go together"),
        ("a,b@example.net,c@example.net,smtps://h?password_env=P", "a user and a password go together"),
        ("a,b@example.net,c@example.net,smtps://me@h?password_env=P&password_file=F", "exactly one"),
    ],
)
def test_a_bad_configuration_string_is_named(config: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"smtp={config}")
    manager = EventManager()
    with pytest.raises(EventError, match=says):
        manager.load_handlers_from_env()
    assert manager.handlers == {}


@pytest.mark.parametrize(
    "server",
    [
        "smtps://me:hunter2@mail.example.net",
        "me:hunter2@mail.example.net",
        "smtps://me:hunter2%2C@mail.example.net",
        "smtps://me:hunter2,x@mail.example.net",
        "smtps://me:hunter2?x@mail.example.net",
        "smtps://me:hun/ter2@mail.example.net",
        "smtps://mail.example.net?password=hunter2",
        "smtps://mail.example.net?hunter2",
    ],
)
def test_a_password_in_a_configuration_string_is_refused_and_not_printed(server: str) -> None:
    config = f"s,f@example.net,t@example.net,{server}"
    with pytest.raises(EventError, match="smtp_servers") as caught:
        SMTPHandler(**SMTPHandler.decode_config(config))
    seen = str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)
    assert "hunter" not in seen
    assert "ter2" not in seen


def test_a_comma_too_many_between_recipients_does_no_harm() -> None:
    made = SMTPHandler("s", "f@example.net", "a@example.net,, b@example.net,", "localhost")
    assert [box.address for box in made._addresses()[1]] == ["a@example.net", "b@example.net"]


def test_no_server_at_all_is_refused() -> None:
    with pytest.raises(EventError, match="a server is missing"):
        SMTPHandler("s", "f@example.net", "t@example.net", [])


@pytest.mark.parametrize("field", ["subject", "from_addr", "to_addr"])
@pytest.mark.parametrize("char", ["\r\n", "\n", "\r", "\0", "\x1b", "\x85", "\u2028"])
def test_control_characters_are_refused_at_once(field: str, char: str) -> None:
    arguments: dict[str, Any] = {"subject": "s", "from_addr": "f@example.net", "to_addr": "t@example.net"}
    arguments[field] += f"{char}Bcc: x@example.net"
    with pytest.raises(EventError, match=f"{field}: .* control character"):
        SMTPHandler(**arguments, smtp_servers="localhost")
