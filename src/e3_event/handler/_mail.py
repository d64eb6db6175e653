"""A snapshot as a mail, encoded piece by piece, so that memory stays flat."""

from __future__ import annotations

import binascii
import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from e3_event import DeliveryError, RejectedError
from e3_event.handler_tools import attachments, content_type, event_json, message_text, snapshot_id

from ._mail_headers import address_header, attachment_headers, subject_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import BinaryIO, Self

    from e3_event import Event

    from ._mail_headers import Mailbox

#: The largest mail in bytes: 40 MiB and more is refused, as documented.
LARGEST = 40 * 2**20 - 1

_LINE = 57  # bytes that make one line of base64
_PIECE = _LINE * 4096
_LONGEST_LINE = 998  # RFC 5322, section 2.1.1


@dataclass(frozen=True)
class Envelope:
    """Who writes to whom about what.

    :ivar from_addr: as given; `sender` is what it says
    :ivar to_addr: as given; `recipients` are what it says
    :ivar verbatim: the subject is the configured one, without anything from the event in it
    """

    subject: str
    verbatim: bool
    from_addr: str
    sender: Mailbox
    to_addr: str
    recipients: tuple[Mailbox, ...]


@dataclass(frozen=True)
class _File:
    """An attachment, open. Its size is what it was when it was opened; what is written later is not sent."""

    name: str
    headers: bytes
    source: BinaryIO
    size: int

    @property
    def encoded_size(self) -> int:
        characters = (self.size + 2) // 3 * 4
        return characters + (self.size + _LINE - 1) // _LINE * 2

    def chunks(self) -> Iterator[bytes]:
        try:
            self.source.seek(0)
            left = self.size
            while left and (piece := self.source.read(min(_PIECE, left))):
                left -= len(piece)
                yield base64_lines(piece)
        except OSError as error:
            raise DeliveryError(f"attachment {self.name!r} can't be read: {error}") from error


class Mail:
    """A snapshot as a mail: multipart/mixed, its JSON first, then the attachments, then the text for people.

    The order is the documented one, so that programs find the parts where they always were; readers of mail
    show the text, the only part that is no attachment, wherever it stands.

    A context manager: it holds the attachments open, each of them until the end.
    """

    def __init__(self, event: Event, envelope: Envelope) -> None:
        self.snapshot_id = snapshot_id(event)
        self.envelope = envelope
        self.too_large: tuple[_File, ...] = ()
        self._text = message_text(event)
        self._unreadable: list[str] = []
        self._open = ExitStack()
        self._boundary = f"=_{self.snapshot_id}"
        self._date = format_datetime(datetime.now(UTC))
        self._json = attachment_headers("event", "application/json") + base64_lines(event_json(event))
        self._files = self._opened(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def message_id(self) -> str:
        """The same for each try of one snapshot, so that the other side can tell a repetition."""
        domain = self.envelope.sender.address.partition("@")[2]
        return f"<{self.snapshot_id}@{domain if re.fullmatch('[A-Za-z0-9.-]+', domain) else 'localhost'}>"

    @property
    def needs_utf8(self) -> bool:
        """Is there an address beyond ASCII, which a server must be able to take (RFC 6531)?"""
        boxes = (self.envelope.sender, *self.envelope.recipients)
        return not all(box.address.isascii() for box in boxes)

    def fit(self, largest: int, whose: str) -> None:
        """Leave out the largest attachments until the mail is small enough; its text names them.

        :param largest: bytes that the mail may have
        :param whose: whose limit that is, for the error
        :raises RejectedError: too large even without attachments
        """
        self.too_large = ()
        by_size = sorted(self._files, key=lambda file: file.size, reverse=True)
        while (size := self.size()) > largest:
            if len(self.too_large) == len(by_size):
                raise RejectedError(
                    f"the mail is too large: {size} bytes without attachments, {whose} takes {largest}"
                )
            self.too_large = tuple(by_size[: len(self.too_large) + 1])

    def size(self, *, utf8: bool = False) -> int:
        """The size of the mail in bytes, as the server will count it."""
        return sum(part.encoded_size if isinstance(part, _File) else len(part) for part in self._parts(utf8))

    def chunks(self, *, utf8: bool = False) -> Iterator[bytes]:
        """The mail in pieces, each of which starts a line.

        :param utf8: the server takes addresses beyond ASCII
        :raises DeliveryError: an attachment can't be read any more
        """
        for part in self._parts(utf8):
            if isinstance(part, _File):
                yield from part.chunks()
            else:
                yield part

    def _parts(self, utf8: bool) -> Iterator[bytes | _File]:
        separator = f"--{self._boundary}\r\n".encode()
        yield self._headers(utf8) + separator + self._json + separator
        for file in self._files:
            if file not in self.too_large:
                yield file.headers
                yield file
                yield separator
        yield _text_part(self._text + self._notes()) + f"--{self._boundary}--\r\n".encode()

    def _headers(self, utf8: bool) -> bytes:
        envelope = self.envelope
        return b"".join(
            (
                f'Content-Type: multipart/mixed; boundary="{self._boundary}"\r\n'.encode(),
                b"MIME-Version: 1.0\r\n",
                subject_header(envelope.subject, verbatim=envelope.verbatim),
                address_header("From", envelope.from_addr, (envelope.sender,), utf8=utf8),
                address_header("To", envelope.to_addr, envelope.recipients, utf8=utf8),
                f"Date: {self._date}\r\nMessage-ID: {self.message_id}\r\n\r\n".encode(),
            )
        )

    def _notes(self) -> str:
        notes = self._unreadable + [
            f"Attachment left out, too large for this mail: {file.name!r} ({file.size / 1e6:.1f} MB)"
            for file in self.too_large
        ]
        return "\n" + "\n".join(notes) + "\n" if notes else ""

    def _opened(self, event: Event) -> list[_File]:
        files = []
        for attachment in attachments(event):
            try:
                source = self._open.enter_context(attachment.open())
                size = os.fstat(source.fileno()).st_size
            except OSError as error:  # it was there when the snapshot was made
                self._unreadable.append(
                    f"Attachment left out, it can't be read: {attachment.name!r} ({error.strerror or error})"
                )
                continue
            headers = attachment_headers(attachment.name, _type_of(attachment.path))
            files.append(_File(attachment.name, headers, source, size))
        return files


def base64_lines(raw: bytes) -> bytes:
    """Encode in base64, in lines of 76 characters that end in CRLF."""
    encoded = binascii.b2a_base64(raw, newline=False)
    lines = [encoded[start : start + 76] for start in range(0, len(encoded), 76)]
    return b"\r\n".join(lines) + b"\r\n" if lines else b""


def _text_part(text: str) -> bytes:
    """The part for people: as it is where mail allows that, else in base64."""
    lines = text.split("\n")
    plain = text.isascii() and max(map(len, lines)) <= _LONGEST_LINE
    encoding = "7bit" if plain else "base64"
    headers = (
        f"Content-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\nContent-Disposition: inline\r\n\r\n"
    ).encode()
    return headers + ("\r\n".join(lines).encode() if plain else base64_lines(text.encode()))


def _type_of(path: str) -> str:
    """The media type of a file by its name, as documented."""
    kind, encoding = content_type(path)
    if encoding == "gzip" and kind == "application/x-tar":
        return "application/x-tar-gz"
    return "application/octet-stream" if kind is None or encoding else kind
