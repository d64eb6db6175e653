"""What is masked of what we capture: the values of which variables, or nothing."""

from __future__ import annotations

import os
import re

import msgspec

from e3_event._errors import EventError

from ._values import shown, truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from e3_event._redaction import Redactor

    from ._document import Table
    from ._file import Config


_NAME = re.compile(r"[^=$\s\0]+")


class RedactConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is masked.

    :ivar enabled: whether anything is
    :ivar env: variables whose values are masked, beside those whose name tells that they hold a secret; `*`,
        `?` and `[...]` stand for what they do in names of files
    """

    enabled: bool = True
    env: tuple[str, ...] = ()


def take_redaction(table: Table) -> RedactConfig:
    """Take what `[redact]` says; what is wrong is a problem of the table."""
    usual = RedactConfig()
    enabled = table.take("enabled", truth, usual.enabled)
    env = table.take("env", _variables, usual.env)
    table.end()
    return RedactConfig(enabled=enabled, env=env)


def _variables(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise EventError(f"a list of names of variables is needed, not {shown(value)}")
    for name in value:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise EventError(
                f'the name of a variable is needed, such as "DB_URL" or "DEPLOY_*", not {shown(name)}'
            )
    return tuple(value)


def make_redactor(config: Config | None) -> Redactor | None:
    """Return the redactor for what this process captures; `None`: nothing is to be masked.

    :param config: the configuration file, if there is one that is right
    """
    settings = config.redact if config else RedactConfig()
    if not settings.enabled:
        return None
    from e3_event._redaction import Redactor, secrets_of

    return Redactor(secrets_of(os.environ, settings.env))
