"""The promise that every row checks: what was acknowledged is there, intact; the rest whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from e3_event import Event, EventError, Snapshot
from e3_event._errors import SpoolError
from e3_event.handler_tools import attachments
from e3_event.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Seconds after which work must go on again.
HEALED = 30.0


class Journal:
    """What a writer tries and what the spool acknowledges, a line of JSON each.

    Each call is one system call, `writev`, which no row breaks and nothing else uses.

    :param path: the file; many processes may append to it
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def put(self, spool: Spool, *events: Event) -> Exception | None:
        """Put events, with one commit; return the error if the spool refuses.

        Snapshots are noted before. The id of other events is only known once they are acknowledged; so it
        can't be said of them whether they were put whole or not at all.
        """
        told = [{"data": digest(event), "files": _sha1s(event)} for event in events]
        if all(isinstance(event, Snapshot) for event in events):
            ids = [event.snapshot().snapshot_id for event in events]
            self.note({"do": "try", "id": ids[place], **what} for place, what in enumerate(told))
        started = time.monotonic()
        try:
            given = spool.put_many(events) if len(events) > 1 else [spool.put(events[0])]
        except Exception as error:
            self.note([refusal(error, started)])
            return error
        seconds = _since(started)
        acknowledged = zip(given, told, strict=True)
        self.note({"do": "ack", "id": put, "seconds": seconds, **what} for put, what in acknowledged)
        return None

    def note(self, lines: Iterable[dict[str, Any]]) -> None:
        now = time.monotonic()
        text = "".join(json.dumps(line | {"at": now, "pid": os.getpid()}) + "\n" for line in lines)
        os.writev(self._fd, [text.encode()])


def refusal(error: Exception, started: float) -> dict[str, Any]:
    """The line of a journal that tells of an error."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    return {"do": "refused", "kinds": kinds, "text": str(error).strip(), "seconds": _since(started)}


def _since(started: float) -> float:
    return time.monotonic() - started


def digest(event: Event) -> str:
    """A digest of what an event says."""
    return _digest(event.as_dict())


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha1(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _sha1s(event: Event) -> dict[str, str]:
    return {name: sha1 for name, (_, sha1) in event.get_attachments().items()}


class Tried(NamedTuple):
    """What was put.

    :ivar data: its digest
    :ivar files: SHA-1 of its attachments by name
    :ivar at: when, in seconds of the monotonic clock
    """

    data: str
    files: dict[str, str]
    at: float


class Books:
    """What journals say.

    :ivar tried: by `snapshot_id`
    :ivar acknowledged: when, by `snapshot_id`
    :ivar refused: the lines of the errors
    :ivar slowest: seconds of the longest put
    :ivar losses: what the journals themselves say against the promise
    :ivar size: bytes of all whole lines
    """

    def __init__(self, text: bytes) -> None:
        self.tried: dict[str, Tried] = {}
        self.acknowledged: dict[str, float] = {}
        self.refused: list[dict[str, Any]] = []
        self.slowest = 0.0
        self.losses: list[str] = []
        self.size = text.rfind(b"\n") + 1
        for line in text[: self.size].splitlines():
            begins = line.rfind(b'{"do": ')  # a killed writer may leave half a line, without an end
            self._enter(json.loads(line[begins:]))

    def _enter(self, line: dict[str, Any]) -> None:
        self.slowest = max(self.slowest, line.get("seconds", 0.0))
        if line["do"] in ("try", "ack"):
            tried = Tried(line["data"], line["files"], line["at"] - line.get("seconds", 0.0))
            if self.tried.setdefault(line["id"], tried)[:2] != tried[:2]:
                self.losses.append(f"{line['id']}: two events got this id")
        match line["do"]:
            case "ack":
                self.acknowledged[line["id"]] = line["at"]
            case "refused":
                self.refused.append(line)
            case "loss":
                self.losses.append(line["text"])


def broken_promises(
    folder: str, books: Books, *, has_healed: bool = True, may_leave_out: bool = False
) -> list[str]:
    """Open the spool in *folder* and say what of its promise is broken.

    What was acknowledged is there, with intact attachments; what was tried is there whole or not at all; no
    id was given twice; and work goes on within 30 seconds.

    :param has_healed: is the fault over? Else what is there is to be readable only
    :param may_leave_out: attachments that could not be read may be missing if the event says so
    """
    started = time.monotonic()
    try:
        spool = Spool(folder)
    except (EventError, OSError) as error:
        return [*books.losses, f"can't be opened again: {error}"]
    try:
        losses = [*books.losses, *_losses(spool, books, may_leave_out)]
        if has_healed:
            losses += _standstill(spool)
    finally:
        spool.close()
    if _since(started) > HEALED:
        losses.append(f"work went on after {_since(started):.0f} s only")
    return losses


def _losses(spool: Spool, books: Books, may_leave_out: bool) -> list[str]:
    found = []
    for snapshot_id, tried in books.tried.items():
        problem = _problem(spool, snapshot_id, tried, may_leave_out)
        if problem == "absent" and snapshot_id not in books.acknowledged:
            continue
        if problem:
            kind = "acknowledged" if snapshot_id in books.acknowledged else "not acknowledged"
            found.append(f"{snapshot_id}, {kind}: {problem}")
    return found


def _problem(spool: Spool, snapshot_id: str, tried: Tried, may_leave_out: bool = False) -> str:
    """What is wrong with a snapshot: `absent`, a text, or nothing."""
    try:
        snapshot = spool.read(snapshot_id)
        data = snapshot.as_dict()
        is_right = _digest(data) == tried.data
        left_out = data.pop("attachments_left_out", {}) if may_leave_out else {}
        if not is_right and _digest(data) != tried.data:
            return "its data are not what was put"
        found = {}
        for attachment in attachments(snapshot):
            with attachment.open() as file:
                found[attachment.name] = hashlib.file_digest(file, "sha1").hexdigest()
    except SpoolError as error:
        return "absent" if "there is no snapshot" in str(error) else f"{error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    wanted = {name: sha1 for name, sha1 in tried.files.items() if name not in left_out}
    return "" if found == wanted else "its attachments are not what was put"


def _standstill(spool: Spool) -> list[str]:
    event = Event("goes-on").snapshot()
    try:
        problem = _problem(spool, spool.put(event), Tried(digest(event), {}, 0.0))
    except (EventError, OSError) as error:
        problem = str(error)
    return [f"work does not go on: {problem}"] if problem else []
