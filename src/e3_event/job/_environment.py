"""The environment variables that a command inherits."""

from __future__ import annotations

import os


def inherited(*, exactly: bool) -> dict[str, str]:
    """Return ours.

    :param exactly: without what Python changes for itself and thereby for all that it starts: where the
        locale is `C`, it sets `LC_CTYPE` to UTF-8 (PEP 538)
    """
    ours = dict(os.environ)
    if exactly and ours.get("LC_CTYPE", "").upper().endswith(("UTF-8", "UTF8")):
        before = at_start()
        if before and b"LC_CTYPE" in before:
            ours["LC_CTYPE"] = os.fsdecode(before[b"LC_CTYPE"])
        elif before:
            del ours["LC_CTYPE"]
    return ours


def at_start() -> dict[bytes, bytes]:
    """Those that this process was started with (proc(5)); empty: that is not known."""
    try:
        with open("/proc/self/environ", "rb") as file:
            items = file.read().split(b"\0")
    except OSError:
        return {}
    pairs = [item.partition(b"=") for item in items]
    return {name: value for name, equals, value in pairs if equals}
