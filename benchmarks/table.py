"""The results as a table and as JSON."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .measure import Result

_FORMAT = "{:<34} {:>9} {:>9} {:>9} {:<13} {:>7} {:>13}  {}"
HEAD = _FORMAT.format("what (p50)", "ours", "floor", "peer", "", "ratio", "goal", "verdict")


def line(result: Result) -> str:
    """One row of the table."""
    row = result.row
    peer = row.other if row.other != "floor" else ""
    shown = [
        _value(result.p50(side), row.unit) if side in row.sides else "-" for side in ("ours", "floor", peer)
    ]
    ratio = f"{result.ratio:.2f}x" if result.ratio is not None else "n/a"
    named = {"e3": "e3-core", "": "(floor)"}.get(peer, peer)
    text = _FORMAT.format(row.title(), *shown, named, ratio, str(row.goal or "-"), result.verdict)
    why = result.error or result.missing
    return f"{text}: {why}" if why else text


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "n/a"
    if unit == "MB":
        return f"{value:.1f} MB"
    for factor, name in ((1, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}"
    return f"{value * 1e6:.3g} us"


def as_json(result: Result) -> dict[str, Any]:
    """All that a row gave, in seconds and MB."""
    row, ratios = result.row, result.ratios
    return {
        "row": row.name,
        "what": row.title(),
        "unit": row.unit,
        "p50": {side: result.p50(side) for side in row.sides},
        "compared_with": row.other,
        "ratio": result.ratio,
        "ratio_quartiles": statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios,
        "batches": len(ratios),
        "goal": str(row.goal) if row.goal else None,
        "verdict": result.verdict,
        "reason": result.error or result.missing,
    }
