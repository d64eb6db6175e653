"""Times, sizes and what became of events, as people read them."""

from __future__ import annotations

import time

import click

from e3_event._render import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from e3_event.spool._standings import Standing

_DAY = 86400.0
_COLORS = {
    "ok": "green",
    "delivered": "green",
    "skipped": "green",
    "up": "green",
    "failed": "red",
    "aborted": "red",
    "timeout": "red",
    "dead": "red",
    "unknown": "red",
    "damaged": "red",
    "cancelled": "yellow",
    "again": "yellow",
    "running": "cyan",
    "waiting": "cyan",
}
#: In this order, so that what needs a look stands first.
_STATES = ("unknown", "dead", "again", "waiting", "dropped", "skipped", "delivered")


def colored(text: str, word: str = "") -> str:
    """A harmless text in the colour of a status or state, which it is itself if *word* is not given."""
    shown = plain(text)
    color = _COLORS.get(word or text)
    return click.style(shown, fg=color) if color else shown


def when(moment: float, now: float) -> str:
    """A time as short as it can be told: of today, of the last months, or older."""
    try:
        then, today = time.localtime(moment), time.localtime(now)
    except (OverflowError, ValueError, OSError):  # of a clock that was far off
        return f"{moment:g}"
    if then[:3] == today[:3]:
        return time.strftime("%H:%M:%S", then)
    if abs(now - moment) < 300 * _DAY:
        return time.strftime("%m-%d %H:%M", then)
    return time.strftime("%Y-%m-%d", then)


def exactly(moment: float) -> str:
    """A time to the second, with its zone."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        return f"{moment:g}"


def span(seconds: float) -> str:
    """How long something takes, or took."""
    if seconds < 0.001:
        return "under 1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 90:
        return f"{seconds:.3g} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} days"


def size(count: float) -> str:
    """Bytes, with three digits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1000 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.3g} {unit}"


def many(count: int, one: str, several: str = "") -> str:
    """A number of things, with thousands apart."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def summary(standings: Iterable[Standing]) -> str:
    """What became of an event, in a few words: who has it, and by name who has not."""
    from e3_event.spool._standings import label

    names: dict[str, list[str]] = {}
    for one in standings:
        names.setdefault(one.state, []).append(plain(label(one.key)))
    if not names:
        return click.style("owed to nobody", dim=True)
    if len(names) == 1 and (only := next(iter(names))) in ("delivered", "skipped"):
        return colored(only)
    parts = []
    for state in _STATES:
        if state in names:
            of_state = names[state]
            told = f"{len(of_state)} {state}" if state == "delivered" else f"{state}: {', '.join(of_state)}"
            parts.append(colored(told, state))
    return "; ".join(parts)
