"""A command whose output comes through two pipes; all else it shares with us."""

from __future__ import annotations

import fcntl
import os

from ._child import Child
from ._stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

    from ._log import Log
    from ._poll import Poll
    from ._stream import Output
    from ._way import Way


class Pipes:
    """What is needed before such a command is started.

    :param closing: closes what is made here
    :param targets: take its stdout and stderr
    :param way: how the command is run
    :ivar streams: its output
    :raises OSError: there are no descriptors left
    """

    def __init__(
        self, closing: ExitStack, poll: Poll, targets: Sequence[Output | None], log: Log, way: Way
    ) -> None:
        self.streams: list[Stream] = []
        self._closing = closing
        self._stand_in = way.stand_in
        self._ends: list[int] = []
        closing.callback(self._close_ends)
        for number, target in enumerate(targets, 1):
            reading, writing = _pipe()
            self._ends.append(writing)
            ends_target = way.ends_stdout and number == 1  # on stderr we may have something to say
            self.streams.append(Stream(poll, reading, target, log.stream(), ends_target=ends_target))
            closing.callback(self.streams[-1].close)

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start the command.

        :raises OSError: it can't be started
        """
        given = [(end, number) for number, end in enumerate(self._ends, 1)]
        child = Child(command, environment, given, stand_in=self._stand_in)
        self._closing.callback(child.close)
        self._close_ends()
        return child

    def _close_ends(self) -> None:
        while self._ends:
            os.close(self._ends.pop())


def _pipe() -> tuple[int, int]:
    """Make a pipe. If a standard stream of ours is closed, it does not take its number: it could not become
    the command's other one.
    """
    ends = os.pipe()
    if min(ends) > 2:
        return ends
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
