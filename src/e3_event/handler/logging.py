"""`logging`: an event as one record of a logger."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from e3_event import DeliveryError, EventError, EventHandler
from e3_event.handler_tools import decode_fields, encode_fields, event_json

if TYPE_CHECKING:
    from e3_event import Event


class _Busy(threading.local):
    """Whether this thread is inside a call. Nothing that a copy takes along."""

    now = False

    def __reduce__(self) -> Any:
        return _Busy, ()


class LoggingHandler(EventHandler):
    """Logs each event as one record; its message is the event as JSON, indented by 2.

    Configuration string: `name,level`, as in `logging=build,20` or `logging=build,INFO`; a third field
    `exact` takes the name as it is instead of below `e3.`: `logging=myapp.events,INFO,exact`.

    :param logger_name: the logger is `e3.{logger_name}`
    :param level: level of the record, a number or a standard name
    :param exact: the logger is *logger_name* itself, any logger of the program (`root` or an empty name: the
        root)
    """

    def __init__(self, logger_name: str = "", level: int | str = 10, exact: bool = False) -> None:
        self.logger_name = logger_name
        self.level = _level(level)
        self.exact = exact
        self.log = logging.getLogger(logger_name if exact else f"e3.{logger_name}")
        self._busy = _Busy()

    def send_event(self, event: Event) -> bool:
        """Log the event.

        :return: True if a logging handler took the record, and inside a call of itself (a logging handler
            that makes events of records), where it does nothing
        :raises DeliveryError: level or filters keep the record from every logging handler
        """
        if self._busy.now:
            return True
        if not self.log.isEnabledFor(self.level):
            raise DeliveryError(
                f"logger {self.log.name!r} lets nothing below {self.log.getEffectiveLevel()} pass,"
                f" the event's level is {self.level}"
            )
        self._busy.now = True
        try:
            message = event_json(event, indent=2).decode()
            record = self.log.makeRecord(
                self.log.name, self.level, __file__, 0, message, (), None, "send_event"
            )
            if not self._handle(record):
                raise DeliveryError(f"no logging handler took the record of logger {self.log.name!r}")
        finally:
            self._busy.now = False
        return True

    def _handle(self, record: logging.LogRecord) -> bool:
        """Give the record to all logging handlers that want it, as `Logger.handle` does; did one take it?"""
        passed: object = not self.log.disabled and self.log.filter(record)
        if not passed:
            return False
        if isinstance(passed, logging.LogRecord):  # from Python 3.12 on a filter may put another in its place
            record = passed
        taken = False
        logger: logging.Logger | None = self.log
        found = False
        while logger is not None:
            for handler in logger.handlers:
                found = True
                if record.levelno >= handler.level and handler.handle(record):
                    taken = True
            logger = logger.parent if logger.propagate else None
        last = logging.lastResort
        if not found and last is not None and record.levelno >= last.level:
            taken = bool(last.handle(record))
        return taken

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, Any]:
        """Decode `name,level` or `name,level,exact`; fields may be left out from the end."""
        fields = decode_fields(config_str)
        if len(fields) > 3 or fields[2:3] not in ([], ["exact"]):
            raise EventError("the configuration is `name,level` or `name,level,exact`")
        config: dict[str, Any] = {"logger_name": fields[0]}
        if len(fields) > 1:
            config["level"] = _level(fields[1])
        if len(fields) > 2:
            config["exact"] = True
        return config

    def encode_config(self) -> str:
        return encode_fields([self.logger_name, str(self.level)] + ["exact"] * self.exact)


def _level(level: int | str) -> int:
    """The number of a level, which may be given as text or by its name."""
    if isinstance(level, int):
        return level
    if level.strip().isdecimal():
        return int(level)
    number = logging.getLevelNamesMapping().get(level.strip().upper())
    if number is None:
        raise EventError(f"the level is a number or one of DEBUG INFO WARNING ERROR CRITICAL, not {level!r}")
    return number
