"""Handlers from strangers' distributions: the example plugin, and plugins that are wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compat.conftest import build_wheel
from compat.environments import ROOT
from compat.fresh import Fresh

EXAMPLE = ROOT / "examples" / "plugin"
SEND = """
import e3_event
e3_event.load_handlers_from_env()
report = e3_event.dispatch(e3_event.Event("hello", "u1", begin_time=0.0))
assert report.ok, report
for name, handler in e3_event.default_manager.handlers.items():
    print(name, type(handler).__module__)
"""
STRANGE = """
from e3_event import EventHandler

class Base(EventHandler):
    def send_event(self, event):
        raise SystemExit("a strange handler was called")

class Strange(Base):
    pass

class Needy(Base):
    requires = {"pigeon_post": "e3-event-strange[post]"}
"""
STRANGE_ENTRIES = """
[e3_event.handler]
file = strange:Strange
needy = strange:Needy
gone = strange_module_that_is_gone:Handler
nameless = strange:Nothing
broken = strange_broken:Handler
both = strange:Strange

[e3.event.handler]
logging = strange:Strange
both = strange:Needy
"""


@pytest.fixture(scope="module")
def example_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder / "plugin", ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    return build_wheel(folder / "plugin", folder)


@pytest.fixture
def fresh(tmp_path: Path, wheelhouse: Path, built_wheel: Path) -> Fresh:
    fresh = Fresh(tmp_path / "env", wheelhouse)
    fresh.install(str(built_wheel))
    return fresh


@pytest.fixture
def strange(fresh: Fresh) -> Fresh:
    """An environment with a distribution whose entry points are of all sorts."""
    (fresh.packages / "strange.py").write_text(STRANGE)
    (fresh.packages / "strange_broken.py").write_text("raise RuntimeError('no display')\n")
    information = fresh.packages / "strange-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(STRANGE_ENTRIES)
    return fresh


@pytest.mark.parametrize("beside_e3_core", [False, True], ids=["without e3-core", "beside e3-core"])
def test_the_example_plugin_takes_events(
    fresh: Fresh, example_wheel: Path, tmp_path: Path, beside_e3_core: bool
) -> None:
    fresh.install(str(example_wheel), *(["e3-core==22.10.0"] if beside_e3_core else []))
    lines, table = tmp_path / "events.jsonl", tmp_path / "events, all.csv"
    handlers = f"lines={lines}|table={table}|file={tmp_path / 'files'}"
    said = fresh.run(SEND, E3_EVENT_HANDLERS=handlers)
    assert said.split() == [
        *("lines", "e3_event_example.lines"),
        *("table", "e3_event_example.table"),
        *("file", "e3_event.handler.file"),
    ]
    assert json.loads(lines.read_text())["uid"] == "u1"
    assert table.read_text() == "hello,u1,1970-01-01T00:00:00\n"
    assert len(list((tmp_path / "files").glob("hello-u1-*.json"))) == 1


def test_the_example_plugin_shares_its_configuration(
    fresh: Fresh, example_wheel: Path, tmp_path: Path
) -> None:
    fresh.install(str(example_wheel))
    code = """
import os, sys
from e3.event import add_handler, handler_config_as_env
add_handler("lines", sys.argv[0] + "/a, b|c")
add_handler("table:second", "t.csv")
handler_config_as_env()
print(os.environ["E3_EVENT_HANDLERS"])
"""
    assert fresh.run(code) == "lines=-c/a%2C b%7Cc|table:second=t.csv\n"


def test_the_example_plugin_passes_its_own_tests(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    done = subprocess.run(
        [*command, f"--rootdir={EXAMPLE}", str(EXAMPLE / "tests")],
        env={**os.environ, "PYTHONPATH": str(EXAMPLE / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_names_of_shipped_handlers_can_not_be_taken(strange: Fresh) -> None:
    code = """
from e3_event import EventManager
for name in ("file", "logging"):
    print(EventManager().get_handler(name).__module__)
"""
    assert strange.run(code).split() == ["e3_event.handler.file", "e3_event.handler.logging"]


def test_our_group_goes_before_the_documented_one(strange: Fresh) -> None:
    assert strange.run("import e3_event as e; print(e.EventManager().get_handler('both').__name__)") == (
        "Strange\n"
    )


def refusal(fresh: Fresh, entry: str) -> str:
    """The text of the EventError that an entry of E3_EVENT_HANDLERS gets; no handler may be added."""
    code = """
import e3_event
try:
    e3_event.load_handlers_from_env()
except e3_event.EventError as error:
    assert not e3_event.default_manager.handlers
    print(str(error), end="")
"""
    return fresh.run(code, E3_EVENT_HANDLERS=f"logging=x,20|{entry}")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone", "No module named 'strange_module_that_is_gone'"),
        ("nameless", "module 'strange' has no attribute 'Nothing'"),
        ("broken", "no display"),
    ],
)
def test_a_plugin_that_can_not_be_loaded_is_named_with_the_reason(
    strange: Fresh, name: str, reason: str
) -> None:
    text = refusal(strange, f"{name}=x")
    assert text.startswith(f"E3_EVENT_HANDLERS, entry 2 ({name}): handler '{name}' (strange")
    assert "can't be loaded: " in text
    assert reason in text


def test_a_missing_extra_is_named(strange: Fresh) -> None:
    assert refusal(strange, "needy") == (
        "E3_EVENT_HANDLERS, entry 2 (needy): Needy needs the module pigeon_post:"
        " pip install 'e3-event-strange[post]'"
    )


def test_the_extra_of_a_shipped_handler_is_named(fresh: Fresh) -> None:
    """boto3 is not in the base install."""
    text = refusal(fresh, "s3=s3://bucket/e,s3://bucket/l,AES256,")
    assert text.endswith("pip install 'e3-event[s3]'")


def test_an_unknown_handler_is_answered_with_the_installed_ones(strange: Fresh) -> None:
    installed = "both, broken, file, gone, logging, nameless, needy, s3, smtp, spool"
    assert refusal(strange, "pigeon=x") == (
        f"E3_EVENT_HANDLERS, entry 2 (pigeon): no handler 'pigeon' is installed; installed: {installed}"
    )
