"""What all tests share: no user's configuration reaches them, and none of theirs reaches the user."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from e3_event import EventManager
from e3_event._family import _inside
from e3_event.job._ci import SYSTEMS
from e3_event.testing import Recorder

settings.register_profile("untimed", deadline=None)  # a slow machine is no failure
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def signals_as_at_a_terminal() -> None:
    """A shell ignores these for what runs in its background, as `nohup` does; commands would inherit that."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_configure() -> None:
    """With `CI=true` nothing is left out because a tool is missing."""
    needed = {
        "strace": "faults",
        "git": "commits and branches",
        **dict.fromkeys(("tmux", "less", "vi"), "screens"),
    }
    for tool, about in needed.items():
        if os.environ.get("CI") == "true" and shutil.which(tool) is None:
            raise pytest.UsageError(f"{tool} is missing: install it, or tests of {about} would be skipped")


@pytest.fixture(autouse=True)
def private_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of its own for each test, and a place of its own for those without one; returns the home. The
    default manager is one that has asked for no configuration yet.

    Nor do a CI system, a trace or a command of ours reach them in which the tests may run.
    """
    monkeypatch.setattr("e3_event.default_manager", EventManager())
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("e3_event._config._place.FALLBACK", str(tmp_path_factory.mktemp("fallback")))
    ours = ("E3_EVENT_HANDLERS", "E3_EVENT_CONFIG", "E3_EVENT_PARENT", "E3_ENABLE_FEATURE")
    around = ("TRACEPARENT", "TRACESTATE", "GIT_DIR", *(sign for (sign, _), _ in SYSTEMS.values()))
    for name in (*ours, *around, "XDG_STATE_HOME", "XDG_CONFIG_HOME", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(autouse=True)
def outside_of_any_event() -> Iterator[None]:
    """Tests are not part of their own session's event, if there is one (`--e3-event`)."""
    token = _inside.set(None)
    yield
    _inside.reset(token)


@pytest.fixture(autouse=True)
def untouched_loggers() -> Iterator[None]:
    """Levels, handlers and filters of the loggers that tests change are put back."""
    yield
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("e3.")]:
        logger = logging.getLogger(name)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
        for filter_ in list(logger.filters):
            logger.removeFilter(filter_)


@pytest.fixture
def recorder() -> Recorder:
    """A handler that keeps what it is given."""
    return Recorder()


@pytest.fixture
def manager(recorder: Recorder) -> EventManager:
    """A manager with that handler alone."""
    manager = EventManager()
    manager.handlers["it"] = recorder
    return manager
