"""Values of a configuration file -> arguments of a handler's constructor, by its annotations."""

from __future__ import annotations

import collections.abc
import inspect
import os
import types
import typing
from typing import Any

from e3_event._errors import EventError
from e3_event._redact import MASK, redact_command
from e3_event.handler_tools import Secret

from ._values import path, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event._handler import EventHandler

    from ._document import Table

_REFERENCE = '{ env = "NAME" } or { file = "PATH" }'
#: Plain types -> what people call them.
_PLAIN = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_LISTS = (list, tuple, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_TABLES = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


class _MisfitError(Exception):
    """A value is not of a type."""


def take_arguments(cls: type[EventHandler], table: Table) -> dict[str, Any]:
    """Take the arguments of a handler's constructor out of its table.

    Problems: an argument that is missing or of another type. Types are those of the annotations; what has
    none, or one that is not understood here, is left to the constructor.

    :return: the arguments by name, with secrets by reference as `Secret` (or as their text, where the
        handler takes only text)
    """
    arguments: dict[str, Any] = {}
    hints = _hints(cls)
    for parameter in _parameters(cls):
        name = parameter.name
        if parameter.kind is parameter.VAR_KEYWORD:
            for other in list(table.rest):
                arguments[other] = table.take(other, _converter(hints.get(name, Any)), None)
        elif name in table.rest:
            arguments[name] = table.take(name, _converter(hints.get(name, Any)), None)
        else:
            table.know(name)
            if parameter.default is parameter.empty:
                table.problem(name, "is missing")
    return arguments


def masked(name: str, given: Any, argument: Any) -> Any:
    """Return a value of the file as it may be shown: references as they are, other secrets masked.

    :param name: its key, which may tell that it is a secret
    :param given: what the file says
    :param argument: what it became
    """
    if isinstance(given, dict):
        inner = argument if isinstance(argument, dict) else {}
        return {key: masked(key, value, inner.get(key)) for key, value in given.items()}
    if isinstance(given, list):
        items = argument if isinstance(argument, list | tuple) else [None] * len(given)
        return [masked(name, *pair) for pair in zip(given, items, strict=True)]
    if isinstance(argument, Secret):
        return MASK
    if isinstance(given, str):
        return redact_command([f"{name}={given}"])[0].removeprefix(f"{name}=")
    return given


def _parameters(cls: type[EventHandler]) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(cls).parameters.values())
    except (ValueError, TypeError):  # not written in Python
        return [inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD)]
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
    return sorted(
        (parameter for parameter in parameters if parameter.kind not in by_position),
        key=lambda parameter: parameter.kind is parameter.VAR_KEYWORD,
    )


def _hints(cls: type[EventHandler]) -> dict[str, Any]:
    """The annotations, also where their names are imported for type checkers only; none if one is unclear."""
    known = {**vars(typing), **vars(collections.abc)}
    try:
        return typing.get_type_hints(cls.__init__, localns=known)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return {}


def _converter(hint: Any) -> typing.Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        try:
            return _fit(value, hint)
        except _MisfitError:
            wanted = _wanted(hint)
            what = type(value).__name__ if _REFERENCE in wanted else shown(value)  # it may be a secret
            raise EventError(f"{wanted} is needed, not {what}") from None

    return convert


def _fit(value: Any, hint: Any) -> Any:
    """Return *value* as *hint* wants it.

    :raises _MisfitError: it is of another type
    :raises EventError: what it refers to can't be read
    """
    kind = typing.get_origin(hint) or hint
    parts = typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return _fit_one(value, parts)
    if kind is Secret:
        return _secret(value)
    if kind in (str, os.PathLike):
        return _secret(value).get() if isinstance(value, dict) else _of(value, str)
    if kind is float:
        return float(_of(value, int, float))
    if kind in _PLAIN:
        return _of(value, kind)
    if kind is type(None):
        raise _MisfitError
    if kind in _LISTS:
        items = [_fit(item, parts[0] if parts else Any) for item in _of(value, list)]
        return tuple(items) if kind is tuple else items
    if kind in _TABLES:
        inner = parts[1] if parts else Any
        return {key: _fit(item, inner) for key, item in _of(value, dict).items()}
    return _secret(value).get() if _is_reference(value) else value


def _fit_one(value: Any, hints: tuple[Any, ...]) -> Any:
    """Return *value* as the first of *hints* that it fits; a secret goes before a text."""
    for hint in sorted(hints, key=lambda hint: hint is not Secret):
        try:
            return _fit(value, hint)
        except _MisfitError:
            continue
    raise _MisfitError


def _of(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise _MisfitError
    return value


def _secret(value: Any) -> Secret:
    if isinstance(value, str) and value:
        return Secret(value=value)
    if not _is_reference(value):
        raise _MisfitError
    if "env" in value:
        return Secret(env=value["env"])
    return Secret(file=path(value["file"]))


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and (value.keys() == {"env"} or value.keys() == {"file"})
        and all(isinstance(name, str) and name for name in value.values())
    )


def _wanted(hint: Any) -> str:
    """What people call the types of *hint*."""
    kind = typing.get_origin(hint) or hint
    if kind in (typing.Union, types.UnionType):
        names = [_wanted(part) for part in typing.get_args(hint) if part is not type(None)]
        return " or ".join(dict.fromkeys(names))
    if kind is Secret:
        return _REFERENCE
    if kind in _LISTS or kind in _TABLES:
        inner = typing.get_args(hint)[-1:]
        of = f" (of {_wanted(inner[0])})" if inner and inner[0] not in (Any, Ellipsis) else ""
        return ("a list" if kind in _LISTS else "a table") + of
    return _PLAIN.get(kind, "a text" if kind is os.PathLike else str(getattr(kind, "__name__", kind)))
