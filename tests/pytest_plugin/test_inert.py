"""Where nobody asks for events, the plugin is two options; installed, pytest finds it by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from compat.conftest import build_wheel
from compat.environments import ROOT
from pytest_plugin.session import DEADLINE, PYTEST, Sessions
from pytest_plugin.test_session_event import ASKED

#: Prints what is loaded of us when the tests are over.
CONFTEST = """
    import sys
    def pytest_sessionfinish():
        print("loaded:", sorted(name for name in sys.modules if name.split(".")[0] in {"e3", *NAMES}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as of an installation: our modules, and what says that pytest has a plugin there."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))) as wheel:
        wheel.extractall(folder)
    return folder


def run(
    sessions: Sessions, installed: Path, *arguments: str, command: Sequence[str] = PYTEST, **environment: Any
) -> subprocess.CompletedProcess[str]:
    """Run pytest without naming the plugin."""
    return subprocess.run(
        [*command, *arguments],
        cwd=sessions.folder,
        env={**os.environ, "PYTHONPATH": str(installed), **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.fixture(autouse=True)
def one_test(sessions: Sessions) -> None:
    sessions.write("test_it.py", "def test_it(): pass")


def test_in_a_session_without_events_nothing_of_us_is_loaded_but_the_options(
    sessions: Sessions, installed: Path
) -> None:
    ours = '"e3_event", "e3_event_pytest", "msgspec", "apsw", "click"'
    sessions.write("conftest.py", CONFTEST.replace("*NAMES", ours))
    done = run(sessions, installed, "-s", "-p", "no:hypothesispytest")
    assert "loaded: ['e3_event_pytest']\n" in done.stdout
    assert "e3_event" in run(sessions, installed, "-s", *ASKED).stdout.partition("loaded:")[2]


def test_the_options_load_no_module(sessions: Sessions, installed: Path) -> None:
    code = "import sys; before = {*sys.modules}; import e3_event_pytest; print(*{*sys.modules} - before)"
    done = run(sessions, installed, command=[sys.executable, "-S", "-c", code])
    assert set(done.stdout.split()) <= {"__future__", "e3_event_pytest"}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ((), {}),
        (("-p", "e3_event.pytest"), {}),
        (("-p", "e3_event.pytest"), {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        ((), {"PYTEST_PLUGINS": "e3_event.pytest"}),
        ((), {"PYTEST_PLUGINS": "e3_event.pytest", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        (("-n", "2"), {}),
    ],
    ids=["by itself", "-p", "-p alone", "variable", "variable alone", "xdist"],
)
def test_installed_it_is_there_once_however_it_is_named(
    sessions: Sessions, installed: Path, arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    done = run(sessions, installed, *ASKED, "-W", "error", *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sessions.session()["passed"] == 1


def test_it_can_be_left_out(sessions: Sessions, installed: Path) -> None:
    sessions.write("pytest.ini", "[pytest]\ne3_event = unit\n")
    assert run(sessions, installed, "-p", "no:e3_event.pytest").returncode == 0
    assert not sessions.events.exists()


def test_a_program_that_uses_us_and_then_pytest_gets_no_warning(sessions: Sessions, installed: Path) -> None:
    """pytest warns of modules of its plugins that are there before it: it can't rewrite their assertions."""
    code = "import sys, e3_event, pytest; sys.exit(pytest.main(['-W', 'error']))"
    done = run(sessions, installed, command=[sys.executable, "-c", code])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout
