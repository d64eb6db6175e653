"""A command that has a terminal of its own, which ours is passed on to."""

from __future__ import annotations

import os
import sys

from . import _leader
from ._child import Child
from ._keys import Keys
from ._led import Led
from ._stream import Stream
from ._terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

    from ._log import Log
    from ._poll import Poll
    from ._stream import Output
    from ._way import Way


class Pty:
    """What is needed before such a command is started.

    :param closing: closes what is made here, and *pair*
    :param pair: the two sides of a pseudo-terminal, ours and the command's
    :param target: takes what the command writes
    :param way: how the command is run
    :ivar streams: that one output
    :raises OSError: there are no descriptors left
    """

    def __init__(
        self,
        closing: ExitStack,
        poll: Poll,
        pair: tuple[int, int],
        target: Output | None,
        log: Log,
        way: Way,
    ) -> None:
        self._closing = closing
        self._stand_in = way.stand_in
        self._open = [pair[1]]
        closing.callback(self._close)
        os.set_blocking(pair[0], False)
        self.streams = [Stream(poll, pair[0], target, log.stream(), ends_target=way.ends_stdout)]
        closing.callback(self.streams[0].close)
        self._ours = os.dup(pair[0])  # of its own, as it is waited for on its own
        closing.callback(os.close, self._ours)
        self._terminal = Terminal()
        closing.callback(self._terminal.close)
        self._keys = Keys(poll, self._terminal.fd, self._ours)
        for _ in ("orders", "reports"):
            self._open += os.pipe()

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> Led:
        """Start the command.

        :raises OSError: it can't be started
        """
        theirs, to_leader, orders, reports, from_leader = self._open
        terminal = self._terminal
        terminal.furnish(self._ours)
        in_foreground = terminal.may_be_held()
        if in_foreground:
            terminal.hold()
        given = (to_leader, from_leader, theirs)
        streams = "012" if terminal.is_stdin else "12"
        program = [sys.executable, "-IS", _leader.__file__, *map(str, given), streams]
        command = [*program, "fg" if in_foreground else "bg", *command]
        leader = Child(command, environment, [(fd, fd) for fd in given], stand_in=self._stand_in)
        led = Led(leader, orders, reports, self._ours, terminal, self._keys)
        self._open = [theirs, to_leader, from_leader]
        self._close()
        self._closing.callback(led.close)
        led.begin()
        return led

    def _close(self) -> None:
        while self._open:
            os.close(self._open.pop())
