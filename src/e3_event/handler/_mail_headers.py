"""Mail headers that nothing can be injected into: addresses, subject, names of attachments."""

from __future__ import annotations

import re
from email.header import Header
from email.utils import formataddr, unquote
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from e3_event import EventError
from e3_event.handler_tools import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search
_BETWEEN_COMMAS = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^,])+').findall
_NAMED = re.compile(r"(.*?)\s*<([^<>]*)>").fullmatch
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\\\"@]+(@([^\s<>()\[\],;:\\\"@]+|\[[\w.:]+\]))?").fullmatch
_LINE = 76
_LONGEST_LINE = 900  # of 998: RFC 5322, section 2.1.1


class Mailbox(NamedTuple):
    """A person's name, which may be empty, and address, whose domain is ASCII."""

    name: str
    address: str

    def __str__(self) -> str:
        return formataddr(self) if self.address.isascii() else f"{self.name} <{self.address}>".strip()


@lru_cache(256)
def mailboxes(field: str, text: str) -> tuple[Mailbox, ...]:
    """Read `address` or `Name <address>`, several of them between commas.

    :param field: what the text is, for errors
    :raises EventError: a control character, or no address; says which field
    """
    refuse_control_characters(field, text)
    found = []
    for piece in _BETWEEN_COMMAS(text):
        if not piece.strip():
            continue
        named = _NAMED(piece.strip())
        name, address = (unquote(named[1].strip()), named[2].strip()) if named else ("", piece.strip())
        if not _ADDRESS(address):
            raise EventError(f"{field}: {piece.strip()!r} is no mail address, as in me@example.net")
        found.append(Mailbox(name, _with_ascii_domain(field, address)))
    if not found:
        raise EventError(f"{field}: an address is missing, as in me@example.net")
    return tuple(found)


def _with_ascii_domain(field: str, address: str) -> str:
    local, at, domain = address.rpartition("@")
    if address.isascii() or not at:
        return address
    try:
        return local + at + domain.encode("idna").decode()
    except UnicodeError:
        raise EventError(f"{field}: {domain!r} is no domain") from None


def refuse_control_characters(field: str, text: str) -> None:
    """Let nothing pass that could end a header or a command.

    :raises EventError: says which field
    """
    if _CONTROL(text):
        raise EventError(f"{field}: {text!r} has a line break or another control character")


def one_line(text: str) -> str:
    """Put a space in place of what can't be seen: control characters, line ends, changes of direction."""
    return "".join(char if char.isprintable() else " " for char in text)


@lru_cache(256)
def subject_header(text: str, *, verbatim: bool) -> bytes:
    """The Subject line; what is not ASCII as in RFC 2047.

    :param verbatim: `=?…?=` in *text* stands as it is; else it is shown literally by the reader
    """
    plain = text.isascii() and (verbatim or "=?" not in text)
    return _folded("Subject", text, plain=plain)


@lru_cache(256)
def address_header(name: str, given: str, boxes: Sequence[Mailbox], *, utf8: bool) -> bytes:
    """A From or To line: as given when that is ASCII, names as in RFC 2047 otherwise.

    :param utf8: addresses beyond ASCII can be written (RFC 6532); else they are left out
    """
    if given.isascii():
        return _folded(name, given, plain=True)
    next_line = ",\r\n "
    shown = [str(box) for box in boxes if utf8 or box.address.isascii()]
    return f"{name}: {next_line.join(shown)}\r\n".encode()


def _folded(name: str, text: str, *, plain: bool) -> bytes:
    """Break a header into lines: between words, or in encoded words where one is too long for a line."""
    longest = max(map(len, text.split()), default=0) + len(name) + 2
    plain = plain and longest < _LONGEST_LINE
    width = _LINE if not plain or longest < _LINE else _LONGEST_LINE
    header = Header(text, "us-ascii" if plain else "utf-8", maxlinelen=width, header_name=name)
    return f"{name}: ".encode() + header.encode(linesep="\r\n").encode("ascii") + b"\r\n"


@lru_cache(256)
def attachment_headers(name: str, content_type: str) -> bytes:
    """The headers of a part that is an attachment, in base64.

    :param name: its name; made safe for those who store it
    """
    safe = safe_name(name)
    shown = f'filename="{safe}"' if safe.isascii() else f"filename*=utf-8''{quote(safe, safe='')}"  # RFC 2231
    return (
        f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment; {shown}\r\n\r\n"
    ).encode("ascii")
