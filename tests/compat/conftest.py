"""What is missing without network skips here, and fails where nothing may be skipped."""

from __future__ import annotations

import os
import subprocess
import sys
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


@pytest.fixture(scope="session")
def built_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this project."""
    return build_wheel(environments.ROOT, tmp_path_factory.mktemp("wheel"))


def build_wheel(project: Path, folder: Path) -> Path:
    """Build the wheel of a project with this environment's hatchling, into *folder*."""
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(project),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return next(folder.glob("*.whl"))
