"""What became of a session's event, in one line for pytest's summary."""

from __future__ import annotations

from e3_event._render import cut, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event._report import Outcome, Report

_LONGEST = 1000


def told(name: str, report: Report | None, problem: str) -> tuple[bool, str]:
    """Return whether nobody need know, and the line.

    :param name: of the event
    :param report: what became of it; `None`: nothing
    :param problem: what else there is to say
    """
    parts = [problem, _became(name, report)] if problem else [_became(name, report)]
    line = "e3-event: " + "; ".join(" ".join(part.split()) for part in parts)
    return report is not None and not problem and _is_on_its_way(report), plain(cut(line, _LONGEST))


def _is_on_its_way(report: Report) -> bool:
    return all(one.delivered or (one.waiting and not one.reason) for one in report.outcomes)


def _became(name: str, report: Report | None) -> str:
    if report is None:
        return f"there is no event {name}"
    return f"event {name} ({report.uid}) {'; '.join(_parts(report))}"


def _parts(report: Report) -> list[str]:
    behind = [outcome for outcome in report.outcomes if not outcome.in_front]
    front = [outcome for outcome in report.outcomes if outcome.in_front]
    parts = [f"is not kept by {one.handler}: {one.reason}" for one in front if not one.delivered]
    if delivered := [one.handler for one in behind if one.delivered]:
        parts.append(f"is delivered to {', '.join(delivered)}")
    parts += [_of(one) for one in behind if not one.delivered]
    if not behind:
        is_kept = any(one.delivered for one in front)
        parts.append("is kept, and there is no handler for it" if is_kept else "is lost")
    return parts


def _of(outcome: Outcome) -> str:
    reason = f": {outcome.reason}" if outcome.reason else ""
    what = "waits for" if outcome.waiting else "is not delivered to"
    return f"{what} {outcome.handler}{reason}"
