"""The options of `e3-event run`, some of which `send` has as well: what they are called and what they take.

Without click, which takes longer to load than a run takes: `parse` reads what is given as usual.
"""

from __future__ import annotations

from typing import NamedTuple

from e3_event._config._redaction import SCOPES
from e3_event._errors import EventError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn


class Option(NamedTuple):
    """An option.

    :ivar names: such as `--name`, `-n`
    :ivar key: of its value among the arguments
    :ivar help: one or two sentences
    :ivar metavar: what stands for its value in the help
    :ivar take: decodes what is given, `None` or empty if nothing is; raises EventError
    :ivar choices: what can be given, if not anything
    :ivar is_flag: whether it takes nothing, and is True if it is given
    :ivar is_list: whether it can be given several times
    :ivar default: what counts if it is not given
    """

    names: tuple[str, ...]
    key: str
    help: str
    metavar: str | None = None
    take: Callable[[Any], Any] | None = None
    choices: tuple[str, ...] = ()
    is_flag: bool = False
    is_list: bool = False
    default: str | None = None

    def value(self, given: Sequence[str]) -> Any:
        """Decode what was given: once or, in this order, several times.

        :raises EventError: it is not what the option takes; says what would be right
        """
        if self.is_flag:
            return True
        if self.choices and given[-1] not in self.choices:
            raise EventError(f"{given[-1]!r} is not one of {', '.join(self.choices)}")
        taken = given if self.is_list else given[-1]
        return taken if self.take is None else self.take(taken)


def take_data(values: Sequence[str]) -> dict[str, Any]:
    """Decode `key=text` and `key:=JSON`; of two with one key the last counts."""
    found: dict[str, Any] = {}
    for item in values:
        key, equals, value = item.partition("=")
        typed = key.endswith(":")
        key = key.removesuffix(":") if typed else key
        if not key or not equals:
            raise EventError(f"{item!r}: write it as key=text or key:=JSON")
        found[key] = _json(item, value) if typed else value
    return found


def _json(item: str, value: str) -> Any:
    import json

    try:
        return json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise EventError(
            f"{item!r}: what stands behind := is no JSON ({error}); key=text takes any text"
        ) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def take_attachments(values: Sequence[str]) -> dict[str, str]:
    """Decode `name=path`; of two with one name the last counts."""
    found = {}
    for item in values:
        name, _, path = item.partition("=")
        if not name or not path:
            raise EventError(f"{item!r}: write it as name=path")
        found[name] = path
    return found


def take_duration(value: str | None) -> float | None:
    """Decode a time such as `30s`, `10m` or `2d` (or a number of seconds) into seconds."""
    if value is None:
        return None
    from e3_event._config._values import duration

    return duration(float(value) if value.replace(".", "", 1).isdigit() else value)


def take_duration_or_0(value: str | None) -> float | None:
    """Likewise; also 0."""
    return 0.0 if value in ("0", "0s") else take_duration(value)


def take_count(value: str) -> int:
    """Decode a whole number of 0 or more."""
    if not (value.isascii() and value.isdigit()):
        raise EventError(f"a whole number, 0 or more, is needed, not {value!r}")
    return int(value)


def take_size(value: str | None) -> int | None:
    """Decode a size such as `64MiB` or `10MB` (or a number of bytes, 0 included) into bytes."""
    if value is None or value in ("0", "0B"):
        return None if value is None else 0
    from e3_event._config._values import size

    return size(float(value) if value.isascii() and value.isdigit() else value)


DATA = Option(
    ("--data", "-d"),
    "data",
    "Data of the event; KEY:=JSON for numbers, lists and the like. Can be given several times.",
    metavar="KEY=TEXT",
    take=take_data,
    is_list=True,
)
ATTACH = Option(
    ("--attach", "-a"),
    "attachments",
    "A file to attach to the event under this name. Can be given several times.",
    metavar="NAME=PATH",
    take=take_attachments,
    is_list=True,
)
FLUSH_TIMEOUT = Option(
    ("--flush-timeout",),
    "flush_timeout",
    "Deliver for so long at most, such as 10s; 0: leave that to others.  [default: 2s]",
    metavar="DURATION",
    take=take_duration_or_0,
)
REDACT = Option(
    ("--redact",),
    "redact",
    "Mask secrets in what is captured (the log, the command line), in --data and --attach as well (all),"
    " or in nothing.  [default: what the configuration says, else captured]",
    choices=SCOPES,
)
#: Those of `run`.
RUN = (
    Option(("--name", "-n"), "name", "Name of the event.  [default: the name of the program]"),
    DATA,
    ATTACH,
    Option(
        ("--quiet", "-q"),
        "quiet",
        "Show its output at the end, and only if it did not succeed.",
        is_flag=True,
    ),
    Option(
        ("--pty",), "pty", "Give COMMAND a terminal of its own, so that it writes as to one.", is_flag=True
    ),
    Option(
        ("--timeout",),
        "timeout",
        "End COMMAND after so long, such as 10m, and all processes that it has started: by SIGTERM.",
        metavar="DURATION",
        take=take_duration,
    ),
    Option(
        ("--kill-after",),
        "kill_after",
        "Kill those that are left so long after that.",
        metavar="DURATION",
        take=take_duration,
        default="10s",
    ),
    Option(
        ("--retries",),
        "retries",
        "Run COMMAND again if it does not succeed, so many times at most.",
        metavar="NUMBER",
        take=take_count,
        default="0",
    ),
    Option(
        ("--retry-delay",),
        "retry_delay",
        "Wait so long before that.",
        metavar="DURATION",
        take=take_duration_or_0,
        default="1s",
    ),
    Option(
        ("--lock",),
        "lock",
        "Don't run COMMAND while another process has the lock of this name.",
        metavar="NAME",
    ),
    Option(
        ("--lock-wait",),
        "lock_wait",
        "Wait for the lock so long.",
        metavar="DURATION",
        take=take_duration_or_0,
        default="0",
    ),
    Option(("--start-event",), "start_event", "Also send an event when COMMAND begins.", is_flag=True),
    Option(
        ("--require-delivery",),
        "require_delivery",
        "Exit with 1 if COMMAND succeeds and a handler does not get the event in time.",
        is_flag=True,
    ),
    Option(
        ("--max-log",),
        "max_log",
        "Keep so much of the output at most, its beginning and its end; 0: no log.  [default: 64MiB]",
        metavar="SIZE",
        take=take_size,
    ),
    REDACT,
    FLUSH_TIMEOUT,
)


def parse(words: Sequence[str]) -> dict[str, Any] | None:
    """Parse what stands behind `run`: options, then the command.

    :return: those that are given, by their keys; `None`: click has to parse it, as it is unusual, asks for
        help, or is wrong, which click tells
    """
    known = {name: option for option in RUN for name in option.names}
    given: dict[Option, list[str]] = {}
    at = 0
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        at += 1
        if word == "--":
            break
        name, equals, value = word.partition("=")
        option = known.get(name)
        if option is None or (equals and (option.is_flag or not name.startswith("--"))):
            return None
        if not (option.is_flag or equals):
            value = words[at] if at < len(words) else ""
            at += 1
        given.setdefault(option, []).append(value)
    if at >= len(words):
        return None
    try:
        arguments = {option.key: option.value(values) for option, values in given.items()}
    except EventError:
        return None
    return {**arguments, "command": tuple(words[at:])}
