"""Words that the processes of a trial tell each other: a file for each, beside the journal."""

from __future__ import annotations

import os
import signal
import time

#: Seconds that a process may take.
PATIENCE = 60.0
#: The signal at which a process prints the stacks of its threads.
STACKS = signal.SIGUSR2


def tell(journal: str, word: str) -> None:
    """Tell a word to all that wait for it, now or later."""
    with open(f"{journal}.{word}", "w"):
        pass


def wait_for(journal: str, word: str, seconds: float = PATIENCE) -> None:
    """Wait until somebody tells a word.

    :raises TimeoutError: nobody does
    """
    deadline = time.monotonic() + seconds
    while not os.path.exists(f"{journal}.{word}"):
        if time.monotonic() > deadline:
            raise TimeoutError(word)
        time.sleep(0.005)
