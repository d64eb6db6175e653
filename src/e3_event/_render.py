"""What people read of an event."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._event import Event

#: Keys that the first lines show, behind name and status, and those that are shown last.
_HEAD = (
    *("begin_time", "end_time", "duration", "host", "user", "cwd"),
    *("command", "exit_code", "signal"),
)
_TAIL = ("error", "traceback")
#: Longest text of one value, and of all, in characters. Who needs the rest finds it in the data.
_LONGEST_VALUE = 10_000
_LONGEST = 200_000
#: Longer keys do not push the values of the others to the right.
_WIDEST_KEY = 30


def message_text(event: Event) -> str:
    """Return an event as text that a person can read: what happened, the data, the attachments.

    Control characters and those that change the direction of writing are shown by their code, so that the
    content can't play tricks on a terminal or a mail reader. Of what is very long the middle is left out.
    """
    snapshot = event.snapshot()
    shown = {key: value for key, value in snapshot._shown.items() if value is not None}
    name, status, uid = (shown.pop(key, "") for key in ("name", "status", "uid"))
    tail = {key: shown.pop(key) for key in _TAIL if key in shown}
    head = {key: shown.pop(key) for key in _HEAD if key in shown}
    lines = [plain(f"{name}: {status}" if status != "" else f"{name}"), "", *_table(head | shown)]
    for key, value in tail.items():
        lines += ["", f"{key}:"]
        lines += ["  " + plain(line) for line in cut(str(value), _LONGEST_VALUE).splitlines()]
    if snapshot._attachments:
        lines += ["", "Attachments: " + ", ".join(plain(name) for name in snapshot._attachments)]
    lines += ["", f"uid {plain(str(uid))}", f"snapshot {snapshot._snapshot_id}"]
    return cut("\n".join(lines), _LONGEST) + "\n"


def plain(text: str) -> str:
    """Return *text* with control characters and those that change the direction of writing as their codes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _table(data: dict[str, Any]) -> list[str]:
    keys = {key: plain(key) for key in data}
    width = min(max(map(len, keys.values()), default=0), _WIDEST_KEY)
    return [
        f"{keys[key]:<{width}}  {plain(cut(_value(key, value), _LONGEST_VALUE))}"
        for key, value in data.items()
    ]


def _value(key: str, value: Any) -> str:
    if isinstance(value, str):
        return f"{value} UTC" if key in ("begin_time", "end_time") and value else value
    if isinstance(value, float) and key == "duration":
        return _duration(value)
    if key == "command" and isinstance(value, list):
        import shlex

        return shlex.join(str(argument) for argument in value)
    from ._dump import encode

    return encode(value).decode()


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def cut(text: str, longest: int) -> str:
    """Leave out the middle of a long text, and say so."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} [{len(text) - 2 * half} characters are left out here] {text[-half:]}"
