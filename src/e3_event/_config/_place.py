"""Where spool and locks lie: what the configuration says, else the user's folder, else one in /var/tmp."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from e3_event._errors import EventError, SpoolError
from e3_event._logger import logger
from e3_event._manager import HANDLERS_VAR, entries_of
from e3_event._plugins import find

from ._folders import user_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event.handler.spool import SpoolHandler
    from e3_event.spool import Spool

#: Survives a reboot, and is there for every user.
FALLBACK = "/var/tmp"  # noqa: S108  what lies in it is checked to be the user's own


class SpoolConfig(NamedTuple):
    """Where snapshots wait.

    :ivar path: the folder; `None` is the user's own
    :ivar max_size: bytes that it may take
    :ivar retention: seconds that a settled event is kept
    """

    path: str | None = None
    max_size: int = 1 << 30
    retention: float = 30 * 86400.0


def open_spool(file: str | None = None, *, variable: bool = True) -> Spool:
    """Open the spool that `record` and the command put events into; see `find_spool`.

    :raises SpoolError: it can't be used; says why
    """
    return opened(find_spool(file, variable=variable))


def find_spool(file: str | None = None, *, variable: bool = True) -> SpoolHandler:
    """Return the spool that `record` and the command put events into, not opened yet.

    :param file: the configuration file, as for `find_config`
    :param variable: whether one that `E3_EVENT_HANDLERS` names counts
    :raises EventError: the configuration is wrong, or says that there is no spool
    """
    from . import read_config

    config = read_config(file)
    handler = named_spool() if variable else None
    settings = config.spool if config else SpoolConfig()
    if handler is None and settings is None:
        raise SpoolError('there is no spool: the configuration says `spool = "none"`')
    settings = settings or SpoolConfig()
    return take_settings(handler, settings) if handler else spool_handler(settings)


def opened(handler: SpoolHandler) -> Spool:
    """Open a spool.

    :raises SpoolError: it can't be used; says why
    """
    try:
        return handler.spool
    except OSError as error:
        raise SpoolError(f"the spool can't be made: {error.strerror or error}", handler.path) from error


def named_spool() -> SpoolHandler | None:
    """The spool that `E3_EVENT_HANDLERS` names, if it does; the other entries may be wrong.

    :raises EventError: its folder is missing
    """
    for _, name, config in entries_of(HANDLERS_VAR):
        if name.partition(":")[0] == "spool":
            cls: type[SpoolHandler] = find("spool")  # type: ignore[assignment]  # it is of that class
            return cls(**cls.decode_config(config))
    return None


def take_settings(handler: SpoolHandler, settings: SpoolConfig) -> SpoolHandler:
    """Let a spool that `E3_EVENT_HANDLERS` names be as large as the file says."""
    handler.max_size, handler.retention = settings.max_size, settings.retention
    return handler


def spool_handler(settings: SpoolConfig) -> SpoolHandler:
    """The spool of the configuration, not opened yet.

    :raises SpoolError: none is named, and there is no folder for the user's own
    """
    cls: type[SpoolHandler] = find("spool")  # type: ignore[assignment]  # it is of that class
    return cls(settings.path or usual_place(), settings.max_size, settings.retention)


def usual_place() -> str:
    """The folder of the user's own spool: in the state folder, else in /var/tmp. It is made.

    That it is in /var/tmp because the state folder is not the user's own (`sudo` may keep HOME), or others
    can write there, is a warning.

    :raises SpoolError: there is none; says why
    """
    return _place_of("events", "spool", "e3-event")


def lock_folder() -> str:
    """The folder of the user's locks, likewise.

    :raises SpoolError: there is none; says why
    """
    return _place_of("locks", "locks", "e3-event-locks")


def _place_of(what: str, folder: str, fallback: str) -> str:
    """The folder of this name in the state folder, else one in /var/tmp."""
    if not hasattr(os, "geteuid"):
        raise SpoolError(f"no folder can take {what}: it needs a POSIX system")
    from e3_event.spool._place import RemoteFolderError

    fallback = os.path.join(FALLBACK, f"{fallback}-{os.geteuid()}")
    try:
        return _fit(os.path.join(user_folder("state"), folder))
    except (OSError, EventError) as error:
        first = error
    try:
        place = _fit(fallback)
    except (OSError, EventError) as error:
        raise SpoolError(f"no folder can take {what}: {_said(first)}; {_said(error)}") from error
    if isinstance(first, SpoolError) and not isinstance(first, RemoteFolderError):
        logger.warning("%s; %s are kept in %s", _said(first), what, place)
    return place


def _fit(path: str) -> str:
    """Return *path* if a spool of this user can lie there.

    :raises SpoolError: it is somebody else's, or lies on a network file system
    :raises OSError: it can't be written
    """
    above = path
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    owner = os.stat(above).st_uid
    if os.geteuid() == 0 != owner:  # whose it is could not use it any more
        raise SpoolError(f"belongs to user {owner}, not to 0; a spool has one owner", above)
    from e3_event.spool._place import open_folder

    open_folder(path)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return path


def _said(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error).strip()
