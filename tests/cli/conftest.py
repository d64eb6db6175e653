from __future__ import annotations

from pathlib import Path

import pytest

from cli.command import DIRECT, Events


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Events:
    """The events that the command delivers, as `E3_EVENT_HANDLERS` names their folder."""
    folder = tmp_path / "events"
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={folder}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return Events(folder)


@pytest.fixture
def direct(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """This user keeps events out of the spool: they go to their handlers at once."""
    path = tmp_path_factory.mktemp("direct") / "config.toml"
    path.write_text(DIRECT)
    monkeypatch.setenv("E3_EVENT_CONFIG", str(path))
