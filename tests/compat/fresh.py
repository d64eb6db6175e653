"""Fresh virtual environments for tests: made without network, asked by small programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from compat.environments import install, make_env, uninstall

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fresh:
    """A virtual environment of one test.

    :param folder: where to make it
    :param wheels: the wheelhouse to install from
    :param python: the interpreter it is made of
    """

    def __init__(
        self, folder: Path, wheels: Path, python: str = sys.executable, options: Iterable[str] = ()
    ) -> None:
        self.folder = folder
        self.wheels = wheels
        make_env(folder, python, *options)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self, *what: str) -> None:
        install(self.folder, *what, wheels=self.wheels)

    def uninstall(self, *what: str) -> None:
        uninstall(self.folder, *what)

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        return next(self.folder.glob("lib/python*/site-packages"))

    def run(self, code: str, **environment: str) -> str:
        """Run Python code, warnings as errors; return what it prints.

        :raises AssertionError: it failed; shows its last lines
        """
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("E3_", "PYTHON", "COVERAGE"))}
        command = [str(self.python), "-W", "error", "-c", code]
        done = subprocess.run(
            command,
            env={**inherited, **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{code}\n{done.stderr[-800:]}"
        return done.stdout
