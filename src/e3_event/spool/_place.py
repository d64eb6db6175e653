"""Where a spool may lie: a folder of its owner alone, on a local file system."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from e3_event._errors import SpoolError

from ._database import MARK, QUARANTINE
from ._disk import sync_folder, taken_back

if TYPE_CHECKING:
    from collections.abc import Callable

#: Names of the file systems that other machines can reach too: WAL works on one machine only.
NETWORK = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs"),
        *("glusterfs", "orangefs", "ocfs2", "gfs2", "davfs", "ncpfs", "coda", "virtiofs", "vboxsf", "prl_fs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.davfs2", "fuse.ceph"),
    )
)
DATABASE = "spool.db"
#: The folder of what runs now.
RUNS = "runs"
#: What is written to in the folder of a spool, besides its database.
_FILES = (f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}.failed", MARK)
_FOLDERS = ("blobs", QUARANTINE, RUNS)


class RemoteFolderError(SpoolError):
    """The folder lies on a network file system."""


def open_folder(path: str) -> str:
    """Make the folder of a spool if it is not there, and check that it is fit for one.

    :return: its absolute path
    :raises SpoolError: it belongs to somebody else, others can write into it, it is a link, the same holds
        for what is in it, or it lies on a network file system; says which, and what to do
    :raises OSError: it can't be made
    """
    path = os.path.abspath(path)
    made = _make_folders(path)
    _check_owner(path, os.lstat(path), stat.S_ISDIR, "a folder")
    if not _check_if_there(os.path.join(path, DATABASE), stat.S_ISREG, "a file"):
        with taken_back(made):
            _sync_names(path)
    for name in _FILES:
        _check_if_there(os.path.join(path, name), stat.S_ISREG, "a file")
    for name in _FOLDERS:
        _check_if_there(os.path.join(path, name), stat.S_ISDIR, "a folder")
    kind = file_system(path)
    if kind in NETWORK:
        raise RemoteFolderError(
            f"the spool can't lie on a network file system ({kind}); choose a local folder", path
        )
    return path


def _make_folders(path: str) -> list[str]:
    """Make a folder and those that it lies in, where they are missing.

    :return: those made, the outermost first
    """
    parent = os.path.dirname(path)
    made = [] if os.path.isdir(parent) else _make_folders(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return made
    return [*made, path]


def _sync_names(path: str) -> None:
    """Make the folder, and those that it lies in, survive a power cut: any may just have been made."""
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        try:
            sync_folder(path)
        except PermissionError:  # a folder that we may not read was not made by us
            return


def _check_if_there(path: str, is_right: Callable[[int], bool], what: str) -> bool:
    """Check what lies there, if anything does."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    _check_owner(path, status, is_right, what)
    return True


def _check_owner(path: str, status: os.stat_result, is_right: Callable[[int], bool], what: str) -> None:
    if not is_right(status.st_mode):
        raise SpoolError(f"not {what} (links are not followed)", path)
    if status.st_uid != os.geteuid():
        raise SpoolError(
            f"belongs to user {status.st_uid}, not to {os.geteuid()}; a spool has one owner", path
        )
    if status.st_mode & 0o022:
        raise SpoolError(f"others can write into it; take that right away: chmod go-w {path}", path)


def file_system(path: str) -> str:
    """Return the type of the file system at *path*, such as `ext4`; empty where the machine does not say."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    found = ""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                fields = line.split()
                if fields[2] == wanted:
                    found = fields[fields.index("-", 6) + 1]
    except (OSError, ValueError, IndexError):
        return ""
    return found
