"""What pytest loads of `e3_event.pytest` where nobody asks for events: the options. It imports nothing.

It stands beside the package, as anything in there would load the package first.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pytest

#: Which tests get an event of their own.
WHICH = ("failed", "all")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, and the settings of the same names."""
    group = parser.getgroup("e3-event", "events (e3-event)")
    group.addoption(
        "--e3-event",
        metavar="NAME",
        help="Send an event of this name about the session. An empty name: none.",
    )
    group.addoption(
        "--e3-event-tests",
        choices=WHICH,
        help="Send an event about each test that failed, or about each test, too.",
    )
    parser.addini("e3_event", "Name of an event that is sent about each session.")
    parser.addini("e3_event_tests", "Which tests get an event of their own: failed or all.")


def pytest_configure(config: pytest.Config) -> None:
    """Begin, if an event is asked for."""
    name, tests = (_asked(config, key) for key in ("e3_event", "e3_event_tests"))
    if not name:
        if config.option.e3_event_tests and config.option.e3_event is None:
            _refuse("--e3-event-tests needs the name of the session's event: --e3-event NAME")
        return
    if tests and tests not in WHICH:
        _refuse(f"the setting e3_event_tests is failed or all, not {tests!r}")
    from e3_event.pytest._plugin import register

    register(config, name, tests)


def _asked(config: pytest.Config, key: str) -> str:
    """What the option says, else the setting."""
    option = getattr(config.option, key)
    return str(config.getini(key) or "") if option is None else str(option)


def _refuse(why: str) -> None:
    import pytest

    raise pytest.UsageError(why)
