"""Row H5: JSON that is too deep, too long or no JSON, in dumps; and such values in the data of an event."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from e3_event import Event, EventError
from e3_event.spool import Spool
from e3_event.spool._check import check

from .attack import attacked, losses_of, tell
from .dumps import WAYS, RefusedError, Way

if TYPE_CHECKING:
    from .bench import Bench, Outcome
    from .child import Child

#: Attacks of one trial, and of one of `make test`.
ATTACKS, FEW = 25, 15
_DEEP = 100_000
#: What no dump may hold, wherever a value stands.
_VALUES: dict[str, str] = {
    "deep lists": "[" * _DEEP + "]" * _DEEP,
    "deep objects": '{"a":' * _DEEP + "1" + "}" * _DEEP,
    "lists without an end": "[" * _DEEP,
    "just too deep": "[" * 150 + "]" * 150,
    "5,000 digits": "9" * 5000,
    "-5,000 digits": "-" + "9" * 5000,
    "beyond floats": "1e999",
    "NaN": "NaN",
    "infinity": "-Infinity",
    "a lone surrogate": r'"a\ud800b"',
    "surrogates in the wrong order": r'"\udc00\ud800"',
    "half an escape": r'"\ud8"',
    "no UTF-8": '"\udcff"',
    "a raw control character": '"\0"',
    "a key that stands twice": '{"a":1,"a":2}',
    "a key that stands twice, once as escapes": r'{"a":1,"\u0061":2}',
    "a comma too much": "[1,]",
    "half a word": "tru",
}
#: And what may stand where a float does.
_NUMBERS: dict[str, str] = {"2**63": str(2**63), "-2**63-1": str(-(2**63) - 1), "2**64": str(2**64)}
_START, _END = '{"data":{"uid":"u","name":"n"', ',"attachments":{},"closed":true}'
#: Where it stands.
_FORMS: dict[str, str] = {
    "a value": f'{_START},"x":%s}}{_END}',
    "within a list": f'{_START},"x":[1,%s,2]}}{_END}',
    "within an object": f'{_START},"x":{{"y":%s}}}}{_END}',
    "the uid": f'{{"data":{{"name":"n","uid":%s}}{_END}',
    "an attachment": f'{_START}}},"attachments":{{"log":%s}},"closed":true}}',
    "its path": f'{_START}}},"attachments":{{"log":[%s,"{"0" * 40}"]}},"closed":true}}',
    "the version": f'{_START}}},"version":%s{_END}',
    "all of it": "%s",
}
_TIME = f'{_START}}},"times":{{"begin_time":%s}}{_END}'


def feed(bench: Bench) -> Outcome:
    """Let in dumps with such values, and put events that have them in their data."""
    attacks = FEW if bench.is_short else ATTACKS
    return attacked(bench, feed_all, attacks=attacks, env={"HOME": bench.folder})


def feed_all(child: Child) -> None:
    def attack() -> list[str]:
        place = Path(child.beside("place"))
        (place / "out").mkdir(parents=True)
        what, run = child.random.choice((_a_dump, _a_dump, _an_event))(place, child.random)
        losses = losses_of(what, run)
        shutil.rmtree(place)
        return losses

    tell(child, (attack() for _ in range(child.options["attacks"])))


def _a_dump(place: Path, random: Random) -> tuple[str, Callable[[], list[str]]]:
    value, text = random.choice([*_VALUES.items(), *_NUMBERS.items()])
    form, pattern = random.choice([*_FORMS.items(), *[("a time", _TIME)] * (value in _VALUES)])
    way = random.choice(WAYS)
    dump = place / "dump.json"
    dump.write_bytes((pattern % text).encode("utf-8", "surrogateescape"))
    return f"{value} as {form}, {way.__name__[1:]}", lambda: _refused(dump, place / "out", way)


def _refused(dump: Path, out: Path, way: Way) -> list[str]:
    """It must be refused, with a reason that names the file, before anything is done."""
    losses = ["it was not refused"]
    try:
        way(str(dump), out, lambda: None)
    except EventError as error:
        is_told = str(error).startswith((f"{dump}: no event dump: ", f"{dump}: dump format "))
        losses = [] if is_told else [f"without a reason: {error}"]
    except RefusedError as error:  # the command
        losses = [] if str(error) == "exit code 2" else [str(error)]
    return losses + [f"it left {path.name}" for path in out.iterdir()]


def _nested(kind: str) -> Any:
    value: Any = 1
    for _ in range(_DEEP):
        value = [value] if kind == "list" else {"a": value}
    return value


def _ring() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


#: What JSON can't hold, and a program may set all the same.
_ODD: dict[str, Callable[[], Any]] = {
    "deep lists": lambda: _nested("list"),
    "deep objects": lambda: _nested("dict"),
    "a list in itself": _ring,
    "5,000 digits": lambda: 10**5000,
    "2**63": lambda: 2**63,
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("-inf"),
    "a lone surrogate": lambda: "a\ud800b",
    "a key that is a lone surrogate": lambda: {"\udcff": 1},
    "keys of one text": lambda: {1: 1, "1": 2},
}


def _an_event(place: Path, random: Random) -> tuple[str, Callable[[], list[str]]]:
    value, make = random.choice([*_ODD.items()])
    key = random.choice(("x", "name", "uid", "status", "begin_time"))
    return f"{value} as {key} of an event", lambda: _kept(place, key, make())


def _kept(place: Path, key: str, value: Any) -> list[str]:
    """The event is kept, in JSON that anybody can read; it can't be dumped, which leaves nothing behind."""
    event = Event("hostile")
    setattr(event, key, value)
    losses = []
    with contextlib.closing(Spool(place / "out" / "spool")) as spool:
        read = spool.read(spool.put(event))
        text = json.dumps(read.as_dict(), allow_nan=False)
        json.loads(text.encode())
        losses += [str(finding) for finding in check(spool)]
    with contextlib.suppress(EventError):
        event.dump(place / "out" / "dumps")
        losses.append("it was dumped")
    if (place / "out" / "dumps").exists() and list((place / "out" / "dumps").iterdir()):
        losses.append("something is left of its dump")
    return losses
