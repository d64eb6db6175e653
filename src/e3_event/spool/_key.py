"""What a subscription is known by."""

from __future__ import annotations

from typing import NamedTuple

#: Seconds after which it is written down again that a subscription is in use.
REFRESH = 3600.0


class Key(NamedTuple):
    """What a subscription is known by.

    :ivar name: of its handler
    :ivar fingerprint: of the handler's configuration, for one of the environment or a program; empty for one
        of the configuration file, which is known by its name
    """

    name: str
    fingerprint: str = ""
