"""The event that tells that a command has begun."""

from __future__ import annotations

import threading

from e3_event._course import Course
from e3_event._event import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event._manager import EventManager

#: Keys of a command's event that are not those of its beginning.
_OTHER = ("uid", "parent_uid", "span_id", "parent_span_id")


def tell_start(manager: EventManager, event: Event, redact: str | None) -> None:
    """Send an event of the same name and data, with `status` `running`, which is part of the command's own.

    It is sent by a thread of its own: the command does not wait for it.

    :param event: that of the command, as far as it is known
    :param redact: as for `Job`
    """
    start = Event(event.name)
    for key, value in event._data.items():
        if key not in _OTHER:
            setattr(start, key, value)
    start.status = "running"
    start.parent_uid, start.parent_span_id = event.uid, event.span_id
    start.close()
    course = Course(manager, start, redact)
    threading.Thread(target=course.send, name="e3-event start", daemon=True).start()
