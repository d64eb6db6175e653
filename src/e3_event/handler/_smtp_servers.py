"""What names a mail server in a configuration: host, port, TLS, login."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from e3_event import EventError
from e3_event.handler_tools import Secret

#: Seconds that a server may take for one answer, unless it is told otherwise.
TIMEOUT = 30.0

_HOST = re.compile(r"[\w.-]+").fullmatch
_OPTIONS = ("password_env", "password_file", "ca_file", "starttls", "timeout")


@dataclass(frozen=True)
class Server:
    """A mail server and how to talk to it. `str(server)` is what `parse` reads.

    :ivar scheme: `smtps` (TLS from the first byte), `smtp` (STARTTLS), or empty: `smtps`, but plain SMTP
        where the feature `smtp_nossl` is enabled, as documented
    :ivar port: 0 is the usual one: 465 for `smtps`, 25 for `smtp`, 587 for `smtp` with a user
    :ivar starttls: whether `smtp` needs STARTTLS
    :ivar timeout: seconds for one answer
    """

    host: str
    scheme: str = ""
    port: int = 0
    user: str = ""
    password: Secret | None = None
    ca_file: str = ""
    starttls: bool = True
    timeout: float = TIMEOUT

    def __post_init__(self) -> None:
        if bool(self.user) != (self.password is not None):
            raise EventError(
                "a user and a password go together, as in `smtps://user@host?password_env=SMTP_PASSWORD`"
            )
        if not self.starttls and self.scheme != "smtp":
            raise EventError("`starttls` goes with `smtp://` only")
        if not self.starttls and self.user:
            raise EventError("a password is never sent without TLS: leave out `starttls=never`, or the user")
        if not 0 < self.timeout <= 86400:
            raise EventError("the timeout is a number of seconds above 0, as in `?timeout=30`")

    @property
    def encrypted(self) -> bool:
        """Is TLS spoken from the first byte?"""
        if self.scheme:
            return self.scheme == "smtps"
        features = os.environ.get("E3_ENABLE_FEATURE", "").split(",")
        return "smtp_nossl" not in [feature.strip() for feature in features]

    @property
    def needs_starttls(self) -> bool:
        return self.scheme == "smtp" and self.starttls

    @property
    def usual_port(self) -> int:
        """The port; 0 leaves the choice to smtplib."""
        return self.port or (587 if self.user and self.scheme == "smtp" else 0)

    @property
    def address(self) -> str:
        """Host and port as people write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host

    def __str__(self) -> str:
        """The configuration text.

        :raises EventError: the password is given as such; only a reference can be shared
        """
        options = {"ca_file": self.ca_file, "starttls": "" if self.starttls else "never"}
        if self.password is not None:
            if not self.password.shareable:
                raise EventError(
                    f"the password for {self.address} is given as such and can't be shared with other"
                    " processes; give Secret(env=…) or Secret(file=…)"
                )
            options |= {"password_env": self.password.env, "password_file": self.password.file}
        if self.timeout != TIMEOUT:
            options["timeout"] = repr(self.timeout)
        scheme = f"{self.scheme}://" if self.scheme else ""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        query = "&".join(f"{key}={quote(value)}" for key, value in options.items() if value)
        return f"{scheme}{user}{self.address}" + (f"?{query}" if query else "")


def parse(
    text: str,
    where: str,
    *,
    user: str = "",
    password: Secret | None = None,
    ca_file: str = "",
    timeout: float = TIMEOUT,
) -> Server:
    """Read `[scheme://][user@]host[:port][?option=value[&…]]`.

    The text itself is in no error: it may hold a secret that does not belong there.

    :param where: what the text is, for errors, such as `smtp_servers[0]`
    :param user: for a server that names none; likewise `password`, `ca_file` and `timeout`
    :raises EventError: says what is wrong, and where
    """
    try:
        address, _, query = text.strip().partition("?")
        scheme, login, host, port = _address(address)
        options = _options(query)
        return Server(
            host=host,
            scheme=scheme,
            port=port,
            user=login or user,
            password=_password(options) or password,
            ca_file=options.get("ca_file", ca_file),
            starttls=options.get("starttls") != "never",
            timeout=_seconds(options.get("timeout", timeout)),
        )
    except EventError as error:
        raise EventError(f"{where}: {error.messages[-1]}") from None


def _address(text: str) -> tuple[str, str, str, int]:
    """Split `[scheme://][user@]host[:port]`; a bare IPv6 address is a host."""
    scheme, separator, rest = text.rpartition("://")
    scheme = scheme.lower()
    if separator and scheme not in ("smtp", "smtps"):
        raise EventError("the scheme is `smtps://` or `smtp://`, or none")
    login, _, place = rest.rpartition("@")
    if ":" in login:
        raise EventError("no password belongs here; give `?password_env=NAME` or `?password_file=PATH`")
    place = place.removesuffix("/")
    bracket = re.fullmatch(r"\[(.*)\](?::(.*))?", place)
    if bracket:
        host, port = bracket[1], bracket[2]
    elif place.count(":") > 1:
        host, port = place, None
    else:
        host, colon, port = place.partition(":")
        port = port if colon else None
    if not (_is_ipv6(host) if bracket or (port is None and ":" in host) else _HOST(host)):
        raise EventError(
            "a server is `host`, `host:port`, `smtps://user@host:port` or `smtp://user@host:port`"
        )
    if port is None:
        return scheme, unquote(login), host, 0
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536 and len(port) < 6):
        raise EventError("the port is a number from 1 to 65535, as in `smtps://mail.example.net:465`")
    return scheme, unquote(login), host, int(port)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in query.split("&") if query else ():
        key, _, value = item.partition("=")
        if key not in _OPTIONS or not value or key in options:
            raise EventError(f"an option is one of {', '.join(_OPTIONS)}, once and with a value")
        options[key] = unquote(value)
    if options.get("starttls", "required") not in ("required", "never"):
        raise EventError("`starttls` is `required` or `never`")
    return options


def _password(options: dict[str, str]) -> Secret | None:
    env, file = options.get("password_env", ""), options.get("password_file", "")
    return Secret(env=env, file=file) if env or file else None


def _seconds(value: str | float) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0  # what `Server` refuses
