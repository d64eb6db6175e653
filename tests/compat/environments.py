"""Virtual environments for the comparison with e3-core and for the tests of names and plugins.

`python tests/compat/environments.py` fills `.cache` from the package index; afterwards no network is needed.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
E3_CORE_ENV = CACHE / "e3-core-env"
OTHER_PYTHONS = ("3.12", "3.13")
_CONSTRAINTS = Path(__file__).with_name("constraints-e3-core.txt")
#: What runs in e3-core's environment: itself, and the mail server of the programs.
_E3_CORE = ("e3-core", "aiosmtpd")
#: What builds this project and the example plugins.
_BUILD = ("hatchling", "editables")


class MissingError(Exception):
    """Something is not there and can't be had without network."""


def e3_core_python() -> Path:
    """The interpreter of the environment that holds e3-core; made when it is first needed."""
    python = E3_CORE_ENV / "bin" / "python"
    with _locked():
        if _is_fresh(E3_CORE_ENV, _CONSTRAINTS):
            return python
        wheels = _wheels()
        make_env(E3_CORE_ENV)
        install(E3_CORE_ENV, *_E3_CORE, "-c", str(_CONSTRAINTS), wheels=wheels)
        _mark_fresh(E3_CORE_ENV, _CONSTRAINTS)
    return python


def wheelhouse() -> Path:
    """The folder with all wheels that the environments need; filled when it is first needed."""
    with _locked():
        return _wheels()


def make_env(folder: Path, python: str = sys.executable, *options: str) -> None:
    """Make an empty virtual environment, in place of one that is there."""
    _uv("venv", "--quiet", "--clear", "--python", python, *options, str(folder))


def install(folder: Path, *what: str, wheels: Path | None = None) -> None:
    """Install into an environment, from the wheelhouse only."""
    places = ("--no-index", "--find-links", str(wheels or wheelhouse()))
    _uv("pip", "install", "--quiet", "--python", str(folder), *places, *what)


def uninstall(folder: Path, *what: str) -> None:
    _uv("pip", "uninstall", "--quiet", "--python", str(folder), *what)


def other_python(version: str) -> str:
    """Path of another interpreter of this machine, from PATH or pyenv.

    :raises MissingError: there is none, or its wheels are not in the wheelhouse
    """
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for candidate in (f"python{version}", *glob.glob(f"{pyenv}/versions/{version}.*/bin/python{version}")):
        with contextlib.suppress(OSError):
            found = _finish([candidate, "-c", "import sys; print(sys.executable)"])
            if found.returncode == 0:
                _wheels_of(version)
                return found.stdout.strip()
    raise MissingError(f"no Python {version} on this machine")


def _wheels() -> Path:
    wheels = CACHE / "wheels"
    if not _is_fresh(wheels, _CONSTRAINTS, ROOT / "constraints.txt"):
        e3_core = ("-c", str(_CONSTRAINTS), *_E3_CORE)
        _pip("wheel", "-w", str(wheels), *e3_core)
        _pip("wheel", "-w", str(wheels), "-c", str(ROOT / "constraints.txt"), *_own_requirements(), *_BUILD)
        _mark_fresh(wheels, _CONSTRAINTS, ROOT / "constraints.txt")
    return wheels


def _wheels_of(version: str) -> None:
    """Add to the wheelhouse what is compiled for another Python."""
    wheels = wheelhouse()
    mark = wheels / f"python{version}"
    with _locked():
        if _is_fresh(mark, _CONSTRAINTS, ROOT / "constraints.txt"):
            return
        mark.mkdir(exist_ok=True)
        target = ("--python-version", version, "--only-binary", ":all:", "--find-links", str(wheels))
        for constraints, what in ((ROOT / "constraints.txt", _own_requirements()), (_CONSTRAINTS, _E3_CORE)):
            _pip("download", "-d", str(wheels), *target, "-c", str(constraints), *what)
        _mark_fresh(mark, _CONSTRAINTS, ROOT / "constraints.txt")


def _own_requirements() -> list[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        requirements: list[str] = tomllib.load(file)["project"]["dependencies"]
    return requirements


def _digest(*sources: Path) -> str:
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _is_fresh(folder: Path, *sources: Path) -> bool:
    """Was the folder finished from these very sources?"""
    with contextlib.suppress(OSError):
        return (folder / ".made-from").read_text() == _digest(*sources)
    return False


def _mark_fresh(folder: Path, *sources: Path) -> None:
    (folder / ".made-from").write_text(_digest(*sources))


_held = 0


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """One process at a time changes `.cache`; a process may enter more than once."""
    global _held
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        if not _held:
            fcntl.flock(file, fcntl.LOCK_EX)
        _held += 1
        try:
            yield
        finally:
            _held -= 1


def _finish(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment or None, capture_output=True, text=True, check=False)


def _uv(*arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PYTHON"))}
    environment["UV_CACHE_DIR"] = str(CACHE / "uv")
    _run([str(uv), "--offline", "--no-config", *arguments], environment)


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    try:
        _run([*command, *arguments], dict(os.environ))
    except MissingError as error:
        raise MissingError(f".cache/wheels has to be filled from the package index once: {error}") from None


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = _finish(command, **environment)
    if done.returncode:
        raise MissingError(
            f"{Path(command[0]).name} {' '.join(command[1:4])} ... failed: {done.stderr.strip()[-800:]}"
        )


def main() -> None:
    """Prepare everything; what only another Python needs may be missing."""
    e3_core_python()
    for version in OTHER_PYTHONS:
        try:
            other_python(version)
        except MissingError as error:
            sys.stderr.write(f"tests with Python {version} will be skipped: {error}\n")


if __name__ == "__main__":
    main()
