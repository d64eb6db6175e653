"""`lines` keeps the contract of handlers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e3_event_example.lines import LinesHandler

from e3_event import EventError, EventHandler
from e3_event.testing import HandlerContract


class TestLinesHandler(HandlerContract):
    def make_handler(self, tmp_path: Path) -> LinesHandler:
        return LinesHandler(str(tmp_path / "events, all.jsonl"))

    def received(self, handler: EventHandler, tmp_path: Path) -> list[str]:
        assert isinstance(handler, LinesHandler)
        return [json.loads(line)["name"] for line in Path(handler.path).read_text().splitlines()]


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(EventError, match="the path is missing"):
        LinesHandler(**LinesHandler.decode_config(""))


def test_a_bare_comma_is_refused() -> None:
    with pytest.raises(EventError, match="%2C"):
        LinesHandler.decode_config("a,b")
