"""Where a command runs, as whom, of which commit, and for which build."""

from __future__ import annotations

import os
import re

from ._ci import ci_of
from ._git import head_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def context(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what is known of the surroundings, as data of an event. Never raises.

    :return: `host`, `user`, and as far as they are known `cwd`, `git_commit`, `git_branch`, `ci`
    """
    place = _place()
    ci = ci_of(environment)
    commit, branch = _revision(place.get("cwd", ""), ci, environment)
    known = {"git_commit": commit, "git_branch": branch, "ci": ci}
    return place | {key: value for key, value in known.items() if value}


def _place() -> dict[str, Any]:
    import pwd

    user = os.getuid()
    place = {"host": os.uname().nodename, "user": str(user)}
    try:
        place["user"] = pwd.getpwuid(user).pw_name
    except KeyError:  # a container may have users without names
        pass
    try:
        place["cwd"] = os.getcwd()
    except OSError:  # deleted under us, or not ours to read
        pass
    return place


def _revision(folder: str, ci: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[str, str]:
    """Commit and branch: the repository's, else the CI system's.

    CI systems check out a commit, not a branch: they know its branch where the repository does not.
    """
    told = str(ci.get("commit", ""))
    if not re.fullmatch("[0-9a-f]{40,64}", told):  # a name such as HEAD
        told = ""
    head = head_of(folder, environment) if folder else None
    if head is None:
        return told, ci.get("branch", "")
    commit, branch = head
    if commit and commit == told:
        branch = branch or ci.get("branch", "")
    return commit, branch
