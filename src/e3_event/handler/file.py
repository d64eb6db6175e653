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
    from collections.abc import Iterable, Sequence
    from io import BufferedReader


class FileHandler(EventHandler):
    """Writes each event as a JSON file into a folder, its attachments into a folder beside it.

    The file is `{log_dir}/{name}-{uid}-{snapshot_id}.json` and holds `as_dict()`, indented by 2, keys sorted.
    It appears complete, and after the attachments, which lie in `{log_dir}/{name}-{uid}/` under their names,
    mode and mtime kept. Where that place has other bytes already (the event was sent before), they lie in
    `{log_dir}/{name}-{uid}-{snapshot_id}/`. Names are made safe: nothing is ever written outside `log_dir`.
    The same snapshot sent again changes nothing.

    Atomic, not synced: what `send_event` answered True survives a crash of the program, not of the machine.
    `send_events`, which a relay calls, syncs once a batch: that survives a power cut, too.

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
        self._write(event)
        return True

    def send_events(self, events: Sequence[Event]) -> list[bool | Exception]:
        """Write several events; those that are answered True survive a power cut."""
        answers: list[bool | Exception] = []
        written: list[tuple[str, str]] = []
        for event in events:
            try:
                written.append(self._write(event))
                answers.append(True)
            except Exception as error:  # noqa: BLE001  a bad event does not keep the next ones back
                answers.append(error)
        try:
            for file, folder in written:
                _sync(file)
                if folder:
                    _sync_attachments(folder)
            if written:
                _sync(self.log_dir)
        except OSError as error:
            failed = DeliveryError(f"can't be synced: {error.strerror or error}: {self.log_dir}")
            return [failed if answer is True else answer for answer in answers]
        return answers

    def _write(self, event: Event) -> tuple[str, str]:
        """Write an event; return its file, and the folder of its attachments (empty: it has none).

        :raises DeliveryError: as `send_event`
        """
        event = event.snapshot()
        place = os.path.join(self.log_dir, f"{safe_name(str(event['name']))}-{safe_name(str(event['uid']))}")
        own_place = f"{place}-{snapshot_id(event)}"
        files = attachments(event)
        try:
            folder = self._store(files, place, own_place) if files else ""
            write_atomic(f"{own_place}.json", event_json(event, indent=2, sort_keys=True))
        except OSError as error:
            raise DeliveryError(f"{error.strerror or error}: {self.log_dir}") from error
        return f"{own_place}.json", folder

    def _store(self, files: Iterable[Attachment], place: str, own_place: str) -> str:
        """Bring copies of *files* into the folder *place*, or all into *own_place* if that is taken.

        :return: the folder that has them
        """
        stage = f"{own_place}.tmp"
        shutil.rmtree(stage, ignore_errors=True)  # of a try that was killed
        os.makedirs(stage)
        try:
            for file in files:
                _copy(file, os.path.join(stage, safe_name(file.name)))
            if _rename(stage, place) or _merge(stage, place):
                return place
            if not _rename(stage, own_place):
                _merge(stage, own_place)  # the same snapshot, sent again
            return own_place
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


def _sync_attachments(folder: str) -> None:
    """Make the files of a folder, and their names, survive a power cut."""
    for entry in os.scandir(folder):
        if entry.is_file(follow_symlinks=False):
            _sync(entry.path)
    _sync(folder)


def _sync(path: str) -> None:
    """Make a file, or the names in a folder, survive a power cut.

    :raises OSError: the disk did not take it
    """
    if os.path.isdir(path) and not hasattr(os, "O_DIRECTORY"):
        return  # this system syncs names by itself
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
