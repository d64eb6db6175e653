"""A command that was started by the leader of its session, who looks after it and tells us of it."""

from __future__ import annotations

import errno
import os
import signal

from ._child import Exit, exit_of, peak_memory_of
from ._signals import STOPPING, is_in_foreground

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._child import Child
    from ._keys import Keys
    from ._signals import Signals
    from ._terminal import Terminal

#: What stops a process that uses its terminal from the background.
_FROM_BACKGROUND = (signal.SIGTTIN, signal.SIGTTOU)


class Led:
    """A command on a terminal of its own; for what is not said here see `Child`.

    :param leader: the process that runs `_leader`
    :param orders: a descriptor for what it is told
    :param reports: one for what it tells; closed with *orders*
    :param ours: our side of the command's terminal
    :param terminal: the one that we were started at
    :param keys: those that go from there to the command
    :raises OSError: the command can't be started
    """

    def __init__(
        self, leader: Child, orders: int, reports: int, ours: int, terminal: Terminal, keys: Keys
    ) -> None:
        self.pid = leader.pid
        self.helpers: tuple[int, ...] = (leader.pid,)
        self.fd = reports
        self.exit: Exit | None = None
        self.stopped = 0
        self._leader = leader
        self._orders = orders
        self._left = b""
        self._ours = ours
        self._terminal = terminal
        self._keys = keys

    @property
    def is_interrupted(self) -> bool:
        """Was it interrupted by a key?"""
        return self._keys.have_interrupted

    def begin(self) -> None:
        """Wait until the leader has started it.

        :raises OSError: that failed
        """
        (word, *number), *more = self._read() or [[b"failed", b"%d" % errno.EIO]]
        if word == b"failed":
            code = int(number[0])
            raise OSError(code, os.strerror(code))
        os.set_blocking(self.fd, False)
        self._before = peak_memory_of(self.pid)
        self._note(more)
        if self._terminal.may_be_held():
            self._keys.go_on()

    def look(self) -> None:
        """Take note of what has become of it."""
        self._leader.look()
        self._note(self._read())

    def _note(self, reports: list[list[bytes]]) -> None:
        for word, *numbers in reports:
            if word == b"stopped":
                self.stopped = int(numbers[0])
            elif word == b"ended":
                status, user, system, peak = numbers
                self.exit = exit_of(int(status), float(user), float(system), int(peak), self._before)

    def tell(self, number: int, *, was_for_group: bool = False) -> None:
        """Pass on a signal that this process got, alone or with its group; a new size of our terminal; and
        that we are continued, in the foreground or not.
        """
        if number == signal.SIGWINCH:
            self._terminal.resize(self._ours)
        elif number == signal.SIGCONT:
            self._go_on()
        else:
            self._order(f"signal {number} {'group' if was_for_group else 'alone'}")

    def follow(self, signals: Signals, *, was_told: bool) -> bool:
        """Stop as well, with our process group, as a key at our terminal would have stopped it. If it only
        wants its terminal, and we have ours, it gets it.
        """
        wants_terminal = self.stopped in _FROM_BACKGROUND
        if not (wants_terminal and self._terminal.may_be_held()):
            was_told = was_told and self.stopped in STOPPING
            if signals.fd < 0 or not (was_told or wants_terminal or is_in_foreground()):
                return False
            self._keys.pause()
            self._terminal.give_back()
            signals.stop(self.stopped, group=True)
            signals.forget(signal.SIGCONT)  # it is what brought us here
        self._go_on()
        return True

    def let_go(self) -> None:
        """Let the leader end, and with it the session: who was left behind there is told by SIGHUP."""
        if self._orders >= 0:
            os.close(self._orders)
            self._orders = -1

    def close(self) -> None:
        """End the leader, and close what was opened."""
        self.let_go()
        self._leader.tell(signal.SIGKILL)
        self._leader.wait()
        self._leader.close()
        os.close(self.fd)

    def _go_on(self) -> None:
        self.stopped = 0
        in_foreground = self._terminal.may_be_held()
        if in_foreground:
            self._terminal.hold()
            self._terminal.resize(self._ours)
            self._keys.go_on()
        self._order(f"go {'fg' if in_foreground else 'bg'}")

    def _order(self, line: str) -> None:
        try:
            os.write(self._orders, f"{line}\n".encode())
        except OSError:  # it has ended
            pass

    def _read(self) -> list[list[bytes]]:
        """The reports that came, in words. If there will be none any more, the command's end is not known."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return []
        if not data:
            self.exit = self.exit or Exit()
        *lines, self._left = (self._left + data).split(b"\n")
        return [line.split() for line in lines]
