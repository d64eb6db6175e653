"""Environment and TOML file -> handlers, and the spool in front of them: for `record` and the command."""

from __future__ import annotations

import os

from e3_event._errors import EventError
from e3_event._logger import logger
from e3_event._manager import HANDLERS_VAR

from ._folders import user_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from e3_event._handler import EventHandler
    from e3_event._manager import EventManager

    from ._file import Config

#: The environment variable that names the configuration file.
CONFIG_VAR = "E3_EVENT_CONFIG"
#: The configuration file of the machine, for users that have none.
SYSTEM_FILE = "/etc/e3-event/config.toml"
#: Seconds that those for whose end somebody waits wait for a locked spool; the next one puts their event.
PATIENCE = 2.0


def set_up(manager: EventManager) -> None:
    """Ask the configuration, once a manager, for `record` and what else must not raise: see `configure`.

    What is wrong is logged. Of several threads one does it.
    """
    if manager._setup.done:
        return
    with manager._lock_of(manager):
        if not manager._setup.done:
            configure(manager, tell=logger.error)


def configure(
    manager: EventManager,
    file: str | None = None,
    tell: Callable[..., object] | None = None,
    *,
    patience: float | None = None,
) -> str:
    """Give *manager* the spool that stands in front of its handlers and, if it has none, the configured ones.

    There is no spool in front if the configuration says so, if one of the handlers is one, and (which is a
    warning) if no folder can take one.

    :param file: the configuration file, as for `find_config`
    :param tell: takes a format and what is wrong; without it that is raised
    :param patience: seconds to wait for another process that keeps that spool locked, if not as long as usual
    :return: where the handlers come from, as of `load_handlers`
    :raises EventError: the configuration is wrong, and nothing was added; says what would be right. Or (if
        nothing takes it) the spool that it names can't be used
    """
    setup = manager._setup
    problems = []
    config, source = None, ""
    try:
        config = read_config(file)
        setup.redact = config.redact if config else None
    except EventError as error:
        problems.append(error)
    try:
        source = "" if manager.handlers else _add_handlers(manager, config)
    except EventError as error:
        problems.append(error)
        setup.complete = handlers_source(file) != HANDLERS_VAR
    except BaseException:  # foreign code, which may even exit; events are kept all the same
        setup.complete = handlers_source(file) != HANDLERS_VAR
        setup.front = _front(manager, config, is_variable=False, must_open=False, patience=patience)
        raise
    if problems and tell is None:
        raise problems[0]
    is_variable = source == HANDLERS_VAR
    setup.front = _front(manager, config, is_variable=is_variable, must_open=tell is None, patience=patience)
    if tell is not None:
        for problem in problems:
            tell("%s; %s", str(problem).strip(), _where_events_go(manager))
            setup.problems += getattr(problem, "problems", [str(problem).strip()])
    setup.done = True
    return source


def load_handlers(manager: EventManager, file: str | None = None) -> str:
    """Add the configured handlers: those of `E3_EVENT_HANDLERS`, else those of the configuration file.

    :param file: the configuration file, as for `find_config`
    :return: where they come from: the name of the variable, the path of the file; nothing: there are none
    :raises EventError: the configuration is wrong, and nothing was added; says what would be right
    """
    return _add_handlers(manager, None if _is_set() else read_config(file))


def read_config(file: str | None = None) -> Config | None:
    """Read the configuration file.

    :param file: as for `find_config`
    :return: `None`: there is none
    :raises ConfigError: it is wrong; names every problem
    """
    path = find_config(file)
    if path is None:
        return None
    from ._file import load_config

    return load_config(path)


def _add_handlers(manager: EventManager, config: Config | None) -> str:
    if _is_set():
        manager.load_handlers_from_env(HANDLERS_VAR)
        return HANDLERS_VAR
    if config is None or not config.handlers:
        return ""
    manager._add({name: handler.build() for name, handler in config.handlers.items()})
    manager._setup.named = dict(config.handlers)
    return config.document.path


def _front(
    manager: EventManager,
    config: Config | None,
    *,
    is_variable: bool,
    must_open: bool,
    patience: float | None,
) -> tuple[str, EventHandler] | None:
    """The spool in front of the handlers; `None`: there is none, or it is one of them.

    :param is_variable: whether the handlers are of `E3_EVENT_HANDLERS`
    :param must_open: whether one that is named has to be usable
    :param patience: as for `configure`
    """
    from ._place import SpoolConfig, opened, spool_handler, take_settings

    settings = SpoolConfig() if config is None else config.spool
    name, own = manager._front()
    if own is not None and name not in manager._setup.named:
        if is_variable:
            handler = take_settings(own, settings or SpoolConfig())  # type: ignore[arg-type]  # what it names
            if must_open:
                opened(handler)
        return None
    if settings is None:
        return None
    try:
        handler = spool_handler(settings)
    except EventError as error:
        logger.warning("%s; they go directly to their handlers", str(error).strip())
        manager._setup.problems.append(str(error).strip())
        return None
    if patience is not None:
        handler.patience = patience
    if settings.path and must_open:
        opened(handler)
    return "spool", handler


def _where_events_go(manager: EventManager) -> str:
    if manager._setup.front:
        return f"events are kept in {getattr(manager._setup.front[1], 'path', 'a spool')}"
    return "events go directly to their handlers" if manager.handlers else "events are lost"


def _is_set() -> bool:
    return bool(os.environ.get(HANDLERS_VAR, "").strip(" |"))


def handlers_source(file: str | None = None) -> str:
    """Return what configures the handlers: the name of the variable, the path of the file, or nothing.

    :param file: the configuration file, as for `find_config`
    """
    return HANDLERS_VAR if _is_set() else find_config(file) or ""


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
    system = SYSTEM_FILE
    if os.name != "posix":
        from platformdirs import site_config_path

        system = os.fspath(site_config_path("e3-event") / "config.toml")
    try:
        return [os.path.join(user_folder("config"), "config.toml"), system]
    except EventError:  # this user has no home
        return [system]
