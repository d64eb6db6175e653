from __future__ import annotations

from pathlib import Path

import pytest

from config.files import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration file that only its owner can read."""

    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.touch(0o600)
        path.write_text(text)
        return path

    return write
