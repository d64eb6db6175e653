"""A command that has a terminal of its own, which ours is passed on to."""

from __future__ import annotations

import os
import sys

from . import _leader
from ._child import Child
from ._input import Input
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


class Pty:
    """What is needed before such a command is started.

    :param closing: closes what is made here, and *pair*
    :param pair: the two sides of a pseudo-terminal, ours and the command's
    :param target: takes what the command writes
    :param stand_in: as in `Way`
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
        *,
        stand_in: bool,
    ) -> None:
        self._closing = closing
        self._stand_in = stand_in
        self._ends = [pair[1]]
        closing.callback(self._close_ends)
        os.set_blocking(pair[0], False)
        self.streams = [Stream(poll, pair[0], target, log, ends_target=stand_in)]
        closing.callback(self.streams[0].close)
        self._keys = os.dup(pair[0])  # of its own, as it is waited for on its own
        closing.callback(os.close, self._keys)
        self._input = Input(poll, self._keys)
        self._terminal = Terminal()

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> Led:
        """Start the command.

        :raises OSError: it can't be started
        """
        terminal = self._terminal
        (theirs,) = self._ends
        terminal.furnish(self._keys)
        in_foreground = terminal.may_be_held()
        self._closing.callback(terminal.give_back)
        if in_foreground:
            terminal.hold()
        to_leader, orders = os.pipe()
        reports, from_leader = os.pipe()
        self._ends += (to_leader, from_leader)
        given = [(fd, fd) for fd in self._ends]
        ground = "fg" if in_foreground else "bg"
        program = [
            sys.executable,
            "-IS",
            _leader.__file__,
            *map(str, (to_leader, from_leader, theirs)),
            ground,
        ]
        leader = Child([*program, *command], environment, given, stand_in=self._stand_in)
        led = Led(leader, orders, reports, self._keys, terminal, self._input)
        self._closing.callback(led.close)
        self._close_ends()
        led.begin()
        return led

    def _close_ends(self) -> None:
        while self._ends:
            os.close(self._ends.pop())
