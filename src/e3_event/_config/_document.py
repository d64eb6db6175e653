"""A TOML file as tables that collect what is wrong with them, each problem with its key and line."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from functools import cached_property

from e3_event._errors import EventError

from ._values import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TypeVar

    T = TypeVar("T")

Key = tuple[str, ...]

#: Bytes of a configuration file. What is larger is none.
LARGEST = 1 << 20


class ConfigError(EventError):
    """A configuration file is wrong.

    :ivar problems: one text for each problem, with file, line and key, and what would be right
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Document:
    """A TOML file that was read.

    :param path: its path
    :ivar data: its content
    :ivar mode: its mode, as `stat` tells it
    :ivar problems: what is wrong with it, as far as that was noticed
    :raises ConfigError: it can't be read, or is no TOML
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[str] = []
        try:
            with open(path, "rb") as file:
                self.mode = os.fstat(file.fileno()).st_mode
                content = file.read(LARGEST + 1)
            if len(content) > LARGEST:
                raise ConfigError([f"{path}: can't be read: it is larger than {LARGEST >> 20} MiB"])
            self._text = content.decode()
            self.data: dict[str, Any] = tomllib.loads(self._text)
        except OSError as error:
            raise ConfigError([f"{path}: can't be read: {error.strerror or error}"]) from error
        except (ValueError, RecursionError) as error:  # no UTF-8, no TOML (says the line), nested too deeply
            raise ConfigError([f"{path}: no TOML: {error}"]) from error

    def where(self, key: Key) -> str:
        """Say where a key stands: the file, and the line of it or of the table around it."""
        line = self.line(key)
        return f"{self.path}, line {line}" if line else self.path

    def line(self, key: Key) -> int | None:
        """Return the line of a key, or of what is around it."""
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key)

    def problem(self, key: Key, what: str) -> None:
        """Note that something is wrong with a key."""
        self.problems.append(f"{self.where(key)}: {dotted(key)}: {what}")

    def check(self) -> None:
        """Refuse a file with problems.

        :raises ConfigError: names them all
        """
        if self.problems:
            raise ConfigError(self.problems)

    def table(self, key: Key, value: Any) -> Table:
        """Return *value* as a table; what is none is a problem, and an empty table."""
        if not isinstance(value, dict):
            self.problem(key, f"a table is needed, as in [{dotted(key)}], not {shown(value)}")
            value = {}
        return Table(self, key, value)

    @cached_property
    def _lines(self) -> dict[Key, int]:
        """The lines of tables and keys. A guess by the form of each line, as tomllib does not tell them."""
        lines: dict[Key, int] = {}
        table: Key = ()
        for number, line in enumerate(self._text.split("\n"), 1):
            head, equals, _ = line.partition("=")
            if line.lstrip().startswith("["):
                key = table = _key(line) or table
            else:
                key = (*table, *_key(f"{head}= 0")) if equals else ()
            for length in range(1, len(key) + 1):
                lines.setdefault(key[:length], number)
        return lines


class Table:
    """Hands out the values of one table; what nobody asked for is unknown.

    :ivar key: its own key
    :ivar rest: the values that were not taken
    """

    def __init__(self, document: Document, key: Key, data: dict[str, Any]) -> None:
        self.document = document
        self.key = key
        self.rest = dict(data)
        self._known: list[str] = []
        self._problems_before = len(document.problems)

    @property
    def has_problems(self) -> bool:
        """Was anything wrong found since this table was begun?"""
        return len(self.document.problems) > self._problems_before

    def take(self, name: str, convert: Callable[[Any], T], default: T) -> T:
        """Take a value; one that does not fit is a problem, and counts as the default.

        :param convert: returns the value as it is wanted, or raises EventError
        """
        self.know(name)
        if name not in self.rest:
            return default
        try:
            return convert(self.rest.pop(name))
        except EventError as error:
            self.problem(name, error.messages[-1])
            return default

    def table(self, name: str) -> Table:
        """Take a table; one that is not there is empty."""
        self.know(name)
        return self.document.table((*self.key, name), self.rest.pop(name, {}))

    def know(self, name: str) -> None:
        """Note that there may be a key of this name; it is proposed for one that is unknown."""
        self._known.append(name)

    def problem(self, name: str, what: str) -> None:
        """Note that something is wrong with a key of this table, or (an empty name) with all of it."""
        self.document.problem((*self.key, name) if name else self.key, what)

    def end(self) -> None:
        """Note every key that was not taken as unknown."""
        for name in self.rest:
            self.problem(name, f"no such key{did_you_mean(name, self._known)}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the one that was probably meant, else all."""
    names = list(known)
    close = difflib.get_close_matches(name.lower().replace("-", "_"), names, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(names)}"


def dotted(key: Key) -> str:
    """Return a key as TOML writes it."""
    return ".".join(part if re.fullmatch(r"[\w-]+", part, re.ASCII) else json.dumps(part) for part in key)


def _key(line: str) -> Key:
    """Return the key of a line that says only that; empty if it says something else."""
    try:
        data: Any = tomllib.loads(line)
    except (ValueError, RecursionError):
        return ()
    key: list[str] = []
    while isinstance(data, dict) and len(data) == 1:
        ((name, data),) = data.items()
        key.append(name)
    return tuple(key)
