"""The interpreters of the peers: environments in `.cache`, each made when it is first needed."""

from __future__ import annotations

import os
import subprocess
import sys

from .measure import ROOT

_CACHE = os.path.join(ROOT, ".cache")
#: Environment -> what is in it.
_PACKAGES = {
    "e3-core-s3-env": ("e3-core==22.10.0", "awscli==1.46.3"),
    "peers-env": (
        *("structlog==26.1.0", "cloudevents==2.2.0", "opentelemetry-sdk==1.45.2"),
        *("sentry-sdk==2.75.0", "apprise==2.2.0", "sentry-cli==3.8.2"),
    ),
}
_MARK = ".made-from"


class MissingError(Exception):
    """A peer is not there and can't be had."""


def e3_core_python() -> str:
    """The interpreter that has e3-core: `E3_CORE_PYTHON`, else that of the tests' own environment.

    :raises MissingError: there is none, and none can be made
    """
    chosen = os.environ.get("E3_CORE_PYTHON")
    if chosen:
        return chosen
    folder = os.path.join(_CACHE, "e3-core-env")
    if not os.path.exists(os.path.join(folder, _MARK)):
        _run(sys.executable, os.path.join(ROOT, "tests", "compat", "environments.py"))
    return _python(folder)


def e3_core_s3_python() -> str:
    """The interpreter that has e3-core beside the AWS command line, which its `s3` handler runs.

    :raises MissingError: they can't be installed
    """
    return _python(_environment("e3-core-s3-env"))


def peers_python() -> str:
    """The interpreter that has the other peers.

    :raises MissingError: they can't be installed
    """
    return _python(_environment("peers-env"))


def _environment(name: str) -> str:
    folder = os.path.join(_CACHE, name)
    mark = os.path.join(folder, _MARK)
    wanted = "\n".join(_PACKAGES[name])
    try:
        with open(mark) as file:
            if file.read() == wanted:
                return folder
    except OSError:
        pass
    _run(sys.executable, "-m", "venv", "--clear", folder)
    _run(_python(folder), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_PACKAGES[name])
    with open(mark, "w") as file:
        file.write(wanted)
    return folder


def _python(folder: str) -> str:
    return os.path.join(folder, "bin", "python")


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise MissingError(f"{os.path.basename(command[0])} {command[1]} failed: {said[-1]}")
