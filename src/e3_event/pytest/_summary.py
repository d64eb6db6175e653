"""What became of a session's event, in one line for pytest's summary."""

from __future__ import annotations

from e3_event._render import cut, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from e3_event._report import Outcome, Report

_LONGEST = 1000


def told(name: str, report: Report | None, problems: Sequence[str]) -> tuple[bool, str]:
    """Return whether all is well, and the line.

    :param name: of the event
    :param report: what became of it; `None`: nothing
    :param problems: what else there is to say; the first is
    """
    parts = [f"no event {name}"] if report is None else [f"event {name} ({report.uid})", *_parts(report)]
    parts[1:1] = problems[:1]
    line = "e3-event: " + ", ".join(" ".join(part.split()) for part in parts)
    return report is not None and report.kept and not problems, plain(cut(line, _LONGEST))


def _parts(report: Report) -> list[str]:
    behind = [outcome for outcome in report.outcomes if not outcome.in_front]
    front = [outcome for outcome in report.outcomes if outcome.in_front]
    parts = [f"not kept by {one.handler}: {one.reason}" for one in front if not one.delivered]
    if delivered := [one.handler for one in behind if one.delivered]:
        parts.append(f"delivered to {', '.join(delivered)}")
    parts += [_of(one) for one in behind if not one.delivered]
    if not behind:
        is_kept = any(one.delivered for one in front)
        parts.append("kept; there is no handler to deliver it to" if is_kept else "lost")
    return parts


def _of(outcome: Outcome) -> str:
    reason = f": {outcome.reason}" if outcome.reason else ""
    what = "waits for" if outcome.waiting else "not delivered to"
    return f"{what} {outcome.handler}{reason}"
