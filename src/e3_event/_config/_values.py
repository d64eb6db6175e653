"""Single values of a configuration file: durations, sizes, paths. Each function says what would be right."""

from __future__ import annotations

import math
import os
import re

from e3_event._errors import EventError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {
    "b": 1,
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", 1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgt", 1)},
}
_QUANTITY = r"(?ai:(\d{1,15}(?:\.\d{1,9})?) ?([a-z]+))"


def duration(value: Any) -> float:
    """Return the seconds of `"5s"`, `"1.5h"`, `"30d"` or of a number.

    :raises EventError: it is no time, or not more than 0
    """
    return _quantity(value, _SECONDS, 'a time such as "5s", "10m", "1.5h", "30d", or a number of seconds')


def size(value: Any) -> int:
    """Return the bytes of `"10GiB"` (1024 based), `"500MB"` (1000 based) or of a number.

    :raises EventError: it is no size, or less than a byte
    """
    wanted = 'a size such as "10GiB" or "500MB", or a number of bytes'
    found = int(_quantity(value, _BYTES, wanted))
    if found < 1:
        raise EventError(f"{wanted} is needed, not {shown(value)}")
    return found


def _quantity(value: Any, units: dict[str, float], wanted: str) -> float:
    number = math.nan
    if isinstance(value, str):
        found = re.fullmatch(_QUANTITY, value.strip())
        if found and found[2].lower() in units:
            number = float(found[1]) * units[found[2].lower()]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    if not 0 < number < 2**63:
        raise EventError(f"{wanted} is needed, not {shown(value)}")
    return number


def count(value: Any) -> int:
    """Return a whole number.

    :raises EventError: it is none
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise EventError(f"a whole number is needed, not {shown(value)}")
    return value


def positive(value: Any) -> float:
    """Return a number above 0.

    :raises EventError: it is none
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise EventError(f"a number above 0 is needed, not {shown(value)}")
    return float(value)


def text(value: Any) -> str:
    """Return a text that is not empty.

    :raises EventError: it is none
    """
    if not isinstance(value, str) or not value:
        raise EventError(f"a text is needed, not {shown(value)}")
    return value


def path(value: Any) -> str:
    """Return an absolute path; `~/` at its beginning is the home folder. The current folder never counts.

    :raises EventError: it is no text, or relative
    """
    found = os.path.expanduser(text(value))
    if not os.path.isabs(found) or "\0" in found:
        raise EventError(f"an absolute path is needed, or one that begins with ~/, not {shown(value)}")
    return found


def shown(value: Any) -> str:
    """Return a value as TOML writes it; of tables and lists only what they are, and no secret."""
    from e3_event._redact import redact

    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        import json

        return redact(json.dumps(value, ensure_ascii=False))
    return str(value)
