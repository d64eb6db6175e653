"""The processes that a command consists of: itself, and all that it has started."""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_PR_SET_CHILD_SUBREAPER = 36
#: Processes may start others while they are looked for and killed.
_ROUNDS = 100
_LOOK_AGAIN = 0.05


def adopt() -> None:
    """Become the parent of those below this process whose parent ends, so that they are found. For good."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):  # not Linux's C library: some may escape
        pass


class Tree:
    """A process and all below it. Those that were seen once stay known when their parent ends.

    :param root: its number; nobody has waited for it before they are looked for the first time
    :param spared: returns the numbers of those that don't count, though what is below them does
    :param known: returns the numbers of those that are known to run, where there is no /proc to ask
    """

    def __init__(
        self,
        root: int,
        spared: Callable[[], Collection[int]] = tuple,
        known: Callable[[], Collection[int]] = tuple,
    ) -> None:
        self._root = root
        self._spared = spared
        self._surely = known
        self._known: dict[int, bytes] | None = None

    def tell(self, *numbers: int) -> None:
        """Send each of them these signals."""
        for pid in self._find():
            for number in numbers:
                _send(pid, number)

    def end(self, deadline: float) -> None:
        """Wait until this time (monotonic) for all of them to end, and kill those that are left."""
        while time.monotonic() < deadline and self._find():
            time.sleep(_LOOK_AGAIN)
        self.kill()

    def kill(self) -> None:
        """Kill all of them, and what they start meanwhile."""
        killed: set[int] = set()
        for _ in range(_ROUNDS):
            found = set(self._find()) - killed
            if not found:
                break
            for pid in found:
                _send(pid, signal.SIGKILL)
            killed |= found

    def _find(self) -> list[int]:
        running = _processes()
        if not running:
            return list(self._surely())
        if self._known is None:
            self._known = {self._root: running[self._root][1]} if self._root in running else {}
        children: dict[int, list[int]] = {}
        for pid, (parent, _) in running.items():
            children.setdefault(parent, []).append(pid)
        # By the time of its start we see whether a number is another process's by now.
        found = {pid: start for pid, start in self._known.items() if running.get(pid, (0, b""))[1] == start}
        below = list(found)
        for pid in below:
            new = [child for child in children.get(pid, ()) if child not in found]
            below += new
            found |= {child: running[child][1] for child in new}
        self._known = found
        spared = self._spared()
        return [pid for pid in found if pid not in spared]


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:  # it is gone, or another user's
        pass


def _processes() -> dict[int, tuple[int, bytes]]:
    """The numbers of all processes that run -> that of the parent, and the time of the start (proc(5))."""
    found = {}
    try:
        names = os.listdir("/proc")
    except OSError:  # it is not there, or there are no descriptors
        names = []
    for name in names:
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b") ")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if fields and fields[0] not in b"ZX":
                found[int(name)] = int(fields[1]), fields[19]
    return found
