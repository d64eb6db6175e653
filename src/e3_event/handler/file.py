"""`file`: events as files in a folder."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import stat
from typing import TYPE_CHECKING, Any

from e3_event import Attachment, DeliveryError, Event, EventError, EventHandler
from e3_event.handler_tools import attachments, event_json, safe_name, snapshot_id, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import BufferedReader


class FileHandler(EventHandler):
    """Writes each event as a JSON file into a folder, its attachments into a folder beside it.

    The file is `{log_dir}/{name}-{uid}-{snapshot_id}.json` and holds `as_dict()`, indented by 2, keys sorted.
    It appears complete, and after the attachments, which lie in `{log_dir}/{name}-{uid}/` under their names,
    mode and mtime kept. Where that place has other bytes already (the event was sent before), they lie in
    `{log_dir}/{name}-{uid}-{snapshot_id}/`. Names are made safe: nothing is ever written outside `log_dir`.
    The same snapshot sent again changes nothing.

    Atomic, not synced: what was answered True survives a crash of the program, not of the machine.

    Configuration string: the folder, a `|` in it as `%7C`; as in `file=/var/log/events`.

    :param log_dir: the folder; created when it is first needed
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        self.log_dir = os.fspath(log_dir)
        if not self.log_dir:
            raise EventError("the folder is missing, as in file=/var/log/events")

    def send_event(self, event: Event) -> bool:
        """Write the event.

        :raises DeliveryError: a file can't be written; says why (no right to, the disk is full)
        """
        event = event.snapshot()
        place = os.path.join(self.log_dir, f"{safe_name(str(event['name']))}-{safe_name(str(event['uid']))}")
        own_place = f"{place}-{snapshot_id(event)}"
        files = attachments(event)
        try:
            if files:
                self._store(files, place, own_place)
            write_atomic(f"{own_place}.json", event_json(event, indent=2, sort_keys=True))
        except OSError as error:
            raise DeliveryError(f"{error.strerror or error}: {self.log_dir}") from error
        return True

    def _store(self, files: Iterable[Attachment], place: str, own_place: str) -> None:
        """Bring copies of *files* into the folder *place*, or all into *own_place* if that is taken."""
        stage = f"{own_place}.tmp"
        shutil.rmtree(stage, ignore_errors=True)  # of a try that was killed
        os.makedirs(stage)
        try:
            for file in files:
                _copy(file, os.path.join(stage, safe_name(file.name)))
            if not (_rename(stage, place) or _merge(stage, place) or _rename(stage, own_place)):
                _merge(stage, own_place)  # the same snapshot, sent again
        finally:
            shutil.rmtree(stage, ignore_errors=True)

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, Any]:
        """Decode the folder."""
        return {"log_dir": config_str.replace("%7C", "|").replace("%25", "%")}

    def encode_config(self) -> str:
        folder = self.log_dir
        for code in ("%25", "%7C"):  # these alone would be decoded
            folder = folder.replace(code, "%25" + code[1:])
        return folder.replace("|", "%7C")


def _opened(attachment: Attachment) -> BufferedReader:
    try:
        return attachment.open()
    except OSError as error:
        raise DeliveryError(f"attachment {attachment.name!r} can't be read: {error}") from error


def _copy(attachment: Attachment, path: str) -> None:
    """Copy an attachment with its mode and mtime."""
    with _opened(attachment) as source, open(path, "xb", opener=_private) as target:
        shutil.copyfileobj(source, target, 1 << 20)
        status = os.fstat(source.fileno())
    with contextlib.suppress(PermissionError):  # a file system without modes
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.chmod(path, stat.S_IMODE(status.st_mode) & ~(stat.S_ISUID | stat.S_ISGID))


def _private(path: str, flags: int) -> int:
    """Open for the owner alone, until the copy is complete and gets the mode of its source."""
    return os.open(path, flags, 0o600)


def _rename(stage: str, place: str) -> bool:
    """Make *stage* appear as *place*, unless something is there."""
    try:
        os.rename(stage, place)
    except OSError:
        if not os.path.lexists(place):
            raise
        return False
    return True


def _merge(stage: str, place: str) -> bool:
    """Add the files of *stage* to the folder *place*, unless it has other bytes under one of their names."""
    names = os.listdir(stage)
    if os.path.islink(place) or not os.path.isdir(place):
        return False
    for name in names:
        source, target = os.path.join(stage, name), os.path.join(place, name)
        if os.path.lexists(target) and not _same(source, target):
            return False
    for name in names:
        source, target = os.path.join(stage, name), os.path.join(place, name)
        try:
            os.link(source, target)
        except FileExistsError:
            if not _same(source, target):  # another writer was faster
                return False
        except OSError:  # no hard links here
            return False
    return True


def _same(source: str, target: str) -> bool:
    return (
        os.path.isfile(target) and not os.path.islink(target) and filecmp.cmp(source, target, shallow=False)
    )
