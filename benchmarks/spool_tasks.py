"""The work of ours with a spool.

The function with a row's name prepares it, as in `tasks`. The events that are put were made beforehand, which
does not count.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import e3_event

from .batches import Made, Peak, Processes, Threads
from .kept import fill, open_spool
from .tasks import big_file, make_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from e3_event import Event
    from e3_event.spool import Spool

    from .tasks import Work
    from .worker import Setting

#: So many events fill the write-ahead log more than once: from then on it is written over.
WARM = 15_000


def _warm_spool(setting: Setting) -> Spool:
    spool = open_spool(_path(setting))
    _warm_up(spool)
    return spool


def _path(setting: Setting) -> str:
    return os.path.join(setting.folder, "spool")


def _warm_up(spool: Spool) -> None:
    for _ in range(WARM // 1000):
        spool.put_many(_events(1000))


def _events(count: int) -> list[Event]:
    return [make_event(e3_event) for _ in range(count)]


def put(setting: Setting) -> Made:
    return Made(_events, _warm_spool(setting).put)


def put_first(setting: Setting) -> Made:
    """Open a new spool and put all that was made into it."""
    path = _path(setting)

    def into_a_new_one(events: list[Event]) -> None:
        spool = open_spool(path)
        for event in events:
            spool.put(event)
        spool.close()

    return Made(lambda count: [_events(count)], into_a_new_one, lambda: shutil.rmtree(path))


def put_many(setting: Setting) -> Made:
    return Made(_hundreds, _warm_spool(setting).put_many)


def _hundreds(count: int) -> list[list[Event]]:
    return [_events(min(100, count)) for _ in range(max(1, count // 100))]


def put_threads(setting: Setting) -> Threads:
    return Threads(16, put(setting))


def put_processes(setting: Setting) -> Processes:
    _warm_spool(setting).close()
    return Processes(4, _put_beside_others, setting)


def put_process(setting: Setting) -> Processes:
    _warm_spool(setting).close()
    return Processes(1, _put_beside_others, setting)


def _put_beside_others(setting: Setting) -> Made:
    return Made(_events, open_spool(_path(setting)).put)


def put_kept(setting: Setting) -> Made:
    """Put into a spool that keeps many events, all delivered."""
    spool = open_spool(setting.kept)
    _warm_up(spool)
    return Made(_events, spool.put)


def capture(setting: Setting) -> Made:
    """Put an event with a large attachment into a new spool: the SHA-1 of `attach_file` does not count."""
    path = _path(setting)
    attached = big_file(setting.folder, setting.size)

    def make(count: int) -> list[tuple[Spool, Event]]:
        return [(open_spool(path), make_event(e3_event, attached)) for _ in range(count)]

    return Made(make, lambda pair: pair[0].put(pair[1]), lambda: shutil.rmtree(path))


def capture_memory(setting: Setting) -> Peak:
    return Peak(_capture_once, setting)


def capture_memory_small(setting: Setting) -> Peak:
    return Peak(_capture_once, replace(setting, size=setting.size // 16))


def _capture_once(setting: Setting) -> Callable[[], object]:
    return lambda: capture(setting).batch(1)


def ls(setting: Setting) -> Work:
    """Run the command as people do: a process of its own, with 20 lines to print."""
    return _command(setting, setting.kept, "ls")


def ls_few(setting: Setting) -> Work:
    spool = open_spool(_path(setting))
    fill(spool, 1000)
    spool.close()
    return _command(setting, _path(setting), "ls")


def _command(setting: Setting, spool: str, name: str) -> Work:
    """Run a command of `e3-event` on a spool."""
    config = os.path.join(setting.folder, "config.toml")
    with open(config, "w") as file:
        file.write(f"[spool]\npath = '{spool}'\n")
    command = [sys.executable, "-m", "e3_event", "--config", config, name]
    return lambda: subprocess.run(command, stdout=subprocess.PIPE, check=True)
