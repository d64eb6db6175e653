"""In what secrets are masked, and the values of which variables are secrets."""

from __future__ import annotations

import os
import re
from typing import Literal, NamedTuple

from e3_event._errors import EventError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from e3_event._redaction import Redactor

    from ._document import Table

    Scope = Literal["captured", "all", "nothing"]

#: In what secrets can be masked: in what we capture, such as the log of a command; also in the data that
#: programs set and in the files that they attach; in none of it.
SCOPES: tuple[Scope, ...] = ("captured", "all", "nothing")
_NAME = r"[^=$\s\0]+"


class RedactConfig(NamedTuple):
    """What is masked.

    :ivar scope: in what, one of `SCOPES`
    :ivar env: variables whose values are masked, beside those whose name tells that they hold a secret; `*`,
        `?` and `[...]` stand for what they do in names of files
    """

    scope: Literal["captured", "all", "nothing"] = "captured"
    env: tuple[str, ...] = ()


def take_redaction(table: Table) -> RedactConfig:
    """Take what `[redact]` says; what is wrong is a problem of the table."""
    usual = RedactConfig()
    scope = table.take("scope", _scope, usual.scope)
    env = table.take("env", _variables, usual.env)
    table.end()
    return RedactConfig(scope=scope, env=env)


def _scope(value: Any) -> Scope:
    if value not in SCOPES:
        from ._values import shown

        raise EventError(f'"captured", "all" or "nothing" is needed, not {shown(value)}')
    return value  # type: ignore[no-any-return]  # it is one of them


def _variables(value: Any) -> tuple[str, ...]:
    from ._values import shown

    if not isinstance(value, list):
        raise EventError(f"a list of names of variables is needed, not {shown(value)}")
    for name in value:
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):
            raise EventError(
                f'the name of a variable is needed, such as "DB_URL" or "DEPLOY_*", not {shown(name)}'
            )
    return tuple(value)


def make_redactor(settings: RedactConfig) -> Redactor | None:
    """Return the redactor for what this process captures; `None`: nothing is to be masked."""
    if settings.scope == "nothing":
        return None
    from e3_event._redaction import Redactor, secrets_of

    return Redactor(secrets_of(os.environ, settings.env))
