"""How a command is run."""

from __future__ import annotations

from typing import NamedTuple

#: Seconds to wait for what is printed by processes that a command has left behind.
GRACE = 2.0
#: Seconds before another attempt.
RETRY_DELAY = 1.0
#: Seconds between telling a command whose time is over to end, and killing it.
KILL_AFTER = 10.0


class Way(NamedTuple):
    """How a command is run.

    :ivar echo: whether its output goes to ours
    :ivar quiet: whether that happens at its end only, and only if it did not succeed
    :ivar pty: whether it gets a terminal of its own; ours passes on what is typed, if we have one
    :ivar timeout: seconds after which an attempt is told to end by SIGTERM, with all processes that it has
        started
    :ivar kill_after: seconds after that when those that are left are killed
    :ivar retries: how many further attempts there are at most if it does not succeed
    :ivar retry_delay: seconds before each of them
    :ivar grace: seconds to wait, once it has ended, for processes that keep its output open
    :ivar stand_in: whether this process is there for the command alone, so that it is what others see of it:
        all signals are the command's, it stops when the command is stopped, its stdout ends with the
        command's (if that is not run again), and processes whose parent has ended are left to it
    """

    echo: bool = True
    quiet: bool = False
    pty: bool = False
    timeout: float | None = None
    kill_after: float = KILL_AFTER
    retries: int = 0
    retry_delay: float = RETRY_DELAY
    grace: float = GRACE
    stand_in: bool = False

    @property
    def ends_stdout(self) -> bool:
        """Does our stdout end with the command's?"""
        return self.stand_in and not self.retries
