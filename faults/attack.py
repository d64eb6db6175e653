"""Many attacks in one process, each of them a run: who is attacked starts once, and is to survive all."""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .bench import Bench, Outcome

if TYPE_CHECKING:
    from .child import Child

#: Seconds that an attack may take.
SOON = 5


class BlockedError(BaseException):
    """It takes too long. No code that catches errors may take this for one of its own."""


def attacked(bench: Bench, plan: Callable[[Child], None], **options: Any) -> Outcome:
    """Let a child do *plan*, which has to `tell` the losses of each run."""
    bench.finish(bench.child(plan, **options))
    outcome = Outcome()
    with open(bench.path("told")) as file:
        for losses in json.load(file):
            outcome.add(losses)
    return outcome


def tell(child: Child, runs: Iterable[list[str]]) -> None:
    """Write down the losses of each run, for `attacked`; of a broken variant, up to the first."""
    told = []
    for losses in runs:
        told.append(losses)
        if losses and child.broken:
            break
    with open(child.beside("told"), "w") as file:
        json.dump(told, file)


def losses_of(what: str, attack: Callable[[], list[str]]) -> list[str]:
    """The losses of an attack. One that raises, or does not end soon, is one.

    :param what: the attack in words
    """
    try:
        with _soon():
            losses = attack()
    except BlockedError as error:
        losses = [f"{error}"]
    except Exception:  # whatever it is, somebody would have met it
        losses = [f"it raised {traceback.format_exc(limit=-3)}"]
    return [f"{what}: {loss}" for loss in losses]


@contextmanager
def _soon() -> Iterator[None]:
    """Break off what takes too long."""

    def ring(*_: object) -> None:
        raise BlockedError(f"it blocked for {SOON} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SOON)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def contents_of(folder: str) -> dict[str, tuple[int, int, bytes | str]]:
    """All below a folder: owner, mode, and what a file holds or a link names."""
    found: dict[str, tuple[int, int, bytes | str]] = {}
    for place, folders, names in os.walk(folder):
        for path in (place, *(os.path.join(place, name) for name in (*folders, *names))):
            status = os.lstat(path)
            held: bytes | str = ""
            if os.path.islink(path):
                held = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    held = file.read()
            found[path] = (status.st_uid, status.st_mode, held)
    return found
