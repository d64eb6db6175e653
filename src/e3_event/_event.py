"""An event, its attachments, and the snapshot of it that handlers are given."""

from __future__ import annotations

import functools
import os
import time

from ._attachment import Attachment, look_at
from ._codec import jsonable
from ._errors import EventError
from ._files import read_bytes, safe_name, write_atomic
from ._ids import unique_id
from ._logger import logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, NoReturn, Self

    from ._dump import Dump

#: Data keys that have a fixed meaning. Programs may set them; other keys are theirs alone.
RESERVED_KEYS = (
    *("uid", "name", "begin_time", "end_time", "status", "parent_uid", "duration", "exit_code", "signal"),
    *("error", "traceback", "command", "host", "user", "cwd", "attempt", "git_commit", "git_branch", "ci"),
    *("trace_id", "span_id", "parent_span_id"),
)
#: Values of the data key `status`.
STATUSES = ("ok", "failed", "timeout", "aborted", "cancelled", "skipped", "running")
_TIMES = ("begin_time", "end_time")


def _decode_dump(raw: bytes, origin: str) -> Dump:
    """That of `_dump`. It loads at the first call, as it brings msgspec, and then takes this place."""
    global _decode_dump
    from ._dump import decode_dump

    _decode_dump = decode_dump
    return decode_dump(raw, origin)


@functools.lru_cache(maxsize=64)  # the times of an event, and of those around it, share their seconds
def utc(second: float) -> str:
    """Show seconds since the epoch as text."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _text(show: Callable[[Any], str], value: Any) -> str:
    """Show what may be anything: an int of too many digits or what is nested too deep can't be shown."""
    try:
        return show(value)
    except Exception:  # noqa: BLE001  a foreign __repr__ may raise anything
        return f"<{type(value).__name__}>"


def _called(data: dict[str, Any]) -> str:
    """Name and uid, for errors."""
    name, uid = (_text(str, data.get(key)) for key in ("name", "uid"))
    return f"{name} ({uid})"


class Event:
    """Something that happened and that other services shall hear of.

    An event has data, a dictionary, and attachments, named files. Attributes are data:
    `event.branch = "main"` stores a key and `event.branch` reads it. `event["branch"]` reads any key, also
    one that the name of a method hides. Data that JSON can't hold is sent as its text, and its key is named
    in `sent_as_text`.

    Usable as a context manager, which closes the event (see `record` for one that also sends it).

    :param name: name of the event
    :param uid: its unique id; by default a new `unique_id()`
    :param kwargs: further data; `begin_time` and `end_time` (seconds since the epoch) may be given as well
    """

    if TYPE_CHECKING:
        uid: str
        name: str
        begin_time: float
        end_time: float | None
        _data: dict[str, Any]
        _attachments: dict[str, Attachment]
        _formatters: dict[str, Callable[[str, Any], dict[str, Any]]]
        _closed: bool

    def __init__(self, name: str, uid: str | None = None, **kwargs: Any) -> None:
        state = self.__dict__
        state["_data"] = {
            "uid": unique_id() if uid is None else uid,
            "name": name,
            "begin_time": time.time(),
            "end_time": None,
            **kwargs,
        }
        state["_attachments"] = {}
        state["_formatters"] = {}
        state["_closed"] = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _val: BaseException | None,
        _tb: TracebackType | None,
    ) -> None:
        self.close()

    def __setattr__(self, name: str, value: Any) -> None:
        """Store an attribute as data.

        :raises EventError: the event is closed
        """
        if self._closed:
            self._refuse()
        self._data[name] = value

    def __getattr__(self, name: str) -> Any:
        """Read an attribute from the data."""
        data = self.__dict__.get("_data", ())  # not there yet while a copy is being made
        if name in data and not name.startswith("__"):
            return data[name]
        raise AttributeError(f"{type(self).__name__} has no data key {name!r}", name=name, obj=self)

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __contains__(self, key: object) -> bool:
        return key in self._data

    __iter__ = None  # a data key is no index: no iteration by numbers

    def __getstate__(self) -> dict[str, Any]:
        """What `copy` and `pickle` take: dictionaries of its own, so that a copy does not share its data."""
        return {k: dict(v) if type(v) is dict else v for k, v in self.__dict__.items()}

    def __repr__(self) -> str:
        name, uid = (_text(repr, self._data.get(key)) for key in ("name", "uid"))
        return f"{type(self).__name__}(name={name}, uid={uid})"

    def _refuse(self) -> NoReturn:
        raise EventError(f"event {_called(self._data)} closed")

    def set_formatter(self, key: str, fun: Callable[[str, Any], dict[str, Any]]) -> None:
        """Set how `as_dict` shows one data key.

        :param key: the data key
        :param fun: called with the key and its value; the dictionary that it returns stands in `as_dict()`
            in place of the key
        """
        self._formatters[key] = fun

    def get_attachments(self) -> dict[str, tuple[str, str]]:
        """Return the attachments.

        :return: `{name: (path as it was given, SHA-1 in hex)}`
        """
        return {name: (a.given, a.sha1) for name, a in self._attachments.items()}

    def attach_file(self, path: str | os.PathLike[str], name: str = "log") -> None:
        """Attach a file. What it holds *when the event is sent* is what goes out.

        A file that has changed by then is sent as it is and named in the data key `attachments_changed`; one
        that is gone is named in `attachments_left_out`, and the event goes out without it.

        :param path: path of the file, relative to the folder that is current now
        :param name: name of the attachment; a second one of the same name replaces the first, with a warning
        :raises EventError: the event is closed, or *path* is no file
        """
        if self._closed:
            self._refuse()
        given = os.fspath(path)
        try:
            attachment = Attachment.of_file(given, name, given)
        except OSError as error:
            raise EventError("sha1", f"cannot find {given}") from error
        if name in self._attachments:
            logger.warning("%r: attachment %r is replaced", self, name)
        self._attachments[name] = attachment

    def close(self) -> None:
        """Set `end_time` and refuse changes from now on. Closing twice changes nothing."""
        if not self._closed:
            self._data["end_time"] = time.time()
            self.__dict__["_closed"] = True

    def format_date(self, key: str, value: float | str | None) -> dict[str, Any]:
        """Format a time, the formatter of `begin_time` and `end_time`.

        :param key: the data key
        :param value: seconds since the epoch; what is no float stays as it is
        :return: `{key: "2026-11-22T21:57:54"}`, in UTC
        """
        if isinstance(value, float):
            try:
                return {key: utc(value // 1)}
            except (OverflowError, ValueError, OSError):  # beyond the calendar, or no number
                pass
        return {key: value}

    def as_dict(self) -> dict[str, Any]:
        """Return the data as a dictionary for JSON, each key shown by its formatter if it has one."""
        formatters = self._formatters
        shown: dict[str, Any] = {}
        for key, value in self._data.copy().items():  # another thread may add to it
            if key in formatters:
                shown.update(formatters[key](key, value))
            elif key in _TIMES:
                shown.update(self.format_date(key, value))
            else:
                shown[key] = value
        return shown

    def snapshot(self) -> Snapshot:
        """Return this event as it stands now, ready to be sent, with a new `snapshot_id`.

        Each handler gets such a snapshot. To send the very same one again (because an answer was lost, for
        example) keep it: its id is what tells a repetition from a new event.
        """
        return Snapshot(self)

    def dump(self, event_dir: str | os.PathLike[str]) -> str:
        """Write the event into a JSON file, which appears complete or not at all.

        Times are kept exactly; e3-core reads it too.

        :param event_dir: folder for the file; created if it is not there
        :return: the path of the file, `{event_dir}/{uid}-{unique id}.json`
        :raises EventError: JSON can't hold a value (says which key), or the file can't be written (says why);
            nothing is left behind
        """
        from ._dump import VERSION, Dump, encode

        data, marked = jsonable(self.as_dict())
        if marked:
            raise EventError(
                f"{self!r} can't be dumped: JSON can't hold the value of `{marked[0]}`; give it as text or"
                " as a finite number of 64 bits, or set a formatter for it"
            )
        attachments = self.get_attachments()
        for name, attachment in attachments.items():
            if jsonable({name: attachment})[1]:
                raise EventError(f"{self!r} can't be dumped: name or path of attachment {name!r} is no UTF-8")
        times = {key: self._data[key] for key in _TIMES if isinstance(self._data.get(key), float)}
        dump = Dump(data, attachments, self._closed, times=times, version=VERSION)
        path = os.path.join(event_dir, f"{safe_name(str(self._data['uid']))}-{unique_id()}.json")
        try:
            write_atomic(path, encode(dump))
        except OSError as error:
            raise EventError(f"{self!r} can't be dumped: {error.strerror}", path) from error
        return path

    @classmethod
    def load(cls, json_filename: str | os.PathLike[str]) -> Self:
        """Read an event from a file that `dump` (ours or e3-core's) has written.

        Its attachments are sent only if they are regular files that hold what they held when it was dumped.

        :raises EventError: there is no such file, or it is no dump; says where and what
        """
        filename = os.fspath(json_filename)
        try:
            raw = read_bytes(filename)
        except OSError as error:
            raise EventError(f"can't be read: {error.strerror}", filename) from error
        dump = _decode_dump(raw, filename)
        event = cls.__new__(cls)
        state = event.__dict__
        state["_data"] = data = dump.data
        state["_formatters"] = {}
        state["_closed"] = dump.closed
        state["_attachments"] = {
            name: Attachment(name, path, sha1, stamp=None, trusted=False)
            for name, (path, sha1) in dump.attachments.items()
        }
        for key, value in dump.times.items():
            if key in _TIMES and event.format_date(key, value).get(key) == data.get(key):
                data[key] = value
        return event


class Snapshot(Event):
    """An event as it stood at one `send_event` call. Read-only; made by `Event.snapshot`.

    Data is copied, and is what JSON can hold. To the attributes of an event it adds `snapshot_id` and
    `attachments` (a tuple of `Attachment`, each with `open()`); a data key of the same name goes before them,
    and `handler_tools` has functions that give them in any case.

    :param event: what to take; its attachments are looked at now
    :param snapshot_id: its id, to make one again that may have been sent; by default a new one
    """

    if TYPE_CHECKING:
        snapshot_id: str
        attachments: tuple[Attachment, ...]
        _apart: dict[str, Any] | None
        _snapshot_id: str

    def __init__(self, event: Event, snapshot_id: str | None = None) -> None:
        attachments = event._attachments.copy()  # other threads may add to it
        present, changed, left_out = look_at(attachments) if attachments else ({}, [], {})
        data, as_text = jsonable(event._data.copy())
        state = self.__dict__
        state["_data"] = data
        state["_apart"] = None
        state["_attachments"] = present
        state["_formatters"] = {}
        state["_closed"] = event._closed
        state["_snapshot_id"] = snapshot_id or unique_id()
        if as_text or changed or left_out or event._formatters or not _shows_its_data(type(event)):
            state["_apart"] = _shown_apart(event, changed, left_out)

    @property
    def _shown(self) -> dict[str, Any]:
        """What `as_dict` gives, to be read only. It is kept where it can't be made of the data again."""
        return super().as_dict() if self._apart is None else self._apart

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__
        if name not in state.get("_data", ()):
            if name == "snapshot_id" and "_snapshot_id" in state:
                return state["_snapshot_id"]
            if name == "attachments" and "_attachments" in state:
                return tuple(state["_attachments"].values())
        return _copied(super().__getattr__(name))

    def __getitem__(self, key: str) -> Any:
        return _copied(self._data[key])

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise EventError(f"a snapshot of event {_called(self._data)} is read-only")

    def set_formatter(self, key: str, fun: Callable[[str, Any], dict[str, Any]]) -> NoReturn:
        self._refuse()

    def attach_file(self, path: str | os.PathLike[str], name: str = "log") -> NoReturn:
        self._refuse()

    def close(self) -> None:
        """Do nothing: a snapshot never changes."""

    def get_attachments(self) -> dict[str, tuple[str, str]]:
        """Return the attachments that are there.

        :return: `{name: (absolute path, SHA-1 in hex of what it held when the snapshot was made)}`
        """
        return {name: (a.path, a.sha1) for name, a in self._attachments.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return what `as_dict` of the event gave when the snapshot was made."""
        return jsonable(self._shown)[0]

    @classmethod
    def load(cls, json_filename: str | os.PathLike[str]) -> Self:
        """Read an event as `Event.load`, and take a snapshot of it."""
        return cls(Event.load(json_filename))

    def snapshot(self) -> Snapshot:
        """Return itself."""
        return self


def _shows_its_data(cls: type[Event]) -> bool:
    """Does `as_dict` of a class do nothing but format the two times?"""
    return cls is Event or (cls.as_dict is Event.as_dict and cls.format_date is Event.format_date)


def _shown_apart(event: Event, changed: list[str], left_out: dict[str, str]) -> dict[str, Any]:
    """What an event shows, with marks for what is not as it was given."""
    shown, as_text = jsonable(event.as_dict())
    for key, value in (
        ("sent_as_text", as_text),
        ("attachments_changed", changed),
        ("attachments_left_out", left_out),
    ):
        if value:
            shown.setdefault(key, jsonable({key: value})[0][key])  # names may hold anything
    return shown


def _copied(value: Any) -> Any:
    """Return a list or dictionary as a copy, so that no handler changes what the next one reads."""
    return jsonable({"": value})[0][""] if type(value) in (list, dict) else value
