"""What a full run that was interrupted goes on from."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from .bench import ROOT
from .runner import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .row import Row

PATH = os.path.join(ROOT, ".cache", "faults-full.json")


class State:
    """The results of all rows so far, of one seed and one source.

    :param seed: of all randomness
    :param rows: all of them
    """

    def __init__(self, seed: int, rows: Sequence[Row]) -> None:
        self.seed = seed
        self.source = source()
        self.results = {row.number: Result(row.number, row.what, row.unit) for row in rows}

    def save(self) -> None:
        content = {
            "seed": self.seed,
            "source": self.source,
            "results": [result.as_json() for result in self.results.values()],
        }
        os.makedirs(os.path.dirname(PATH), exist_ok=True)
        with open(f"{PATH}.tmp", "w") as file:
            json.dump(content, file, indent=1)
        os.replace(f"{PATH}.tmp", PATH)


def resumed(seed: int | None, rows: Sequence[Row], default: int) -> State:
    """Return the state that was saved; a new one if it is of another source or seed."""
    try:
        with open(PATH) as file:
            content = json.load(file)
    except FileNotFoundError:
        return State(default if seed is None else seed, rows)
    if content["source"] != source() or seed not in (None, content["seed"]):
        return State(default if seed is None else seed, rows)
    state = State(content["seed"], rows)
    for saved in content["results"]:
        if saved["number"] in state.results:
            state.results[saved["number"]] = Result(**saved)
    return state


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
