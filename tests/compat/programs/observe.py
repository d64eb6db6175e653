# ruff: noqa: I001, T201  e3.event comes first, as it makes e3.error resolve; what is printed is the answer
"""What the programs of the comparison share: saying what they saw, without ids, times and folders."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import stat
import tempfile
from typing import TYPE_CHECKING, Any

import e3.event  # noqa: F401
from e3.error import E3Error
from normalise import normalised

if TYPE_CHECKING:
    from collections.abc import Callable

#: A private folder of the program, gone when it ends; it is the current one.
FOLDER = os.path.realpath(tempfile.mkdtemp())
os.chdir(FOLDER)
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def see(key: str, value: Any) -> None:
    """Say one observation: a line of JSON on standard output."""
    print(json.dumps([key, normalised(value, FOLDER)]), flush=True)


def attempt(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a call gives: its value, or the kind and the text of its error."""
    try:
        return call(*args, **kwargs)
    except Exception as error:
        kind = "E3Error" if isinstance(error, E3Error) else type(error).__name__
        return {"raised": kind, "text": str(error)}


def write(name: str, content: str | bytes = "content\n") -> str:
    """Write a file below the program's folder; return its path."""
    path = os.path.join(FOLDER, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


def tree(folder: str) -> dict[str, Any]:
    """The files of a folder with mode, mtime (if it is an old one) and content; folders end in `/`."""
    found: dict[str, Any] = {}
    for parent, folders, files in os.walk(folder):
        for name in folders:
            found[os.path.relpath(os.path.join(parent, name), folder) + "/"] = None
        for name in files:
            path = os.path.join(parent, name)
            status = os.stat(path)
            with open(path, "rb") as file:
                content = file.read().decode("utf-8", "backslashreplace")
            mtime = int(status.st_mtime) if status.st_mtime < 1_500_000_000 else "now"
            shown = [oct(stat.S_IMODE(status.st_mode)), mtime, content]
            found[os.path.relpath(path, folder)] = shown
    return dict(sorted(found.items()))
