"""What a text has that is worth a closer look: found fast, as all that is logged comes here."""

from __future__ import annotations

import re
from functools import cache

from e3_event._redact import BEHIND, TRIGGERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Of each trigger one of these bytes is looked for, the first that it has: few, and rare in ordinary text.
_ANCHORS = b":vxykhgp-ca"
#: In a text of so many bytes, each trigger is first looked for as it is: most have none, and the patterns
#: take long to compile.
_SHORT = 1 << 12


def triggers_in(low: bytes) -> Iterator[tuple[bytes, int]]:
    """Find the triggers of all shapes, in small letters, in a text in small letters.

    :return: each, and where it begins
    """
    if len(low) <= _SHORT and not any(trigger in low for trigger in _all()):
        return
    for pattern, triggers in _watches():
        at = -1
        while match := pattern.search(low, at + 1):
            at = match.start()
            for trigger, before in triggers[match[0]]:
                if at >= before and low.startswith(trigger, at - before):
                    yield trigger, at - before


@cache
def _all() -> list[bytes]:
    """All triggers, in small letters."""
    return sorted({trigger.lower().encode() for triggers in TRIGGERS.values() for trigger in triggers})


@cache
def _watches() -> list[tuple[re.Pattern[bytes], dict[bytes, list[tuple[bytes, int]]]]]:
    """A pattern for each anchor, and `{what it matches: [(trigger, how far before the match it begins)]}`.

    That all alternatives begin with one byte makes a pattern fast, and the fewer there are the better.
    """
    groups: dict[bytes, list[tuple[bytes, int]]] = {}
    for trigger in _all():
        last = max(0, len(trigger) - 2)  # the anchor alone would say little
        at = min(range(last, -1, -1), key=lambda at: _ANCHORS.find(trigger[at]) % 256)
        groups.setdefault(trigger[at : at + 1], []).append((trigger, at))
    watches = []
    for group in groups.values():
        by_end: dict[bytes, list[tuple[bytes, int]]] = {}
        for trigger, at in group:
            by_end.setdefault(trigger[at:], []).append((trigger, at))
        pattern = _either([(trigger[at:], trigger) for trigger, at in group])
        watches.append((re.compile(pattern), by_end))
    return watches


@cache
def _behind() -> dict[bytes, bytes]:
    """Trigger in small letters -> what follows it."""
    return {
        trigger.lower().encode(): b"(?=" + re.sub(r"\(\?P<\w+>", "(?:", behind).encode() + b")"
        for trigger, behind in BEHIND.items()
    }


def _either(ends: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A pattern for the ends of texts, that matches one only behind the rest of its text.

    :param ends: the ends, each with its text
    """
    heads: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for end, text in ends:
        heads.setdefault(end[:1], []).append((end[1:], text))
    whole = [b"(?<=" + re.escape(text) + b")" + _behind().get(text, b"") for _, text in heads.pop(b"", [])]
    longer = [re.escape(head) + _either(rest) for head, rest in heads.items()]
    return b"(?:" + b"|".join(whole + longer) + b")" if len(whole + longer) > 1 else (whole + longer)[0]
