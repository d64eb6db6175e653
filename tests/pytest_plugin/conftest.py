from __future__ import annotations

from pathlib import Path

import pytest

from pytest_plugin.session import Sessions


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """A folder for tests. Their sessions know nothing of the one that runs them."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("E3_EVENT_HANDLERS", f"file={tmp_path / 'events'}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    folder = tmp_path / "project"
    folder.mkdir()
    return Sessions(folder, tmp_path / "events")
