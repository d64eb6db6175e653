"""What mail servers answer: yes, no to somebody, or nothing that helps."""

from __future__ import annotations

import smtplib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e3_event import EventError
from e3_event.handler_tools import describe

from ._mail_headers import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._smtp_servers import Server


class UnavailableError(EventError):
    """The server took the mail for nobody, and has not judged it: it is safe to go elsewhere with it."""


class UnknownOutcomeError(EventError):
    """The mail was handed over, but the verdict got lost."""


@dataclass(frozen=True)
class Refusal:
    """A server's No to one recipient."""

    code: int
    text: str

    @property
    def permanent(self) -> bool:
        return 500 <= self.code < 600

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


#: What became of each recipient; `None`: the server took the mail for them.
Answers = dict[str, Refusal | None]


@contextmanager
def named(server: Server) -> Iterator[None]:
    """Make the errors of libraries ours, and name the server in each."""
    try:
        yield
    except (UnavailableError, UnknownOutcomeError) as error:
        raise type(error)(f"{server.address}: {error.messages[-1]}") from error.__cause__
    except EventError:
        raise
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise UnavailableError(f"{server.address}: {said(error)}") from error


def said(error: Exception) -> str:
    """What an error of smtplib or a socket says, with what the server answered."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {readable(error.smtp_error)}"
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, OSError):
        return describe(error.__context__)  # such as a time-out
    return one_line(describe(error))


def readable(text: bytes | str) -> str:
    """A server's answer in one line."""
    shown = text.decode(errors="replace") if isinstance(text, bytes) else text
    return " ".join(one_line(shown).split())[:300]
