"""What calls a handler and survives whatever it does."""

from __future__ import annotations

import os
from itertools import repeat
from typing import TYPE_CHECKING, Any

from e3_event._errors import DeliveryError
from e3_event._handler import EventHandler
from e3_event._redact import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from e3_event._event import Snapshot


class Caller:
    """Calls a handler, which it makes when it is needed first. Whatever a handler raises is an answer.

    :param build: makes the handler
    :param spool: path of the spool that the events come from
    :param in_order: an event is given to the handler only once those before it were answered for
    :ivar is_ahead: whether the handler may have been given events that it has not answered for yet
    """

    def __init__(self, build: Callable[[], EventHandler], spool: str, *, in_order: bool) -> None:
        self._build = build
        self._spool = spool
        self._in_order = in_order
        self._handler: EventHandler | None = None
        self.is_ahead = False

    def answers(self, batch: Sequence[Snapshot]) -> Iterator[object]:
        """Yield, for each event, what the handler answers or the exception that it raises.

        An event is given to the handler when its answer is asked for, or before, if it takes many at once.
        """
        self.is_ahead = False
        try:
            send, send_many = self._methods()
        except BaseException as error:  # noqa: BLE001  foreign code; that it can't be made is no event's fault
            yield from repeat(DeliveryError(f"it can't be made: {describe(error)}"), len(batch))
            return
        if send_many is None:
            for event in batch:
                try:
                    answer = send(event)
                except BaseException as error:  # noqa: BLE001  a foreign handler, which may even exit
                    answer = error
                yield answer
        elif self._in_order:
            for event in batch:
                yield from self._at_once(send_many, [event])
        else:
            yield from self._at_once(send_many, batch)

    def close(self) -> None:
        """Let the handler close its connections.

        :raises Exception: it can't
        """
        close = getattr(self._handler, "close", None)  # a handler written for e3-core has none
        if close is not None:
            close()

    def _at_once(
        self, send_many: Callable[[Any], Iterable[object]], batch: Sequence[Snapshot]
    ) -> Iterator[object]:
        """Give all to the handler; if it raises, those it has not answered for again, one by one."""
        count = 0
        failure: BaseException | None = None
        self.is_ahead = len(batch) > 1
        try:
            answers = iter(send_many(batch))
        except BaseException as error:  # noqa: BLE001  as above
            answers, failure = iter(()), error
        while failure is None and count < len(batch):
            try:
                answer = next(answers)
            except StopIteration:
                break
            except BaseException as error:  # noqa: BLE001  as above
                failure = error
                break
            yield answer
            count += 1
        if failure is None:
            yield from repeat(DeliveryError("the handler gave no answer for this event"), len(batch) - count)
        elif len(batch) == 1:
            yield failure
        else:
            self.is_ahead = False
            for event in batch[count:]:
                yield from self._at_once(send_many, [event])

    def _methods(self) -> tuple[Callable[[Snapshot], object], Callable[[Any], Iterable[object]] | None]:
        """How the handler takes one, and how many; `None`: it has no way of its own for many."""
        if self._handler is None:
            handler = self._build()
            if _puts_into(handler, self._spool):
                raise DeliveryError("it puts events back into the spool that it gets them from")
            self._handler = handler
        send_many = getattr(self._handler, "send_events", None)  # a handler written for e3-core has none
        if getattr(send_many, "__func__", None) is EventHandler.send_events:
            send_many = None
        return self._handler.send_event, send_many


def _puts_into(handler: EventHandler, spool: str) -> bool:
    """Is this the handler of a spool, and of this one?"""
    path = getattr(handler, "path", "") if getattr(handler, "in_front", False) else ""
    return bool(path) and os.path.exists(path) and os.path.samefile(path, spool)


def plain(answer: object) -> bool | BaseException:
    """An answer, so that nothing foreign is called any more when it is looked at: true, false or an error."""
    try:
        if not isinstance(answer, BaseException):
            return bool(answer)
        getattr(answer, "retry_after", None)
    except BaseException as error:  # noqa: BLE001  foreign code
        return DeliveryError(f"its answer can't be read: {type(answer).__name__} ({describe(error)})")
    return answer
