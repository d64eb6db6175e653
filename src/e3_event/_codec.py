"""What JSON can hold."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Deepest nesting that is sent or accepted.
MAX_DEPTH = 100
#: Integers beyond these are not portable JSON.
MIN_INT, MAX_INT = -(2**63), 2**63 - 1


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
