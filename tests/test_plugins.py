"""Handler types by name, from a distribution that is found on `sys.path`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from e3_event import EventError, EventManager
from e3_event._plugins import find, missing
from e3_event.testing import Recorder


def test_an_entry_point_may_name_an_extra_and_a_nested_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "nesting_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nesting-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[e3_event.handler]\nextra = nesting_plugin:Outer [fast]\nnested = nesting_plugin:Outer.Inner\n"
    )
    (tmp_path / "nesting_plugin.py").write_text(
        "from e3_event.testing import Recorder\n"
        "class Outer(Recorder):\n"
        "    class Inner(Recorder):\n"
        "        pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nesting_plugin", raising=False)
    assert find("extra").__qualname__ == "Outer"
    assert find("nested").__qualname__ == "Outer.Inner"


def test_a_required_module_of_a_package_that_is_not_there_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Cloud(Recorder):
        requires = {"no_such_package_.storage": "cloud[storage]"}  # noqa: RUF012

    assert missing(Cloud) == {"no_such_package_.storage": "cloud[storage]"}
    monkeypatch.setattr(EventManager, "get_handler", lambda *_: Cloud)
    with pytest.raises(EventError, match=r"Cloud needs .*: pip install 'cloud\[storage\]'"):
        EventManager().add_handler("cloud")
