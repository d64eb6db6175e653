"""What a full run that was interrupted goes on from: a file for each row."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .bench import ROOT
from .runner import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .row import Row

FOLDER = os.path.join(ROOT, ".cache", "faults-full")


@dataclass
class State:
    """How far a row has come.

    :ivar seed: of all randomness
    :ivar source: a digest of what is tested and of what tests it
    :ivar commit: the version of both that is checked out
    """

    result: Result
    seed: int
    source: str
    commit: str

    def save(self) -> None:
        path = _path(self.result)
        content = {"seed": self.seed, "source": self.source, "commit": self.commit}
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.tmp", "w") as file:
            json.dump(content | {"result": self.result.as_json()}, file, indent=1)
        os.replace(f"{path}.tmp", path)


def new(row: Row, seed: int) -> State:
    """Nothing of a row is done yet."""
    return State(Result(row.number, row.what, row.unit), seed, source(), commit())


def resumed(row: Row, seed: int | None, default: int) -> State:
    """Return the state that was saved; a new one if it is of another source or seed."""
    saved = _read(row)
    if saved is None or saved.source != source() or seed not in (None, saved.seed):
        return new(row, default if seed is None else seed)
    return saved


def finished(rows: Iterable[Row]) -> list[State] | None:
    """Return the states of all rows, whatever source each is of; `None`: some are not finished."""
    states = [_read(row) for row in rows]
    done = [state for state in states if state is not None and state.result.verdict != "unfinished"]
    return done if len(done) == len(states) else None


def _read(row: Row) -> State | None:
    result = Result(row.number, row.what, row.unit)
    try:
        with open(_path(result)) as file:
            content = json.load(file)
    except FileNotFoundError:
        return None
    return State(**content | {"result": Result(**content["result"])})


def _path(result: Result) -> str:
    return os.path.join(FOLDER, f"{result.number}.json")


@functools.cache
def commit() -> str:
    """The version that is checked out, with a star if it was changed; empty: nobody knows."""
    told = [
        subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout
        for arguments in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "src", "faults"))
    ]
    return told[0].strip() + "*" * bool(told[1])


@functools.cache
def source() -> str:
    """A digest of what is tested and of what tests it: results of different sources don't add up."""
    digest = hashlib.sha256()
    for folder in ("src", "faults"):
        for place, folders, names in sorted(os.walk(os.path.join(ROOT, folder))):
            folders.sort()
            for name in sorted(names):
                if name.endswith(".py"):
                    digest.update(name.encode() + b"\0")
                    with open(os.path.join(place, name), "rb") as file:
                        digest.update(file.read())
    return digest.hexdigest()
