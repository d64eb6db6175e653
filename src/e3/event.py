"""The documented import name, `e3.event`: everything lives in `e3_event`."""

from e3_event.compat import hand_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event import *  # noqa: F403  what type checkers see

hand_over(__name__)
