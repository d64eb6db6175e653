"""Configuration files for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from e3_event._config._document import ConfigError
from e3_event._config._file import Config, load_config

Write = Callable[[str], Path]

SMTP = """
[handlers.oncall]
type = "smtp"
subject = "{name} {status}"
from_addr = "ci@example.net"
to_addr = "oncall@example.net"
smtp_servers = ["smtps://a.example.net", "smtps://b.example.net"]
user = "ci"
"""


def load(path: Path) -> Config:
    return load_config(str(path))


def problems(path: Path) -> list[str]:
    """What is wrong with a file, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert all(problem.startswith(str(path)) for problem in caught.value.problems)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [problem.removeprefix(str(path)).removeprefix(", ") for problem in caught.value.problems]
