"""`spool`: events into a spool, from which they are delivered later."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from e3_event import DeliveryError, Event, EventError, EventHandler

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from e3_event.spool import Spool
    from e3_event.spool._runs import Run

#: As those of `e3_event.spool`, which is only loaded when it is needed.
MAX_SIZE = 1 << 30
RETENTION = 30 * 86400.0
PATIENCE = 30.0


class SpoolHandler(EventHandler):
    """Puts events into a spool, a folder of this machine. It is opened when it is first needed.

    The other handlers of its manager stand behind it: they get their events from the spool, by a relay or by
    what delivers before it exits (`record`, `e3-event run` and `send`). Without others, events are owed to
    the handlers of the configuration file.

    What `send_event` answered True survives kill -9, a crash of the machine and a power cut.

    Configuration string: the folder, a `|` in it as `%7C` and a `%` as `%25`; as in
    `spool=/var/lib/e3-event`.

    :param path: the folder; made when it is first needed, with rights for its owner only
    :param max_size: bytes that it may take
    :param retention: seconds that what was delivered is kept, if there is room
    :ivar patience: seconds to wait for another process that keeps it locked; set before it is opened
    """

    in_front = True

    def __init__(
        self, path: str | os.PathLike[str], max_size: int = MAX_SIZE, retention: float = RETENTION
    ) -> None:
        if not os.fspath(path):
            raise EventError("the folder is missing, as in spool=/var/lib/e3-event")
        self.path = os.path.abspath(path)
        self.max_size = max_size
        self.retention = retention
        self.patience = PATIENCE

    def __getstate__(self) -> dict[str, Any]:
        """What `copy` and `pickle` take: all but what is open."""
        return {"path": self.path, "max_size": self.max_size, "retention": self.retention}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # the same as making it anew

    @property
    def spool(self) -> Spool:
        """The spool.

        :raises SpoolError: it can't be used; says why
        :raises OSError: its folder can't be made
        """
        found: Spool | None = self.__dict__.get("_spool")
        if found is None:
            from e3_event.spool import Spool

            opened = Spool(
                self.path, max_size=self.max_size, retention=self.retention, patience=self.patience
            )
            found = self.__dict__.setdefault("_spool", opened)  # no lock, which a fork could inherit held
            if found is not opened:
                opened.close()
        return found

    def send_event(self, event: Event) -> bool:
        """Put an event that is owed to the handlers of the configuration file.

        :raises DeliveryError: it can't be kept; says why
        """
        try:
            return self.spool.send_event(event)
        except OSError as error:
            raise DeliveryError(f"{error.strerror or error}: {self.path}") from error

    def keep(
        self, event: Event, handlers: Mapping[str, EventHandler] | None, named: Collection[str] = ()
    ) -> str:
        """Put an event for the handlers of a manager; see `Spool.keep`."""
        try:
            return self.spool.keep(event, handlers, named)
        except OSError as error:
            raise DeliveryError(f"{error.strerror or error}: {self.path}") from error

    def begin(
        self,
        event: Event,
        handlers: Mapping[str, EventHandler] | None,
        named: Collection[str],
        attachments: Mapping[str, str],
        max_log: int,
    ) -> Run:
        """Write down that something has begun; see `Spool.begin`. The spool need not be opened for that."""
        from e3_event.spool import keys_of
        from e3_event.spool._runs import begin

        return begin(self.path, event, keys_of(handlers, named), attachments, max_log)

    def adopt(self) -> int:
        """Put the events of what was killed; see `Spool.adopt`."""
        return self.spool.adopt()

    def close(self) -> None:
        """Close the spool. The next event opens it again."""
        spool: Spool | None = self.__dict__.pop("_spool", None)
        if spool is not None:
            spool.close()

    @classmethod
    def decode_config(cls, config_str: str) -> dict[str, Any]:
        """Decode the folder."""
        return {"path": config_str.replace("%7C", "|").replace("%25", "%")}

    def encode_config(self) -> str:
        return self.path.replace("%", "%25").replace("|", "%7C")
