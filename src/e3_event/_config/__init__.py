"""Environment and TOML file -> named handlers: what `record` and the command use when nobody added any."""

from __future__ import annotations

import logging
import os

from e3_event._errors import EventError
from e3_event._manager import HANDLERS_VAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event._manager import EventManager

logger = logging.getLogger("e3.event")

#: The environment variable that names the configuration file.
CONFIG_VAR = "E3_EVENT_CONFIG"
#: The configuration file of the machine, for users that have none.
SYSTEM_FILE = "/etc/e3-event/config.toml"


def default_handlers(manager: EventManager) -> None:
    """Give *manager* the configured handlers if it has none, else `file` in the state folder.

    A configuration that is wrong is logged, and the state folder is used, so that the event is not lost. That
    there is none is logged too. Never raises. Of several threads one does it.
    """
    with manager._lock_of(manager):
        if manager.handlers:
            return
        try:
            load_handlers(manager)
        except EventError as error:
            logger.error("%s; events go to the state folder", error)
        try:
            use_state_folder(manager)
        except EventError as error:
            logger.error("%s", error)


def load_handlers(manager: EventManager, file: str | None = None) -> str:
    """Add the configured handlers: those of `E3_EVENT_HANDLERS`, else those of the configuration file.

    :param file: the configuration file, as for `find_config`
    :return: where they come from: the name of the variable, the path of the file; nothing: there are none
    :raises EventError: the configuration is wrong, and nothing was added; says what would be right
    """
    source = handlers_source(file)
    if source == HANDLERS_VAR:
        manager.load_handlers_from_env(HANDLERS_VAR)
        return source
    if source:
        from ._file import load_config

        handlers = load_config(source).handlers
        if handlers:
            manager._add({name: handler.build() for name, handler in handlers.items()})
            return source
    return ""


def handlers_source(file: str | None = None) -> str:
    """Return what configures the handlers: the name of the variable, the path of the file, or nothing.

    :param file: the configuration file, as for `find_config`
    """
    return HANDLERS_VAR if os.environ.get(HANDLERS_VAR, "").strip(" |") else find_config(file) or ""


def find_config(file: str | None = None) -> str | None:
    """Return the path of the configuration file: *file*, else what `E3_EVENT_CONFIG` says, else the first of
    `usual_files` that is there. Files are not merged, and the current folder is not looked at.

    :return: `None`: there is none. A file that is named, or can't be read, may turn out to be an error later
    """
    named = file or os.environ.get(CONFIG_VAR)
    if named:
        return named
    return next((path for path in usual_files() if os.path.lexists(path)), None)


def usual_files() -> list[str]:
    """The configuration files that are looked for: the user's own, and that of the machine."""
    from platformdirs import site_config_path, user_config_path

    files = [SYSTEM_FILE if os.name == "posix" else os.fspath(site_config_path("e3-event") / "config.toml")]
    try:
        return [os.fspath(user_config_path("e3-event") / "config.toml"), *files]
    except RuntimeError:  # this user has no home
        return files


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

    try:
        return os.fspath(user_state_path("e3-event") / "events")
    except RuntimeError as error:
        raise EventError(
            "there is no folder for events, as this user has no home: set E3_EVENT_HANDLERS or XDG_STATE_HOME"
        ) from error
