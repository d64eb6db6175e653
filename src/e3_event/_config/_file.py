"""A configuration file -> spool, redaction, handlers and policies: typed, and validated whole before use."""

from __future__ import annotations

import os
import re
import stat

import msgspec

from e3_event import _plugins
from e3_event._errors import EventError
from e3_event._logger import logger
from e3_event._redact import redact
from e3_event._retry import DEADLINE, RetryPolicy

from ._arguments import masked, take_arguments
from ._document import Document, did_you_mean, dotted
from ._place import SpoolConfig
from ._redaction import RedactConfig, take_redaction
from ._values import count, duration, path, positive, shown, size, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    from e3_event._handler import EventHandler

    from ._document import Table

#: Keys of a handler's table that are ours; the others are arguments of its constructor.
HANDLER_KEYS = ("type", "retry", "order", "rate", "deadline", "when")
_NAME = re.compile(r"[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?")


class HandlerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One handler of the file.

    :ivar name: its name, by which its deliveries are known
    :ivar kind: its type
    :ivar cls: the class of the type
    :ivar arguments: for the constructor; may hold secrets, and is in no repr
    :ivar shown: the same as the file has them, with secrets masked
    :ivar retry: how long a delivery is tried
    :ivar order: `strict`: an event that can't be delivered blocks those behind it
    :ivar rate: deliveries a second at most; `None`: as many as it takes
    :ivar deadline: seconds that a call may take before the handler is taken to hang
    """

    name: str
    kind: str
    cls: type[EventHandler]
    arguments: Mapping[str, Any]
    shown: Mapping[str, Any]
    retry: RetryPolicy
    order: Literal["strict", "live"]
    rate: float | None
    deadline: float

    def build(self) -> EventHandler:
        """Make the handler; each call makes a new one.

        :raises EventError: an extra is missing, or the arguments do not fit; says which
        """
        _plugins.require(self.cls)
        try:
            return self.cls(**self.arguments)
        except (TypeError, ValueError) as error:  # a foreign handler; its text might hold a secret
            raise EventError(f"the configuration does not fit ({type(error).__name__})") from None

    def __repr__(self) -> str:
        return f"HandlerConfig(name={self.name!r}, kind={self.kind!r})"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration file says.

    :ivar document: the file
    :ivar spool: `None`: events are not kept, but given to the handlers at once (`spool = "none"`)
    :ivar redact: what is masked of what we capture
    :ivar handlers: `{name: handler}`, in the order of the file
    """

    document: Document
    spool: SpoolConfig | None
    redact: RedactConfig
    handlers: Mapping[str, HandlerConfig]


def load_config(file: str) -> Config:
    """Read and validate a configuration file. Every handler was made once, so that all of them can be made.

    A secret that stands in a file that everybody can read is warned about.

    :param file: its path
    :raises ConfigError: names every problem, with file, line and key, and what would be right
    """
    document = Document(file)
    top = document.table((), document.data)
    usual: SpoolConfig | None = SpoolConfig()
    spool = top.take("spool", lambda value: _spool(value, document), usual)
    redact = take_redaction(top.table("redact"))
    named = top.table("handlers").rest
    found = [_handler(name, value, document) for name, value in named.items()]
    top.end()
    document.check()
    return Config(
        document=document,
        spool=spool,
        redact=redact,
        handlers={handler.name: handler for handler in found if handler},
    )


def _spool(value: Any, document: Document) -> SpoolConfig | None:
    if value == "none":
        return None
    table = document.table(("spool",), value)
    usual = SpoolConfig()
    found = SpoolConfig(
        path=table.take("path", path, usual.path),
        max_size=table.take("max_size", size, usual.max_size),
        retention=table.take("retention", duration, usual.retention),
    )
    table.end()
    return found


def _handler(name: str, given: Any, document: Document) -> HandlerConfig | None:
    """Return a handler; `None` if its type is not clear, which is a problem."""
    table = document.table(("handlers", name), given)
    if not isinstance(given, dict):
        return None
    kind = table.take("type", text, name.partition(":")[0])
    retry = _retry(table.table("retry"))
    usual: Literal["strict", "live"] = "live"
    order = table.take("order", _order, usual)
    rate = table.take("rate", positive, None)
    deadline = table.take("deadline", duration, DEADLINE)
    table.take("when", _refuse_when, None)
    cls = _class(name, kind, table, is_given="type" in given)
    if cls is None:
        return None
    arguments = take_arguments(cls, table)
    table.end()
    found = HandlerConfig(
        name=name,
        kind=kind,
        cls=cls,
        arguments=arguments,
        shown={key: masked(key, given[key], value) for key, value in arguments.items()},
        retry=retry,
        order=order,
        rate=rate,
        deadline=deadline,
    )
    if not table.has_problems:
        _try(found, table)
    _warn_of_secrets(found, given, document)
    return found


def _class(name: str, kind: str, table: Table, *, is_given: bool) -> type[EventHandler] | None:
    """Return the class of a type, where name and type fit each other."""
    own, colon, _ = name.partition(":")
    if not _NAME.fullmatch(name):
        table.problem("", "a handler's name has letters, digits, `_`, `-`, `.`, and one `:` before its label")
        return None
    if not _plugins.is_installed(kind):
        what = f"no handler {shown(kind)} is installed{did_you_mean(kind, sorted(_plugins.installed()))}"
        table.problem("type", what if is_given else f"is missing, and {what}")
        return None
    if own != kind and (colon or _plugins.is_installed(own)):  # shared by its name it would be of that
        table.problem("type", f"a handler that is called {name} is of the type {own}; give it another name")
        return None
    try:
        return _plugins.find(kind)
    except EventError as error:
        table.problem("type", error.messages[-1])
        return None


def _retry(table: Table) -> RetryPolicy:
    usual = RetryPolicy()
    attempts = table.take("attempts", count, usual.attempts)
    first = table.take("first", duration, usual.first)
    longest = table.take("longest", duration, usual.longest)
    age = table.take("age", duration, usual.age)
    table.end()
    try:
        return RetryPolicy(attempts=attempts, first=first, longest=longest, age=age)
    except EventError as error:
        table.problem("", error.messages[-1])
        return usual


def _order(value: Any) -> Literal["strict", "live"]:
    if value == "strict":
        return "strict"
    if value == "live":
        return "live"
    raise EventError(f'"strict" or "live" is needed, not {shown(value)}')


def _refuse_when(_value: Any) -> None:
    raise EventError("this version can't choose events yet; without `when` the handler gets all of them")


def _try(found: HandlerConfig, table: Table) -> None:
    """Make the handler, as only its constructor knows the rest of what it takes."""
    try:
        found.build()
    except EventError as error:
        table.problem("", redact(error.messages[-1]))
    except Exception as error:  # noqa: BLE001  a foreign handler; its text might hold a secret
        table.problem("", f"the configuration does not fit ({type(error).__name__})")


def _warn_of_secrets(found: HandlerConfig, given: Mapping[str, Any], document: Document) -> None:
    for key, value in found.shown.items():
        if value != given[key] and _everybody_reads(document.mode):
            where = ("handlers", found.name, key)
            logger.warning(
                '%s: %s: a secret in a file that everybody can read; give { env = "NAME" }'
                ' or { file = "PATH" }, or take the right to read it from others (chmod o-r)',
                document.where(where),
                dotted(where),
            )


def _everybody_reads(mode: int) -> bool:
    return os.name == "posix" and bool(mode & stat.S_IROTH)
