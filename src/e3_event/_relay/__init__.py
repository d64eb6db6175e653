"""The relay: what delivers from a spool to handlers."""

from ._relay import GRACE, HangingHandlersError, Relay
from ._subscriber import DEADLINE, Subscriber

__all__ = ["DEADLINE", "GRACE", "HangingHandlersError", "Relay", "Subscriber"]
