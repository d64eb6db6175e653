"""Families: which event a new one is part of, across threads, tasks and processes.

`run` and `record` make their event the parent of those that begin inside. In a program a context variable
says which one that is; programs that are started learn it from two variables of their environment:
`E3_EVENT_PARENT`, its uid, and `TRACEPARENT`, its place in a trace.

Sources: W3C Trace Context, https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/trace-context-2/;
OpenTelemetry, "Environment Variables as Context Propagation Carriers",
https://opentelemetry.io/docs/specs/otel/context/env-carriers/.
"""

from __future__ import annotations

import os
import re
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from typing import Any

    from ._event import Event

#: The variable with the uid of the event that a program's events are part of.
PARENT_VAR = "E3_EVENT_PARENT"
TRACE_VAR = "TRACEPARENT"
#: What the makers of tracing tools add to it. It passes through as it is.
STATE_VAR = "TRACESTATE"
#: Longer values of the variables are not ours.
_LONGEST = 256
_FORM = "([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
#: The flags with a meaning: the caller may have recorded its part of the trace; its id is random.
_SAMPLED, _RANDOM = 1, 2
#: Those of a trace that is started here: what is kept of it is kept of all of it.
_OURS = _SAMPLED | _RANDOM


class Member:
    """An event as the parent of those inside it.

    :ivar uid: of the event; `None`: it is not known
    :ivar trace_id: of the trace that it is in, 32 hex digits; empty: in none
    :ivar span_id: its place there, 16 hex digits
    :ivar flags: those of the trace
    """

    __slots__ = ("_ended", "_token", "flags", "span_id", "trace_id", "uid")

    def __init__(self, uid: object, trace_id: str = "", span_id: str = "", flags: int = _OURS) -> None:
        self.uid = uid
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self._ended = False
        self._token: Token[Member | None] | None = None

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return what to add to the environment of a program so that its events become part of this one.

        :param environment: what they are added to
        """
        uid = self.uid if isinstance(self.uid, str) and _can_travel(self.uid) else ""
        added = {PARENT_VAR: uid, TRACE_VAR: f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"}
        if environment.get(STATE_VAR) and not _parsed(environment.get(TRACE_VAR, "")):
            added[STATE_VAR] = ""  # it tells of a trace that is not continued
        return added


_inside: ContextVar[Member | None] = ContextVar("e3_event_inside", default=None)


def parent(environment: Mapping[str, str]) -> Member | None:
    """Return what a new event is part of, if it is part of one.

    That is the event that is being recorded here, else the one that the environment tells of. What has not
    the right form there is ignored.
    """
    return innermost() or _told(environment)


def join(event: Event, environment: Mapping[str, str]) -> Member:
    """Write into an event what it is part of, and its own place in the trace; a key that it has stays.

    :return: the event as a parent. It becomes nobody's by this alone
    """
    above = parent(environment)
    keys = _keys(above)
    member = Member(
        event["uid"],
        keys.setdefault("trace_id", os.urandom(16).hex()),
        keys.setdefault("span_id", os.urandom(8).hex()),
        above.flags if above and above.trace_id else _OURS,
    )
    for key, value in keys.items():
        event._data.setdefault(key, value)
    return member


def belonging(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the data that say what an event is part of that has no place of its own in the trace."""
    return _keys(parent(environment))


def _keys(above: Member | None) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if above and above.uid is not None:
        keys["parent_uid"] = above.uid
    if above and above.trace_id:
        keys["trace_id"] = above.trace_id
        keys["parent_span_id"] = above.span_id
    return keys


def begin(event: Event) -> Member:
    """Let an event join its family, and be the parent of those that begin before its `end`."""
    return enter(join(event, os.environ))


def enter(member: Member) -> Member:
    """Let it be the parent of those that begin before its `end`."""
    member._token = _inside.set(member)
    return member


def end(member: Member) -> None:
    """Put back what was before its `begin` or `enter`, in whatever order, thread and context blocks end."""
    member._ended = True
    innermost()


def innermost() -> Member | None:
    """The event that is being recorded.

    Where a block ended while another one was inside it (generators), or in another context than it began in,
    it is still there, and goes now. A task that goes on when the block that started it has ended stays part
    of it: its context is a copy, for which the token is not good.
    """
    while (member := _inside.get()) is not None and member._ended and member._token:
        try:
            _inside.reset(member._token)
        except (RuntimeError, ValueError):  # of another context
            break
    return member


def _told(environment: Mapping[str, str]) -> Member | None:
    uid = environment.get(PARENT_VAR, "")
    trace = _parsed(environment.get(TRACE_VAR, ""))
    if not _can_travel(uid):
        return Member(None, *trace) if trace else None
    return Member(uid, *(trace or ()))


def _can_travel(uid: str) -> bool:
    return 0 < len(uid) <= _LONGEST and uid.isprintable()


def _parsed(text: str) -> tuple[str, str, int] | None:
    """What a `traceparent` says: trace, span and flags; `None`: it is none.

    A later version may have further fields, which mean nothing to us, and of its flags we know the first.
    """
    match = re.fullmatch(_FORM, text) if 0 < len(text) <= _LONGEST else None
    if match is None:
        return None
    version, trace_id, span_id, flags, further = match.groups()
    if version == "ff" or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    if version == "00":
        return None if further else (trace_id, span_id, int(flags, 16) & _OURS)
    return trace_id, span_id, int(flags, 16) & _SAMPLED
