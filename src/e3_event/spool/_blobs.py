"""Attachments in a spool: captured as files that survive a power cut, checked when they are read."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, cast

from e3_event._codec import as_text
from e3_event._files import digest_of, open_regular, safe_name, sha1_of, sha256_of, write_atomic

from ._copy import copy
from ._disk import UnreadableError, read, sync_folder, taken_back

if TYPE_CHECKING:
    from io import BufferedReader

    from e3_event import Attachment

    from ._stored import Captured

#: Attachments below this size (bytes) lie in the database.
SMALL = 32 * 1024


class Blobs:
    """The folder `blobs/` of a spool: one folder a snapshot.

    :param folder: path of `blobs/`; made if it is not there
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._tag = os.urandom(4).hex()
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        else:
            with taken_back([folder]):
                sync_folder(os.path.dirname(folder))

    def capture(self, snapshot_id: str, attachments: tuple[Attachment, ...]) -> Capture:
        """Copy attachments. What does not lie in the database is on disk, synced, when it returns.

        One that can't be read any more is left out.

        :raises OSError: the copy can't be written; nothing is left behind
        """
        capture = Capture()
        stage = os.path.join(self.folder, f"{snapshot_id}.{os.urandom(4).hex()}.tmp")
        try:
            for attachment in attachments:
                try:
                    with _open(attachment) as source:
                        capture.add(attachment, source, stage)
                except UnreadableError as error:
                    capture.left_out[attachment.name] = f"{error.strerror or error}"
            if capture.staged:
                sync_folder(stage)
                self._publish(stage, os.path.join(self.folder, snapshot_id))
        except BaseException:
            _remove(stage)
            raise
        return capture

    def _publish(self, stage: str, place: str) -> None:
        """Give the folder its name; one that is there was left by a put that did not come to its end."""
        while True:
            try:
                os.rename(stage, place)
                break
            except OSError:
                if not os.path.isdir(place):
                    raise
                self._discard(place)
        sync_folder(self.folder)

    def discard(self, snapshot_id: str) -> None:
        """Remove the attachments of a snapshot, if there are any."""
        self._discard(os.path.join(self.folder, snapshot_id))

    def _discard(self, place: str) -> None:
        doomed = f"{place}.{os.urandom(4).hex()}.tmp"
        try:
            os.rename(place, doomed)
        except FileNotFoundError:
            return
        _remove(doomed)

    def path(self, snapshot_id: str, captured: Captured, content: bytes | None) -> str:
        """Return the path of a captured attachment.

        :param content: its bytes, if it lies in the database; they are written into a file, which is kept
            until `release`
        """
        if content is None:
            return os.path.join(self.folder, snapshot_id, captured.file)
        folder = os.path.join(self.folder, f"{snapshot_id}.{self._tag}.tmp")
        path = os.path.join(folder, safe_name(captured.name))
        if not os.path.exists(path):
            write_atomic(path, content)
            os.utime(path, ns=(captured.mtime_ns, captured.mtime_ns))
            os.chmod(path, captured.mode)
        return path

    def release(self, snapshot_id: str) -> None:
        """Remove the files that `path` has written for small attachments."""
        _remove(os.path.join(self.folder, f"{snapshot_id}.{self._tag}.tmp"))

    def open(self, path: str, captured: Captured) -> BufferedReader:
        """Open a captured file at its start, once its bytes are found to be those captured.

        :raises OSError: it is missing, or damaged (says which)
        """
        file = open_regular(path)
        try:
            if sha256_of(file) != captured.sha256:
                raise OSError(f"damaged, its SHA-256 is not that of what was captured: {path}")
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file


def open_in_memory(captured: Captured, content: bytes) -> BufferedReader:
    """Open what lies in the database as a file without a name, with mode and mtime of the one captured."""
    file = open(os.memfd_create("attachment", os.MFD_CLOEXEC), "w+b")  # noqa: SIM115  the caller closes it
    try:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), captured.mode)
        os.utime(file.fileno(), ns=(captured.mtime_ns, captured.mtime_ns))
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return cast("BufferedReader", file)


def problem_of(folder: str, snapshot_id: str, captured: Captured) -> str:
    """What is wrong with an attachment that lies in the folder `blobs/`; empty: nothing."""
    path = os.path.join(folder, snapshot_id, captured.file)
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size != captured.size:
                return f"damaged, its size is not that of what was captured: {path}"
            if sha256_of(file) != captured.sha256:
                return f"damaged, its SHA-256 is not that of what was captured: {path}"
    except FileNotFoundError:
        return f"missing: {path}"
    except OSError as error:
        return f"unreadable, {error.strerror or error}: {path}"
    return ""


class Capture:
    """The attachments of one snapshot, while and after they are copied.

    :ivar captured: what the spool knows of each, in the form of `Captured`
    :ivar small: contents of those that go into the database, by their place
    :ivar staged: whether there are files
    :ivar blob_bytes: size of the files
    :ivar changed: names of those that hold other bytes than when the snapshot was made
    :ivar left_out: why others could not be captured, by name
    """

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.left_out: dict[str, str] = {}
        self.captured: list[dict[str, Any]] = []
        self.small: dict[int, bytes] = {}
        self.staged = False
        self.blob_bytes = 0

    def add(self, attachment: Attachment, source: BufferedReader, stage: str) -> None:
        status = os.fstat(source.fileno())
        head = read(source, SMALL)
        sha1 = attachment.sha1 if attachment.is_untouched(status) else ""  # it needs no second look
        file, size = "", len(head)
        if size < SMALL:
            self.small[len(self.captured)] = head
            sha1, sha256 = sha1 or digest_of("sha1", head), digest_of("sha256", head)
        else:
            if not self.staged:
                os.mkdir(stage, 0o700)
                self.staged = True
            file = safe_name(attachment.name)
            path = os.path.join(stage, file)
            size, found, sha256 = _copy(head, source, path, is_known=bool(sha1))
            if sha1 and not attachment.is_untouched(os.fstat(source.fileno())):
                with open(path, "rb") as kept:  # it was written to meanwhile
                    found = sha1_of(kept)
            sha1 = found or sha1
            self.blob_bytes += size
        if sha1 != attachment.sha1:
            self.changed.append(attachment.name)
        known = {
            "name": as_text(attachment.name),  # a name may hold what no text can
            "path": as_text(attachment.given),
            "sha1": sha1,
            "sha256": sha256,
            "size": size,
            "mode": status.st_mode & 0o777,
            "mtime_ns": status.st_mtime_ns,
        }
        self.captured.append({**known, "file": file} if file else known)


def _copy(head: bytes, source: BufferedReader, path: str, *, is_known: bool) -> tuple[int, str, str]:
    """Copy a file as `copy`.

    :param is_known: whether its SHA-1 is not needed
    :return: its size, SHA-1 (hex; empty if it is not needed) and SHA-256
    """
    import hashlib

    sha256 = hashlib.sha256(head)
    sha1 = None if is_known else hashlib.sha1(head, usedforsecurity=False)
    size = copy(head, source, path, [sha256] if sha1 is None else [sha1, sha256])
    return size, sha1.hexdigest() if sha1 else "", sha256.hexdigest()


def _remove(folder: str) -> None:
    """Remove a folder, and what is in it, as far as that is possible."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _open(attachment: Attachment) -> BufferedReader:
    try:
        return attachment.open()
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):  # nothing is wrong with the file: it can be had later
            raise
        raise UnreadableError(error.errno, error.strerror or str(error)) from error
