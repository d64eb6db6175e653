"""How a session or a test ended, from what pytest says. Nothing here changes anything."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import Counter
    from typing import Any

#: pytest's category of a report -> the data key with their number. Each stands in every event.
COUNTED = {
    "passed": "passed",
    "failed": "failed",
    "error": "errors",
    "skipped": "skipped",
    "xfailed": "xfailed",
    "xpassed": "xpassed",
    "deselected": "deselected",
    "warnings": "warnings",
}
#: Category -> the status of a test. Of the reports of one test, the first in this order counts.
STATUS_OF = {
    "failed": "failed",
    "error": "failed",
    "skipped": "skipped",
    "xfailed": "ok",
    "xpassed": "ok",
    "passed": "ok",
}
_NO_TESTS = 5


def counts_of(seen: Counter[str]) -> dict[str, Any]:
    """Return the data of what was counted: a number for each of `COUNTED`, and the categories that other
    plugins have (such as `rerun`) as `other_outcomes`.
    """
    counts: dict[str, Any] = {key: seen[category] for category, key in COUNTED.items()}
    others = {category: seen[category] for category in seen if category and category not in COUNTED}
    return counts | ({"other_outcomes": others} if others else {})


def judge(exit_code: int, stop: BaseException | None, seen: Counter[str], why: str) -> tuple[str, str]:
    """Return `status` and `error` of a session.

    :param exit_code: what pytest exits with
    :param stop: what stopped it, if anything did
    :param seen: reports by category
    :param why: what *stop* says
    """
    if exit_code == 0:
        return "ok", ""
    if type(stop) is KeyboardInterrupt:  # what is derived of it is pytest's way to give up
        return "cancelled", why
    if why:
        return "failed", why
    if exit_code == _NO_TESTS:
        return "failed", "no tests were run"
    bad = [f"{seen['failed']} failed"] if seen["failed"] else []
    if errors := seen["error"]:
        bad.append(f"{errors} error{'s' if errors > 1 else ''}")
    return "failed", ", ".join(bad) or f"pytest exits with {exit_code}"


def exit_code_of(session: pytest.Session, warnings: int) -> int:
    """Return what pytest will exit with: too many warnings are only told when its summary is written."""
    config = session.config
    most = getattr(config.option, "max_warnings", None)
    if most is None:
        try:
            most = config.getini("max_warnings")
        except (KeyError, ValueError):  # of a pytest without it
            pass
    code = int(session.exitstatus)
    if code == 0 and most not in (None, "") and warnings > int(most):
        return int(getattr(pytest.ExitCode, "MAX_WARNINGS_ERROR", code))
    return code
