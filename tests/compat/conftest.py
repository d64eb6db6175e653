"""What is missing without network skips here, and fails where nothing may be skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compat import environments


def needed(error: environments.MissingError) -> None:
    """Skip with the reason, or fail with `CI=true`."""
    if os.environ.get("CI") == "true":
        pytest.fail(str(error))
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def e3_core() -> Path:
    """The interpreter of e3-core's own environment."""
    try:
        return environments.e3_core_python()
    except environments.MissingError as error:
        needed(error)
        raise


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    """The folder of wheels from which environments are made without network."""
    try:
        return environments.wheelhouse()
    except environments.MissingError as error:
        needed(error)
        raise
