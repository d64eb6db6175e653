"""Snapshot <-> bytes: what JSON can hold, and the dump format, versioned and validated."""

from __future__ import annotations

from typing import Any

import msgspec

from ._errors import EventError

#: Deepest nesting that is sent or accepted.
MAX_DEPTH = 100
#: Integers beyond these are not portable JSON.
MIN_INT, MAX_INT = -(2**63), 2**63 - 1
#: Version of the dump format that this code writes.
VERSION = 1


class Dump(msgspec.Struct, omit_defaults=True):
    """A dumped event, as in its file.

    `data`, `attachments` and `closed` are the documented keys, which e3-core reads and writes as well.
    What is ours stands beside them: `times` holds `begin_time` and `end_time` as seconds since the epoch,
    which `data` has as text without their fraction.
    """

    data: dict[str, Any]
    attachments: dict[str, tuple[str, str]]
    closed: bool
    times: dict[str, float] = {}
    version: int = 0


def jsonable(data: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Copy *data* into what JSON can hold.

    :return: the copy, and the places (`key`, `key.sub`, `key[3]`) of what became text
    """
    marked: list[str] = []
    return _hold_dict(data, "", 0, marked), marked


def _hold(value: Any, where: str, depth: int, marked: list[str]) -> Any:
    kind = type(value)
    if kind is str:
        if value.isascii() or _encodable(value):
            return value
    elif value is None or kind is bool:
        return value
    elif kind is int:
        if MIN_INT <= value <= MAX_INT:
            return value
    elif kind is float:
        if value - value == 0:  # neither infinite nor NaN
            return value
    elif isinstance(value, dict) and depth <= MAX_DEPTH:
        return _hold_dict(value, where, depth, marked)
    elif isinstance(value, (list, tuple)) and depth <= MAX_DEPTH:
        return [_hold(item, f"{where}[{i}]", depth + 1, marked) for i, item in enumerate(value)]
    elif isinstance(value, str):  # subclasses, enumerations among them, as the json module writes them
        return _hold(str.__str__(value), where, depth, marked)
    elif isinstance(value, int):
        return _hold(int(value), where, depth, marked)
    elif isinstance(value, float):
        return _hold(float(value), where, depth, marked)
    marked.append(where)
    return as_text(value)


def _hold_dict(value: dict[Any, Any], where: str, depth: int, marked: list[str]) -> dict[str, Any]:
    held: dict[str, Any] = {}
    odd = False
    for key, item in value.items():
        text = key
        if odd or type(key) is not str or not key.isascii():
            odd = True  # what comes behind it may become the same text
            text, exact = _key(key)
            while text in held:  # 1 and "1" in one dict: both are kept
                text, exact = repr(text), False
            if not exact:
                marked.append(f"{where}.{text}" if where else text)
        kind = type(item)
        if (
            item is None
            or (kind is str and item.isascii())
            or (kind is float and item - item == 0)
            or (kind is int and MIN_INT <= item <= MAX_INT)
        ):  # as in _hold, without a call: most values are such
            held[text] = item
        else:
            held[text] = _hold(item, f"{where}.{text}" if where else text, depth + 1, marked)
    return held


def _key(key: Any) -> tuple[str, bool]:
    """The text of a key as the json module writes it, and whether JSON can hold it so."""
    if isinstance(key, str):
        text = str.__str__(key)
        return (text, True) if text.isascii() or _encodable(text) else (as_text(text), False)
    if key is None:
        return "null", True
    if isinstance(key, bool):
        return ("true" if key else "false"), True
    return as_text(key), isinstance(key, (int, float))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, as in an undecodable file name
        return False
    return True


def as_text(value: Any) -> str:
    """The text of any value; never raises, never has a character that UTF-8 can't hold."""
    try:
        text = str(value)
    except Exception:  # noqa: BLE001  a foreign __str__ (or an int of too many digits) may raise anything
        text = f"<{type(value).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()


def encode(data: Any, *, indent: int = 0, sort_keys: bool = False) -> bytes:
    """Encode what `jsonable` gave as JSON in pure ASCII, so that any reader's default encoding fits.

    :param indent: spaces a level; 0 writes one line without spaces
    """
    raw = msgspec.json.encode(data, order="sorted" if sort_keys else None)
    if not raw.isascii() or b"\x7f" in raw:  # as the json module, which writes DEL as an escape
        import json

        text = json.dumps(msgspec.to_builtins(data), sort_keys=sort_keys, separators=(",", ":"))
        raw = text.encode()
    return msgspec.json.format(raw, indent=indent) if indent else raw


_decoder = msgspec.json.Decoder(Dump)


def decode_dump(raw: bytes, origin: str) -> Dump:
    """Decode a dump and check all of it.

    :param origin: the file it comes from, named in the error
    :raises EventError: it is no dump; says what is wrong, and where
    """
    try:
        dump = _decoder.decode(raw)
        check_strict(raw, dump)
    except RecursionError:
        raise EventError(f"no event dump: nested deeper than {MAX_DEPTH}", origin) from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise EventError(f"no event dump: {error}", origin) from error
    if dump.version > VERSION:
        raise EventError(
            f"dump format {dump.version} is newer than this e3-event reads ({VERSION}); upgrade it", origin
        )
    if dump.version < 0:
        raise EventError(f"no event dump: there is no format {dump.version}", origin)
    for key in ("name", "uid"):
        if not isinstance(dump.data.get(key), (str, int)):
            raise EventError(f"no event dump: `data` needs a {key}, a text", origin)
    return dump


def check_strict(raw: bytes, dump: Dump) -> None:
    """Refuse what the decoder lets pass: integers and depths beyond ours, and keys that stand twice.

    :raises ValueError: says which
    """
    marked: list[str] = []
    _hold_dict(dump.data, "data", 1, marked)
    if marked:
        raise ValueError(
            f"the value of `{marked[0]}` is out of range (integers: 64 bits; depth: {MAX_DEPTH})"
        )
    if msgspec.json.encode(dump) != raw:  # as ours write it, it proves that no key was lost
        import json

        json.loads(raw, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key `{twice}` stands twice")
    return found
