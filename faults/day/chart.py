"""Panels with lines over one time axis, as SVG."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: In pixels: the whole width, a panel, what is left free around it, and below the last one.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _GAP, _BOTTOM = 960, 150, 80, 170, 50, 46, 44
#: How much higher than its lines a panel is, so that they don't meet the ticks.
_ABOVE = 1.1
_GREY, _GRID, _SHADE = "#555", "#e4e4e4", "#f8e3bb"


class Line(NamedTuple):
    """A line of a panel: points of time (minutes) and value. Those of one name stand in the legend once."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]


class Panel(NamedTuple):
    """What has one axis of values.

    :ivar title: with the unit
    :ivar spans: times (minutes) that are shaded, and what that means
    """

    title: str
    lines: Sequence[Line]
    spans: Sequence[tuple[float, float]] = ()
    meaning: str = ""


class Marks(NamedTuple):
    """Moments (minutes) that all panels show as ticks at their upper edge."""

    name: str
    colour: str
    at: Sequence[float]


def svg(title: str, panels: Sequence[Panel], marks: Marks) -> str:
    """Draw panels, one below the other."""
    last = max(x for panel in panels for line in panel.lines for x, _ in line.points)
    height = _TOP + len(panels) * (_HEIGHT + _GAP) - _GAP + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"',
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12" fill="{_GREY}">',
        _box(0, 0, _WIDTH, height, "white"),
        _text(_LEFT, 20, title, "font-size='15' fill='black'"),
    ]
    for place, panel in enumerate(panels):
        parts += _panel(panel, marks, _TOP + place * (_HEIGHT + _GAP), last)
    bottom = height - _BOTTOM
    parts += [_text(_x(x, last), bottom + 16, f"{x:g}", "text-anchor='middle'") for x in _moments(last)]
    parts.append(_text(_x(last / 2, last), bottom + 34, "minutes", "text-anchor='middle'"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, marks: Marks, top: float, last: float) -> Iterator[str]:
    values = _steps(max([1.0, *(_ABOVE * y for line in panel.lines for _, y in line.points)]))
    highest, bottom, right = values[-1], top + _HEIGHT, _x(last, last)

    def y(value: float) -> float:
        return bottom - value / highest * _HEIGHT

    yield _text(_LEFT, top - 8, panel.title, "fill='black'")
    for start, end in panel.spans:
        yield _box(_x(start, last), top, _x(end, last) - _x(start, last), _HEIGHT, _SHADE)
    for value in values:
        yield f'<path d="M{_LEFT} {y(value):.1f}H{right:.1f}" stroke="{_GRID}"/>'
        yield _text(_LEFT - 8, y(value) + 4, f"{value:,g}", "text-anchor='end'")
    for moment in _moments(last):
        yield f'<path d="M{_x(moment, last):.1f} {top}V{bottom}" stroke="{_GRID}"/>'
    for line in panel.lines:
        points = " ".join(f"{_x(minute, last):.1f},{y(value):.1f}" for minute, value in line.points)
        yield f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="1.5"/>'
    for moment in marks.at:
        yield f'<path d="M{_x(moment, last):.1f} {top}v9" stroke="{marks.colour}" stroke-width="1.5"/>'
    entries = [*{line.name: line.colour for line in panel.lines}.items(), (marks.name, marks.colour)]
    if panel.spans:
        entries.append((panel.meaning, _SHADE))
    for place, (name, colour) in enumerate(entries):
        height = top + 8 + 18 * place
        yield f'<path d="M{right + 14:.1f} {height}h18" stroke="{colour}" stroke-width="3"/>'
        yield _text(right + 38, height + 4, name)


def _x(minute: float, last: float) -> float:
    return _LEFT + minute / last * (_WIDTH - _LEFT - _RIGHT)


def _moments(last: float) -> list[float]:
    """Where the axis of time has a number."""
    return [moment for moment in _steps(last, 8) if moment <= last]


def _steps(highest: float, most: int = 4) -> list[float]:
    """Round values from 0 to *highest* or the next one above, with so many steps at most."""
    rough = highest / most
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
