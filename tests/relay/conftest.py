"""Fixtures of the relay's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.kit import Post


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    post = Post(tmp_path)
    yield post
    post.close()
