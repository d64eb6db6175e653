"""A snapshot on its way into the spool: JSON, in the form that `Stored` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from e3_event._codec import MAX_INT, MIN_INT, as_text
from e3_event._event import Event

from ._json import encode

if TYPE_CHECKING:
    from e3_event._event import Snapshot

    from ._blobs import Capture


def encode_snapshot(snapshot: Snapshot, capture: Capture) -> bytes:
    """Encode a snapshot, with what was captured of its attachments and marks for what could not be."""
    shown = snapshot._apart
    if capture.changed or capture.left_out:
        shown = _marked(snapshot._shown, capture)
    stored = {"data": snapshot._data, "closed": snapshot._closed}
    if shown is not None:
        stored["shown"] = shown
    if capture.captured:
        stored["attachments"] = capture.captured
    return encode(stored)


def _marked(shown: dict[str, Any], capture: Capture) -> dict[str, Any]:
    """What an event shows, with marks for attachments that changed or went since its snapshot was made."""
    marked = dict(shown)
    if capture.changed:
        known = marked.get("attachments_changed", [])
        if isinstance(known, list):  # otherwise it is the program's own
            marked["attachments_changed"] = sorted({*known, *map(as_text, capture.changed)})
    if capture.left_out:
        known = marked.get("attachments_left_out", {})
        if isinstance(known, dict):
            gone = {as_text(name): reason for name, reason in capture.left_out.items()}
            marked["attachments_left_out"] = known | gone
    return marked


def encode_plain(event: Event) -> bytes | None:
    """Encode an event that is no snapshot, has no attachments, and plain data only, as its snapshot would be.

    :return: `None` if it is not such an event
    """
    if type(event) is not Event or event._attachments or event._formatters:
        return None
    data = event._data.copy()
    for key, value in data.items():
        kind = type(value)
        if type(key) is not str:
            return None
        if kind is str or kind is bool:
            continue
        if kind is int:
            if not MIN_INT <= value <= MAX_INT:
                return None
        elif kind is not float or value - value:  # it is NaN for both NaN and infinity
            return None
    try:
        return encode({"data": data, "closed": event._closed})
    except UnicodeEncodeError:  # a lone surrogate
        return None
