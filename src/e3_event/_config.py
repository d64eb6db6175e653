"""Environment -> named handlers: what `record` and the command use when nobody added any."""

from __future__ import annotations

import logging
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._manager import EventManager

logger = logging.getLogger("e3.event")


def default_handlers(manager: EventManager) -> None:
    """Give *manager* handlers if it has none: those of `E3_EVENT_HANDLERS`, else `file` in the state folder.

    A variable that can't be read is logged, and the state folder is used, so that the event is not lost. That
    there is none is logged too. Never raises. Of several threads one does it.
    """
    from ._errors import EventError
    from ._manager import HANDLERS_VAR

    with manager._lock_of(manager):
        if manager.handlers:
            return
        try:
            manager.load_handlers_from_env(HANDLERS_VAR)
        except EventError as error:
            logger.error("%s; events go to the state folder", error)
        try:
            use_state_folder(manager)
        except EventError as error:
            logger.error("%s", error)


def use_state_folder(manager: EventManager) -> None:
    """Give *manager* a `file` handler in the state folder if it has no handler.

    The folder is made for its owner alone, as the XDG base directory specification wants it.

    :raises EventError: there is no such folder
    """
    if not manager.handlers:
        folder = state_folder()
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError:  # the handler tells when an event is sent
            pass
        manager.add_handler("file", folder)


def state_folder() -> str:
    """The folder of the `file` handler that is used when none is configured (the user's own).

    :raises EventError: this user has no home folder
    """
    from platformdirs import user_state_path

    from ._errors import EventError

    try:
        return os.fspath(user_state_path("e3-event") / "events")
    except RuntimeError as error:
        raise EventError(
            "there is no folder for events, as this user has no home: set E3_EVENT_HANDLERS or XDG_STATE_HOME"
        ) from error
