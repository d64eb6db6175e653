"""Where the spool lies that the configuration names."""

from __future__ import annotations

import os

from e3_event._errors import SpoolError
from e3_event.spool import Spool

from . import find_config


def open_spool(file: str | None = None) -> Spool:
    """Open the spool of the configuration file, else that of the user.

    :param file: the configuration file, as for `find_config`
    :raises EventError: the configuration is wrong, or says that there is no spool
    :raises SpoolError: the spool can't be used; says why
    """
    from ._file import SpoolConfig, load_config

    path = find_config(file)
    config = load_config(path).spool if path else SpoolConfig()
    if config is None:
        raise SpoolError('there is no spool: the configuration says `spool = "none"`', path)
    place = config.path or spool_folder()
    return Spool(place, max_size=config.max_size, retention=config.retention)


def spool_folder() -> str:
    """The folder of the user's own spool."""
    from platformdirs import user_state_path

    return os.fspath(user_state_path("e3-event") / "spool")
