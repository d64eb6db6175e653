"""Unique ids."""

from __future__ import annotations


def unique_id() -> str:
    """Return a new globally unique id: a UUIDv7 as text, so that ids sort by the time of their making.

    No two ids are equal across threads, processes (forked ones included) and machines.
    Source: RFC 9562, section 5.7.
    """
    return str(_uuid7())


def _uuid7() -> object:
    """Load the generator at the first call (as costly as the rest of the package) and take its place."""
    global _uuid7
    try:
        from uuid import uuid7  # type: ignore[attr-defined,unused-ignore]  # Python 3.14
    except ImportError:
        from uuid_utils import uuid7
    _uuid7 = uuid7
    return uuid7()
