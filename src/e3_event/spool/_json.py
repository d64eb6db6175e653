"""Values as JSON: by `json` at first, then by msgspec, which is faster but takes long to load."""

from __future__ import annotations

import json
import sys
from typing import Any

#: After so many msgspec is worth it.
_FEW = 50
_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_count = 0


def encode(value: Any) -> bytes:
    """Encode what `jsonable` gave as JSON on one line without spaces.

    :raises UnicodeEncodeError: it has a lone surrogate
    """
    return _encode(value)


def _encode(value: Any) -> bytes:
    """By `json`, until msgspec takes its place."""
    global _count, _encode
    _count += 1
    if _count > _FEW or "msgspec" in sys.modules:
        import msgspec

        _encode = msgspec.json.Encoder().encode  # type: ignore[assignment]  # of the same kind
        return _encode(value)
    return _text(value).encode()
