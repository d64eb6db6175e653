"""What a check of a spool finds."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Is called now and then: what is being looked at, how much of it is done, of how much.
    Progress = Callable[[str, int, int], None]


class Kind(enum.StrEnum):
    """What is damaged, or was lost."""

    DISK = "disk"  #: it failed, or a repair did not come to its end
    DATABASE = "database"  #: its pages, its indexes or its schema
    TOTALS = "totals"  #: the sums that the spool keeps
    AUDIENCE = "audience"  #: the record of who is owed events
    HANDLER = "handler"  #: the record of how far a handler has come
    EVENT = "event"  #: its record, or an attachment
    MISSING = "missing"  #: events that are not there, and were not removed
    ATTACHMENT = "attachment"  #: small attachments without an event
    DELIVERY = "delivery"  #: the record of what became of one
    UNKNOWN = "unknown"  #: nothing says what became of a delivery
    REMAINS = "remains"  #: files that belong to no event
    MARK = "mark"  #: the file that shows lost ends
    LOST = "lost"  #: noted before, until a repair has seen to it


class Finding(NamedTuple):
    """Something that is not as it should be.

    :ivar what: in words
    :ivar key: what the repair finds it by
    :ivar done: what was done about it; empty: nothing
    """

    kind: Kind
    what: str
    key: tuple[int | str, ...] = ()
    done: str = ""
