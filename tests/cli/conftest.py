from __future__ import annotations

from pathlib import Path

import pytest

from cli.command import Events


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Events:
    """The events that the command delivers, as `E3_EVENT_HANDLERS` names their folder."""
    folder = tmp_path / "events"
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={folder}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return Events(folder)
