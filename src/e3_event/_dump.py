"""The dump format of events, versioned and validated; and JSON for readers of any kind."""

from __future__ import annotations

from typing import Any

import msgspec

from ._codec import MAX_DEPTH, _hold_dict
from ._errors import EventError

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
