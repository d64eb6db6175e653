"""Named handlers, and the promise that one never silences another."""

from __future__ import annotations

import os
import threading

from . import _plugins
from ._attempt import Attempt, report_types
from ._errors import DeliveryError, EventError
from ._event import Event
from ._logger import logger
from ._record import Recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from ._config._file import HandlerConfig
    from ._config._redaction import RedactConfig
    from ._event import Snapshot
    from ._handler import EventHandler
    from ._report import Outcome, Report
    from .job import CompletedRun

#: The environment variable that shares handlers between processes.
HANDLERS_VAR = "E3_EVENT_HANDLERS"
#: Seconds for which what was put into a spool is delivered from it at once.
FLUSH_TIMEOUT = 2.0


class Setup:
    """What the configuration says for the events of `record` and the command.

    :ivar done: whether it was asked
    :ivar front: name and handler of the spool that stands in front of the handlers; `None`: there is none
    :ivar named: those of the handlers that are of the configuration file, with what it says of them
    :ivar complete: whether the handlers are those that the configuration wants; no: it is wrong
    :ivar problems: what is wrong with the configuration
    :ivar redact: in what secrets are masked; `None`: as usual
    """

    def __init__(self) -> None:
        self.done = False
        self.front: tuple[str, EventHandler] | None = None
        self.named: dict[str, HandlerConfig] = {}
        self.complete = True
        self.problems: list[str] = []
        self.redact: RedactConfig | None = None


class EventManager:
    """Sends events through named handlers.

    A handler is named by its type (`file`) or by its type and a label (`file:archive`), so that there can be
    several of one type.

    Where one of them is a spool (`in_front`), events go into it alone, and from there to the others. `record`
    and the command put the user's spool in front of all.

    :ivar handlers: `{name: handler}`, in the order they are called
    :ivar flush_timeout: seconds for which `record` delivers what it has put into the spool; 0: it leaves that
        to `flush`, to a relay, or to the next program that delivers
    """

    def __init__(self) -> None:
        self.handlers: dict[str, EventHandler] = {}
        self.flush_timeout = FLUSH_TIMEOUT
        self._setup = Setup()
        self._warned = False
        # Keys have the process id: what a thread of the parent held at a fork means nothing to the child.
        self._locks: dict[tuple[int, int], threading.RLock] = {}
        self._telling: set[tuple[int, int]] = set()
        self._serving: set[tuple[int, int]] = set()

    def __getstate__(self) -> dict[str, Any]:
        """What `copy` and `pickle` take: all but what belongs to running threads."""
        return {**self.__dict__, "_locks": {}, "_telling": set(), "_serving": set()}

    def send_event(self, event: Event) -> bool:
        """Send an event to all handlers, in order; one that fails does not keep it from the next.

        Without a spool among them nothing is kept: what failed is logged and reported, and is lost unless the
        caller sends it again. With one, the event is kept there for the others.

        :return: True if every handler delivered it, or it is kept for those that did not, and when there is
            no handler (which is warned about once)
        """
        return self.dispatch(event).kept

    def dispatch(self, event: Event) -> Report:
        """Send an event as `send_event` does, and say for each handler what became of it and why.

        Never raises because of a handler or of what the event holds.

        :return: an outcome for each handler, in the order they were called
        """
        return self._dispatch(event, *self._front())

    def _dispatch(self, event: Event, name: str = "", front: EventHandler | None = None) -> Report:
        """Send an event.

        :param name: of the handler in front
        :param front: the handler that keeps the event for the others; `None`: they are called
        """
        report, _ = report_types()
        if not self.handlers and front is None and not self._warned:
            self._warned = True
            logger.warning("there is no handler: events go nowhere (add_handler, or set %s)", HANDLERS_VAR)
        behind = self._behind(front)
        with Attempt() as reading:
            snapshot = event.snapshot()
        if not reading.delivered:
            outcomes = [reading.outcome(name) for name in ([name, *behind] if front else behind)]
        elif front is None:
            outcomes = self._deliver_all(behind, snapshot)
        else:
            outcomes = self._keep(name, front, behind, snapshot)
        told = report(
            name=_text(event["name"]),
            uid=_text(event["uid"]),
            snapshot_id=snapshot._snapshot_id if reading.delivered else None,
            outcomes=tuple(outcomes),
        )
        if not told.ok:
            self._tell(event, told.failed)
        return told

    def _keep(
        self, name: str, front: EventHandler, behind: dict[str, EventHandler], snapshot: Snapshot
    ) -> list[Outcome]:
        """Give an event to the handler in front, or, if that fails, to those behind it."""
        setup = self._setup
        with Attempt() as attempt:  # several threads at once: what they bring is committed together
            known = behind if setup.complete else None
            front.keep(snapshot, known, setup.named)  # type: ignore[attr-defined]  # what is in front has it
        kept = attempt.outcome(name, in_front=True)
        if not attempt.delivered:
            return [kept, *self._deliver_all(behind, snapshot)]
        _, outcome = report_types()
        return [kept, *(outcome(handler=name, delivered=False, waiting=True) for name in behind)]

    def _behind(self, front: EventHandler | None) -> dict[str, EventHandler]:
        """The handlers that the one in front keeps events for."""
        return {name: handler for name, handler in self.handlers.items() if handler is not front}

    def _front(self) -> tuple[str, EventHandler | None]:
        """The handler in front of the others, if there is one, and its name."""
        for name, handler in self.handlers.items():
            if getattr(handler, "in_front", False):
                return name, handler
        return "", None

    def _deliver_all(self, handlers: dict[str, EventHandler], snapshot: Snapshot) -> list[Outcome]:
        return [self._deliver(name, handler, snapshot) for name, handler in handlers.items()]

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what a spool in front of the handlers holds for them, also of earlier programs.

        A sink that is known to be down is not waited for, nor what a relay delivers.

        :param timeout: seconds that it may take
        :return: True if they are owed nothing any more (what was given up, is not); also where no spool is
        """
        name, front = self._setup.front or self._front()
        if front is None:
            return True
        from ._flush import flush

        with Attempt() as flushing:
            done = flush(self, front, timeout)
        if not flushing.delivered:
            logger.error("%s can't deliver: %s", name, flushing.reason)
        return flushing.delivered and done

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
        with self._lock_of(handler), Attempt() as attempt:
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
        for number, name, config in entries_of(var_name):
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

    def run(self, command: Sequence[str], name: str | None = None, **options: Any) -> CompletedRun:
        """Run a command, send one event about it, and say how it ended. POSIX only.

        See `e3_event.job.run`, which has the options.
        """
        from .job import run

        return run(command, name, manager=self, **options)

    def close(self) -> None:
        """Let the handlers let go of their connections, each when it is not sending. The manager can still be
        used.
        """
        self._close_all()

    def _close_all(self, *, wait: bool = True) -> None:
        """Close the handlers.

        :param wait: for those that are sending; if not, they are left alone
        """
        front = [self._setup.front[1]] if self._setup.front else []
        for handler in [*self.handlers.values(), *front]:
            self._close(handler, wait=wait)

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
            self._setup.named.pop(name, None)
            logger.info("handler %s added", name)
        for name, old in replaced.items():
            logger.warning("handler %s was there and is replaced; `%s:label` adds another", name, name)
            self._close(old)

    def _close(self, handler: EventHandler, *, wait: bool = True) -> None:
        close = getattr(handler, "close", None)  # a handler written for e3-core has none
        lock = self._lock_of(handler)
        if close is None or not lock.acquire(blocking=wait):
            return
        try:
            with Attempt() as attempt:
                close()
        finally:
            lock.release()
        if not attempt.delivered:
            logger.warning("%s can't be closed: %s", type(handler).__name__, attempt.reason)

    def _lock_of(self, handler: object) -> threading.RLock:
        return self._locks.setdefault((os.getpid(), id(handler)), threading.RLock())


def entries_of(var_name: str) -> Iterator[tuple[int, str, str]]:
    """The entries of the variable: their numbers from 1, names and configurations."""
    for number, entry in enumerate(os.environ.get(var_name, "").split("|"), 1):
        if entry.strip():
            name, _, config = entry.partition("=")
            yield number, name, config


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
