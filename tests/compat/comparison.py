# ruff: noqa: T201  it is also a command
"""Runs one program with e3-core and with ours, and holds the differences against the list.

`python tests/compat/comparison.py [PROGRAM...]` prints what is not listed, in the form of the list.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
LIST = HERE / "differences.toml"
#: What the programs share; everything else in their folder is one.
_SHARED = ("observe", "normalise")
#: Stands for "this side says nothing under this key".
NOTHING = "(nothing)"


@dataclass(frozen=True)
class Difference:
    """One entry of the list. A value is compared as JSON text; one that starts with `re:` is a pattern."""

    program: str
    key: str
    e3_core: str
    ours: str
    line: int
    why: str

    def describes(self, e3_core: str, ours: str) -> bool:
        return _fits(self.e3_core, e3_core) and _fits(self.ours, ours)


def programs() -> list[str]:
    return sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem not in _SHARED)


def listed(program: str) -> list[Difference]:
    """The differences that are known for a program."""
    return [entry for entry in all_listed() if entry.program == program]


def all_listed() -> list[Difference]:
    with LIST.open("rb") as file:
        return [Difference(**entry) for entry in tomllib.load(file)["difference"]]


def observe(python: Path | str, program: Path, *arguments: str, **environment: str) -> dict[str, str]:
    """Run a program and return what it saw, `{key: JSON}`.

    :raises RuntimeError: it did not end well or said one key twice
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("E3_", "PYTHON", "AWS_"))}
    with tempfile.TemporaryDirectory() as home:
        surroundings = {**inherited, "HOME": home, "PYTHONPATH": str(PROGRAMS), **environment}
        command = [str(python), str(program), *arguments]
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:]
        raise RuntimeError(f"{program.name} with {python} failed after {lines[-1:]}: {reason}")
    keys = [key for key, _ in lines]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise RuntimeError(f"{program.name} says twice: {twice}")
    return {key: json.dumps(value) for key, value in lines}


def differing(e3_core: dict[str, str], ours: dict[str, str]) -> dict[str, tuple[str, str]]:
    """What the two sides do not agree on: `{key: (e3-core's, ours)}`."""
    pairs = {k: (e3_core.get(k, NOTHING), ours.get(k, NOTHING)) for k in (*e3_core, *ours)}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def problems(found: dict[str, tuple[str, str]], known: list[Difference]) -> list[str]:
    """What is not as the list says: differences that are not listed, or not so, and listed ones not seen."""
    entries = {entry.key: entry for entry in known}
    wrong = []
    for key, pair in found.items():
        if key not in entries:
            wrong.append(f"not listed: {key}\n  e3-core: {pair[0]}\n  ours:    {pair[1]}")
        elif not entries[key].describes(*pair):
            wrong.append(f"listed otherwise: {key}\n  e3-core: {pair[0]}\n  ours:    {pair[1]}")
    wrong += [f"listed, not seen: {key}" for key in entries if key not in found]
    wrong += [f"listed twice: {entry.key}" for entry in known if entries[entry.key] is not entry]
    return wrong


def _fits(expected: str, seen: str) -> bool:
    if expected.startswith("re:"):
        return re.fullmatch(expected[3:], seen, re.DOTALL) is not None
    return expected == seen


def _literal(text: str) -> str:
    return f"'{text}'" if "'" not in text else f"'''{text}'''"


def main(names: list[str]) -> None:
    sys.path.insert(0, str(HERE.parent))
    from compat.stores import observe_both

    for name in names or programs():
        found: Any = differing(*observe_both(PROGRAMS / f"{name}.py"))
        for problem in problems(found, listed(name)):
            if not problem.startswith("not listed"):
                print(f"# {name}: {problem}".replace("\n", "\n# "))
        known = {entry.key for entry in listed(name)}
        for key, (e3_core, ours) in found.items():
            if key not in known:
                print(f"[[difference]]\nprogram = {_literal(name)}\nkey = {_literal(key)}")
                print(f"e3_core = {_literal(e3_core)}\nours = {_literal(ours)}\nline = 0\nwhy = ''\n")


if __name__ == "__main__":
    main(sys.argv[1:])
