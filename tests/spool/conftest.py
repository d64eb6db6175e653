"""What tests of the spool share."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest


@pytest.fixture
def interrupt_main() -> Iterator[Callable[[], None]]:
    """Raises KeyboardInterrupt in the main thread, as the handler of a signal; returns when that is done."""
    is_raised = threading.Event()
    main = threading.get_ident()

    def handle(_number: int, _frame: FrameType | None) -> None:
        is_raised.set()
        raise KeyboardInterrupt

    def interrupt() -> None:
        signal.pthread_kill(main, signal.SIGUSR1)
        assert is_raised.wait(30)

    before = signal.signal(signal.SIGUSR1, handle)
    yield interrupt
    signal.signal(signal.SIGUSR1, before)
