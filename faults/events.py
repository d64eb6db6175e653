"""Events of all shapes: with and without attachments, small ones and large ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from e3_event import Event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

#: Sizes of the attachments in bytes: on both sides of every border that the spool knows of.
SIZES = (0, 100, 20_000, 32_767, 32_768, 32_769, 70_000, 300_000)


def make_files(folder: str, random: Random) -> None:
    """Write the files that events attach, with random content."""
    os.mkdir(folder)
    for size in SIZES:
        with open(os.path.join(folder, str(size)), "wb") as file:
            file.write(random.randbytes(size))


def events(folder: str, random: Random) -> Iterator[Event]:
    """Yield events and snapshots for ever; *folder* holds their files."""
    number = 0
    while True:
        number += 1
        event = Event("x", writer=os.getpid(), number=number, padding="y" * int(random.expovariate(1 / 800)))
        for size in random.sample(SIZES, k=random.choice((0, 0, 0, 1, 1, 2))):
            event.attach_file(os.path.join(folder, str(size)), f"log-{size}")
        yield random.choice((event, event.snapshot()))
