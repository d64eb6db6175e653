"""The errors, as one tree.

::

    E3Error                 e3-core's own class where e3-core is installed, else ours
    └── EventError          anything this package refuses; says what, which one and what would be right
        ├── DeliveryError   a handler could not deliver; another try may help
        ├── RejectedError   a handler could not deliver; another try can't help
        └── SpoolError      a spool can't be used as it is
            └── SpoolFullError  it has no room, and nothing in it may be thrown away
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self


class _E3Error(Exception):
    """Base error of the e3 family, for programs without e3-core.

    :param message: one message or a list of messages
    :param origin: where it happened (a file, a command)
    :ivar messages: the messages; `error += "more"` adds to them, and the last one is what is printed
    """

    def __init__(self, message: str | Sequence[str] | None = None, origin: str | None = None) -> None:
        super().__init__(message, origin)
        self.origin = origin
        self.messages: list[str] = []
        if message is not None:
            self += message

    def __iadd__(self, other: str | Sequence[str] | _E3Error) -> Self:
        """Add a message, several messages, or those of another error."""
        if isinstance(other, _E3Error):
            self.messages.extend(other.messages)
        elif isinstance(other, str):
            self.messages.append(other)
        else:
            self.messages.extend(other)
        return self

    def __str__(self) -> str:
        text = self.messages[-1] if self.messages else type(self).__name__
        return f"{self.origin}: {text}\n" if self.origin else text


_E3Error.__name__ = _E3Error.__qualname__ = "E3Error"

if TYPE_CHECKING:
    E3Error = _E3Error
else:
    try:  # decided once, so that `except E3Error` in an old program still catches
        from e3.error import E3Error
    except ImportError:
        E3Error = _E3Error


class EventError(E3Error):
    """Anything that this package refuses; says what, which one and what would be right."""


class DeliveryError(EventError):
    """A handler could not deliver, and another try may help.

    :param retry_after: seconds that the sink asks to wait before the next try
    """

    def __init__(
        self,
        message: str | Sequence[str] | None = None,
        origin: str | None = None,
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, origin)
        self.retry_after = retry_after


class RejectedError(EventError):
    """A handler could not deliver, and another try can't help."""


class SpoolError(EventError):
    """A spool can't be used as it is."""


class SpoolFullError(SpoolError):
    """A spool has no room, and nothing in it may be thrown away."""
