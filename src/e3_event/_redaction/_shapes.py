"""The shapes of secrets, looked for in bytes where there is a trigger."""

from __future__ import annotations

from functools import cache, cached_property

from e3_event._redact import ASSIGNED, OF_NAMES, SHAPES, STARTS, TRIGGERS

from ._found import Found, compiled
from ._triggers import triggers_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Sequence

#: So far before a name an option may begin that ends with it.
_LONGEST_OPTION = 48


def shapes_in(text: bytes) -> Iterator[Found]:
    """Find the secrets of all shapes; of private keys where they begin."""
    low = text.lower()
    for family, places in _suspects(text, low).items():
        yield from family.find(low if family.is_lower else text, sorted(places))


def _suspects(text: bytes, low: bytes) -> dict[_Family, set[int]]:
    """Find the places where the shapes of each family may be."""
    families = _families()
    found: dict[_Family, set[int]] = {}
    for low_trigger, at in triggers_in(low):
        for trigger, family in families[low_trigger]:
            if family.is_lower or text.startswith(trigger, at):
                place = family.place(low if family.is_lower else text, at)
                if place >= 0:
                    found.setdefault(family, set()).add(place)
    return found


class _Shape:
    """A shape of secrets, for bytes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pattern = compiled(SHAPES[name])
        self._start = compiled(STARTS[name]) if name in STARTS else None
        self._keeps = "keep" in self._pattern.groupindex

    def in_line(self, text: bytes, line: int) -> Iterator[Found]:
        """Find the shape in the line that begins at *line*."""
        end = _end(text, line)
        if self._start:
            yield from self._at(text, (start.start() for start in self._start.finditer(text, line, end)))
        else:
            yield from map(self._found, self._pattern.finditer(text, line, end))

    def of_names(self, text: bytes, names: Sequence[int]) -> Iterator[Found]:
        """Find the shape with names that begin at *names*: there or, if it has a start, a little before."""
        if self._start:
            before = (self._start.finditer(text, max(0, name - _LONGEST_OPTION), name) for name in names)
            yield from self._at(text, sorted({start.start() for starts in before for start in starts}))
        else:
            yield from self._at(text, names)

    def _at(self, text: bytes, places: Iterable[int]) -> Iterator[Found]:
        """Find the shape at sorted places, but not inside of what was found before."""
        behind = 0
        for place in places:
            if place >= behind and (match := self._pattern.match(text, place, _end(text, place))):
                behind = match.end()
                yield self._found(match)

    def _found(self, match: re.Match[bytes]) -> Found:
        kept = match.end("keep") if self._keeps else -1  # also if it has no part in the match
        return Found(match.start(), max(match.start(), kept), match.end(), self._name)


def _end(text: bytes, place: int) -> int:
    return text.find(b"\n", place) + 1 or len(text)


class _Family:
    """Shapes with the same triggers, which are looked for in lines that have one.

    :ivar is_lower: whether they are looked for in small letters
    """

    def __init__(self, names: list[str]) -> None:
        self.is_lower = "(?i:" in SHAPES[names[0]]
        self._names = names

    @cached_property
    def _shapes(self) -> list[_Shape]:
        return list(map(_Shape, self._names))

    def place(self, text: bytes, at: int) -> int:
        """Return where the shapes are to be looked for, as there is a trigger; -1: nowhere."""
        return text.rfind(b"\n", 0, at) + 1

    def find(self, text: bytes, places: Sequence[int]) -> Iterator[Found]:
        """Find the shapes at sorted places."""
        for line in places:
            for shape in self._shapes:
                yield from shape.in_line(text, line)


class _NamedFamily(_Family):
    """Shapes of secrets with a name, which are looked for where that begins."""

    def place(self, text: bytes, at: int) -> int:
        if compiled(ASSIGNED).match(text, at) or text.find(b"--", max(0, at - _LONGEST_OPTION), at) >= 0:
            return at
        return -1

    def find(self, text: bytes, places: Sequence[int]) -> Iterator[Found]:
        for shape in self._shapes:
            yield from shape.of_names(text, places)


@cache
def _families() -> dict[bytes, list[tuple[bytes, _Family]]]:
    """Trigger in small letters -> the same as its shapes have it, and these."""
    names: dict[tuple[str, ...], list[str]] = {}
    for name, triggers in TRIGGERS.items():
        names.setdefault(triggers, []).append(name)
    found: dict[bytes, list[tuple[bytes, _Family]]] = {}
    for triggers, members in names.items():
        family = _NamedFamily(members) if triggers is OF_NAMES else _Family(members)
        for trigger in triggers:
            found.setdefault(trigger.lower().encode(), []).append((trigger.encode(), family))
    return found
