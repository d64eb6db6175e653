"""What is taken out of observations, as it differs from run to run: ids, times, addresses, folders."""

from __future__ import annotations

import re
from typing import Any

_CHANGING = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"), "<time>"),
    (re.compile(r"\b0x[0-9a-f]+\b"), "<address>"),
)


def normalised(value: Any, folder: str) -> Any:
    """*value* as JSON can hold it, without what changes; *folder* becomes `<folder>`."""
    if isinstance(value, str):
        value = value.replace(folder, "<folder>")
        for pattern, text in _CHANGING:
            value = pattern.sub(text, value)
        return value
    if isinstance(value, dict):
        return {normalised(str(key), folder): normalised(item, folder) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [normalised(item, folder) for item in value]
    return value if isinstance(value, int | float | None) else normalised(repr(value), folder)
