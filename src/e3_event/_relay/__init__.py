"""The relay: what delivers from a spool to handlers."""

from ._relay import GRACE, HangingHandlersError, Relay
from ._subscriber import Subscriber

__all__ = ["GRACE", "HangingHandlersError", "Relay", "Subscriber"]
