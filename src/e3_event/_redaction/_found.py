"""A secret that was found, and patterns to find one in bytes."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple


class Found(NamedTuple):
    """A secret.

    :ivar begin: where that begins by which it is known, such as `password=`
    :ivar start: where it begins itself
    :ivar end: where it ends
    :ivar name: its shape, or its variable
    """

    begin: int
    start: int
    end: int
    name: str


@cache
def compiled(pattern: str) -> re.Pattern[bytes]:
    """The pattern for bytes; where case does not count, for bytes in small letters, as that is faster."""
    return re.compile(pattern.replace("(?i:", "(?:").encode())
