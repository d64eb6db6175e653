"""The commit and the branch that a folder is at, read from the files of its git repository.

Sources: gitrepository-layout(5), the variables in git(1), git-check-ref-format(1), git-pack-refs(1).
"""

from __future__ import annotations

import os
import re

from e3_event._files import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

#: Bytes of a file with one line that are read, and of the list of packed refs: with so many, git is slow too.
_LONGEST_LINE, _LONGEST_LIST = 4096, 16 << 20
_BLOCK = 1 << 16
#: Symbolic refs that are followed, as many as git does.
_MOST_LINKS = 5
#: Refs that a worktree does not share with the others of its repository.
_OF_WORKTREE = ("refs/bisect/", "refs/rewritten/", "refs/worktree/")
_HEADS = "refs/heads/"
#: Hex digits of an id: SHA-256, the longer one, and SHA-1.
_LONGEST_ID = 64
_ID = rf"[0-9a-f]{{40}}|[0-9a-f]{{{_LONGEST_ID}}}"
_REF = r"refs(?:/(?!\.)(?:(?!\.\.|@\{)[^\x00-\x20\x7f~^:?*\[\\/])+(?<!\.lock))+(?<!\.)"


def head_of(folder: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the commit (hex) and the branch that a folder is at; `None`: it lies in no repository.

    They are what `git rev-parse HEAD` and `git branch --show-current` print there. What is not known is
    empty: the commit before the first one, the branch of a detached HEAD, and both where the files are not
    those of a sound repository or in a format that is not read here (reftable).

    Git is not started. Never raises, opens regular files only, and reads a bounded part of them. The
    repository may be another user's: nothing in it is run, and nothing is returned but an id and the name of
    a branch.

    :param folder: an absolute path
    :param environment: its variables say where git looks for the repository
    """
    try:
        found = _find(folder, environment)
        return found and _head(*found)
    except (OSError, ValueError):  # a ValueError: a path that can't be one
        return "", ""


def _find(folder: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Find the repository as git does.

    :return: its folder, and the one that all its worktrees share; `None`: there is none
    """
    if given := environment.get("GIT_DIR"):
        return _repository(os.path.join(folder, given)) or _refuse(given)
    ceilings = _ceilings(environment.get("GIT_CEILING_DIRECTORIES", ""))
    anywhere = environment.get("GIT_DISCOVERY_ACROSS_FILESYSTEM", "").lower() in ("1", "true", "yes", "on")
    device = os.stat(folder).st_dev
    while True:
        found = _repository(os.path.join(folder, ".git")) or _repository(folder)
        above = os.path.dirname(folder)
        if found or above == folder or above in ceilings:
            return found
        if not anywhere and os.stat(above).st_dev != device:
            return None
        folder = above


def _ceilings(value: str) -> set[str]:
    """The folders that git does not go up into; behind an empty entry stand those that are no links."""
    linked, _, plain = f"{os.pathsep}{value}".partition(os.pathsep * 2)
    ceilings = {os.path.realpath(entry) for entry in linked.split(os.pathsep) if os.path.isabs(entry)}
    return ceilings | {os.path.normpath(entry) for entry in plain.split(os.pathsep) if os.path.isabs(entry)}


def _repository(path: str) -> tuple[str, str] | None:
    """The repository that a folder is, or that a file (of a worktree, a submodule) names."""
    if os.path.isfile(path):
        line = _line(path)
        if not line.startswith("gitdir: "):
            _refuse(path)
        path = os.path.join(os.path.dirname(path), line.removeprefix("gitdir: "))
        return _repository_at(path) or _refuse(path)
    return _repository_at(path)


def _repository_at(path: str) -> tuple[str, str] | None:
    if not os.path.lexists(os.path.join(path, "HEAD")):
        return None
    named = os.path.join(path, "commondir")
    shared = os.path.join(path, _line(named)) if os.path.isfile(named) else path
    sound = all(os.path.isdir(os.path.join(shared, name)) for name in ("objects", "refs"))
    return (path, shared) if sound else None


def _refuse(path: str) -> NoReturn:
    """Stop where git stops: it does not look further up."""
    raise ValueError(f"no repository: {path}")


def _head(folder: str, shared: str) -> tuple[str, str]:
    """Commit and branch of a repository."""
    name = "HEAD"
    for _ in range(_MOST_LINKS + 1):
        own = name == "HEAD" or name.startswith(_OF_WORKTREE)
        value = _value(name, folder if own else shared, shared)
        if not value.startswith("ref:"):
            commit = value if re.fullmatch(_ID, value) else ""
            return commit, _shown(name.removeprefix(_HEADS)) if name.startswith(_HEADS) else ""
        name = value.removeprefix("ref:").strip()
        if not re.fullmatch(_REF, name):  # as the HEAD of a repository with reftable
            break
    return "", ""


def _value(name: str, folder: str, shared: str) -> str:
    """What a ref holds: an id, or `ref:` and the name of another one; empty: there is no such ref."""
    path = os.path.join(folder, name)
    if os.path.islink(path) and (target := os.readlink(path)).startswith("refs/"):  # as it once was made
        return f"ref: {target}"
    if os.path.lexists(path) and not os.path.isdir(path):
        return _line(path)
    return _packed(name, os.path.join(shared, "packed-refs"))


def _line(path: str) -> str:
    """The one line of a file."""
    with open_regular(path) as file:
        line = file.read(_LONGEST_LINE)
    return os.fsdecode(line).rstrip() if len(line) < _LONGEST_LINE else _refuse(path)


def _packed(name: str, path: str) -> str:
    """What the list of packed refs says of one; empty: nothing. A line is an id, a space, and a name."""
    if not os.path.lexists(path):
        return ""
    wanted = b" %b\n" % os.fsencode(name)
    text = b""
    with open_regular(path) as file:
        for _ in range(_LONGEST_LIST // _BLOCK):
            block = file.read(_BLOCK)
            text = text[-(len(wanted) + _LONGEST_ID + 1) :] + block  # a line may begin in the block before
            before, found, _ = text.partition(wanted)
            if found:
                return os.fsdecode(before.rpartition(b"\n")[2])
            if not block:
                break
    return ""


def _shown(name: str) -> str:
    """The name of a branch as text: what is no UTF-8 as its code."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
