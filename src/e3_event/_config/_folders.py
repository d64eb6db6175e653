"""The folders of the user for files of ours."""

from __future__ import annotations

import os
import sys

from e3_event._errors import EventError

#: What the XDG base directory specification calls them, and where they lie by default.
_XDG = {"config": ("XDG_CONFIG_HOME", "~/.config"), "state": ("XDG_STATE_HOME", "~/.local/state")}


def user_folder(kind: str) -> str:
    """The folder `e3-event` among those of the user, as `platformdirs` says; on Linux without loading it.

    A relative path is as good as none: it would be another folder for each current one.

    :param kind: `config` or `state`
    :raises EventError: this user has no home
    """
    if sys.platform == "linux":
        variable, usual = _XDG[kind]
        found = os.environ.get(variable, "").strip()
        if not os.path.isabs(found):  # "consider the path invalid and ignore it", says XDG
            home = os.environ.get("HOME", "/")
            found = os.path.expanduser(usual) if os.path.isabs(home) else ""
        if os.path.isabs(found):
            return os.path.join(found, "e3-event")
    else:
        import platformdirs

        try:
            return os.fspath(getattr(platformdirs, f"user_{kind}_path")("e3-event"))
        except RuntimeError:
            pass
    raise EventError(f"this user has no home; set HOME or {_XDG[kind][0]}")
