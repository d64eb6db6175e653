"""Named handlers, and the promise that one never silences another."""

from __future__ import annotations

import functools
import logging
import os
import threading
import time

from . import _plugins
from ._errors import DeliveryError, EventError, RejectedError
from ._event import Event
from ._record import Recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from ._event import Snapshot
    from ._handler import EventHandler
    from ._report import Outcome, Report

logger = logging.getLogger("e3.event")

#: The environment variable that shares handlers between processes.
HANDLERS_VAR = "E3_EVENT_HANDLERS"


class EventManager:
    """Sends events through named handlers.

    A handler is named by its type (`file`) or by its type and a label (`file:archive`), so that there can be
    several of one type.

    :ivar handlers: `{name: handler}`, in the order they are called
    """

    def __init__(self) -> None:
        self.handlers: dict[str, EventHandler] = {}
        self._warned = False
        # Keys have the process id: what a thread of the parent held at a fork means nothing to the child.
        self._locks: dict[tuple[int, int], threading.RLock] = {}
        self._telling: set[tuple[int, int]] = set()

    def __getstate__(self) -> dict[str, Any]:
        """What `copy` and `pickle` take: all but what belongs to running threads."""
        return {**self.__dict__, "_locks": {}, "_telling": set()}

    def send_event(self, event: Event) -> bool:
        """Send an event to all handlers, in order; one that fails does not keep it from the next.

        Nothing is kept: what failed is logged and reported, and is lost unless the caller sends it again.

        :return: True if every handler delivered it, and when there is no handler (which is warned about once)
        """
        return self.dispatch(event).ok

    def dispatch(self, event: Event) -> Report:
        """Send an event as `send_event` does, and say for each handler what became of it and why.

        Never raises because of a handler or of what the event holds.

        :return: an outcome for each handler, in the order they were called
        """
        report, _ = _report_types()
        if not self.handlers and not self._warned:
            self._warned = True
            logger.warning("there is no handler: events go nowhere (add_handler, or set %s)", HANDLERS_VAR)
        with _Attempt() as reading:
            snapshot = event.snapshot()
        outcomes = tuple(
            self._deliver(name, handler, snapshot) if reading.delivered else reading.outcome(name)
            for name, handler in list(self.handlers.items())
        )
        told = report(
            name=_text(event["name"]),
            uid=_text(event["uid"]),
            snapshot_id=snapshot._snapshot_id if reading.delivered else None,
            outcomes=outcomes,
        )
        if not told.ok:
            self._tell(event, told.failed)
        return told

    def _tell(self, event: Event, failed: tuple[Outcome, ...]) -> None:
        """Log what failed; not again when the log makes events of its records and these fail as well."""
        here = (os.getpid(), threading.get_ident())
        if here in self._telling:
            return
        self._telling.add(here)
        try:
            for outcome in failed:
                logger.error("%r: handler %s failed: %s", event, outcome.handler, outcome.reason)
        finally:
            self._telling.discard(here)

    def _deliver(self, name: str, handler: EventHandler, snapshot: Snapshot) -> Outcome:
        with self._lock_of(handler), _Attempt() as attempt:
            if not handler.send_event(snapshot):
                raise DeliveryError("the handler answered False")
        return attempt.outcome(name)

    def send_event_from_file(self, filename: str | os.PathLike[str]) -> bool:
        """Send an event from its dump.

        :param filename: path of the JSON file that `Event.dump` has written
        :return: as `send_event`
        :raises EventError: there is no such file, or it is no dump
        """
        return self.send_event(Event.load(filename))

    def get_handler(self, name: str) -> type[EventHandler]:
        """Return the class of a handler type.

        Types are registered as entry points of the group `e3_event.handler` (`e3.event.handler` is read too).

        :param name: the type, with or without a label
        :raises EventError: there is none; says which are installed
        """
        return _plugins.find(name.partition(":")[0])

    def add_handler(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Add a handler; one of the same name is replaced, with a warning.

        :param name: its type, or `type:label`
        :param args: for the constructor
        :param kwargs: for the constructor
        :raises EventError: there is no such type, its extra is not installed, or the arguments do not fit
        """
        self._add({name: self._build(name, args, kwargs)})

    def load_handlers_from_env(self, var_name: str = HANDLERS_VAR) -> None:
        """Add the handlers that an environment variable describes, all or (on an error) none.

        The format is `name1=config1|name2=config2|name3`, as `handler_config_as_env` writes it. An unset or
        empty variable adds nothing.

        :param var_name: the name of the variable
        :raises EventError: says which entry is wrong, and what would be right
        """
        from ._redact import redact

        loaded = {}
        for number, entry in enumerate(os.environ.get(var_name, "").split("|"), 1):
            if not entry.strip():
                continue
            name, _, config = entry.partition("=")
            if not name:
                raise EventError(f"{var_name}, entry {number}: a handler's name stands before the `=`")
            where = f"{var_name}, entry {number} ({redact(name)})"
            try:
                kwargs = self.get_handler(name).decode_config(config)
                loaded[name] = self._build(name, (), kwargs)
            except EventError as error:
                raise EventError(f"{where}: {str(error).strip()}") from error
            except Exception as error:  # noqa: BLE001  a foreign handler; its text might hold a secret
                what = f"{where}: the configuration does not fit ({type(error).__name__})"
                raise EventError(what) from None
        self._add(loaded)

    def handler_config_as_env(self, var_name: str = HANDLERS_VAR) -> None:
        """Describe the handlers in an environment variable, for the processes that this one starts.

        :param var_name: the name of the variable
        :raises EventError: a configuration can't be shared (it holds a secret as such); nothing is set
        """
        entries = []
        for name, handler in self.handlers.items():
            config = handler.encode_config()
            if "=" in name or any(char in name + config for char in "|\0"):
                raise EventError(
                    f"handler {name!r} can't be put into {var_name}: a `|` or a NUL, or a `=` in its name"
                )
            entries.append(f"{_exported(name, handler)}={config}")
        os.environ[var_name] = "|".join(entries)

    def record(self, name: str, /, uid: str | None = None, **kwargs: Any) -> Recording:
        """Return a context manager and decorator that makes an event of a block or a function, and sends it.

        See `Recording`. Parameters as for `Event`.
        """
        return Recording(self, name, uid, kwargs)

    def close(self) -> None:
        """Let the handlers let go of their connections, each when it is not sending. The manager can still be
        used.
        """
        for handler in list(self.handlers.values()):
            self._close(handler)

    def _build(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> EventHandler:
        cls = self.get_handler(name)
        if "|" in name or "=" in name or name.endswith(":"):
            raise EventError(f"a handler is `type` or `type:label`, without `|` and `=`, not {name!r}")
        _plugins.require(cls)
        try:
            return cls(*args, **kwargs)
        except TypeError as error:
            raise EventError(f"handler {name!r} does not take these arguments: {error}") from error

    def _add(self, handlers: dict[str, EventHandler]) -> None:
        replaced = {name: self.handlers[name] for name in handlers if name in self.handlers}
        self.handlers.update(handlers)  # in one step: no other thread sees some of them only
        for name in handlers:
            logger.info("handler %s added", name)
        for name, old in replaced.items():
            logger.warning("handler %s was there and is replaced; `%s:label` adds another", name, name)
            self._close(old)

    def _close(self, handler: EventHandler) -> None:
        close = getattr(handler, "close", None)  # a handler written for e3-core has none
        if close is not None:
            with self._lock_of(handler), _Attempt() as attempt:
                close()
            if not attempt.delivered:
                logger.warning("%s can't be closed: %s", type(handler).__name__, attempt.reason)

    def _lock_of(self, handler: object) -> threading.RLock:
        return self._locks.setdefault((os.getpid(), id(handler)), threading.RLock())


class _Attempt:
    """The one place where anything that a handler raises is caught, timed and worded."""

    def __enter__(self) -> Self:
        self.delivered = True
        self.reason = ""
        self.rejected = False
        self.retry_after: float | None = None
        self._started = time.perf_counter()
        return self

    def __exit__(self, _type: object, error: BaseException | None, _tb: object) -> bool:
        self.duration = time.perf_counter() - self._started
        if not isinstance(error, Exception):
            return False
        from ._redact import describe

        self.delivered = False
        self.reason = describe(error)
        self.rejected = isinstance(error, RejectedError)
        wished = getattr(error, "retry_after", None)  # a foreign exception may have anything there
        self.retry_after = wished if isinstance(wished, (int, float)) else None
        return True

    def outcome(self, handler: str) -> Outcome:
        _, outcome = _report_types()
        return outcome(
            handler=handler,
            delivered=self.delivered,
            reason=self.reason,
            rejected=self.rejected,
            retry_after=self.retry_after,
            duration=self.duration,
        )


@functools.cache
def _report_types() -> tuple[type[Report], type[Outcome]]:
    """Load them when they are first needed (they bring msgspec), at the cost of one import statement."""
    from ._report import Outcome, Report

    return Report, Outcome


def _exported(name: str, handler: EventHandler) -> str:
    """Return a handler's name, with its type in front if it has none (as those of a configuration file)."""
    if _plugins.is_installed(name.partition(":")[0]):
        return name
    kind = _plugins.type_of(type(handler))
    return f"{kind}:{name}" if kind else name


def _text(value: object) -> str:
    """The text of a name or uid, which may be anything."""
    if type(value) is str:
        return value
    from ._codec import as_text

    return as_text(value)
