"""Row H4: what is attached is a FIFO, a device, a socket or a link, or becomes one until it is read."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from e3_event import Event, EventError

from .attack import attacked, losses_of, tell
from .dumps import RefusedError, hand_over, holds, put

if TYPE_CHECKING:
    from .bench import Bench, Outcome
    from .child import Child

#: Attacks of one trial, and of one of `make test`.
ATTACKS, FEW = 20, 12
#: Bytes of a file at most: a broken variant may copy what has no end.
_MOST = 64 << 20
#: What a file holds that may be sent.
_FINE = b"nothing is wrong with this"


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")  # the path itself may be too long
    os.close(folder)


def _folder(path: Path) -> None:
    path.mkdir()


def _absent(path: Path) -> None:
    """Nothing is there."""


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


#: What is no file to be sent, and what is one.
_ODD: dict[str, Callable[[Path], None]] = {
    "FIFO": _fifo,
    "socket": _socket,
    "folder": _folder,
    "nothing": _absent,
    "link to a device": _link("/dev/zero"),
    "link to a FIFO": _link("fifo"),
    "link to nothing": _link("absent"),
    "link to itself": _link("log"),
    "link to a link to a FIFO": _link("link-to-fifo"),
}
_RIGHT: dict[str, Callable[[Path], object]] = {
    "link to a file": _link("file"),
    "file": lambda path: path.write_bytes(_FINE),
}
_ALL = {**_ODD, **_RIGHT}


class Scene:
    """A file that is about to be another one.

    :ivar log: its path
    :ivar out: for what is written
    """

    def __init__(self, folder: Path, random: Random) -> None:
        self.folder, self.log, self.out = folder, folder / "log", folder / "out"
        self.out.mkdir(parents=True)
        os.mkfifo(folder / "fifo")
        (folder / "link-to-fifo").symlink_to("fifo")
        (folder / "file").write_bytes(_FINE * random.choice((1, 2000)))
        self.log.write_bytes(random.randbytes(random.choice((10, 50_000))))
        self.kind = random.choice([*_ODD] * 2 + [*_RIGHT] * 3)

    @property
    def is_right(self) -> bool:
        return self.kind in _RIGHT

    def become(self) -> None:
        self.log.unlink()
        _ALL[self.kind](self.log)

    def event(self) -> Event:
        event = Event("hostile")
        event.attach_file(self.log)
        return event


def attach_oddities(bench: Bench) -> Outcome:
    """Attach what is no file, or let a file be none by the time that it is read."""
    return attacked(bench, attach_all, attacks=FEW if bench.is_short else ATTACKS)


def attach_all(child: Child) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST, hard))

    def attack() -> list[str]:
        scene = Scene(Path(child.beside("scene")), child.random)
        stage = child.random.choice(_STAGES)
        losses = losses_of(f"{stage.__doc__}: {scene.kind}", lambda: stage(scene))
        shutil.rmtree(scene.folder)
        return losses

    tell(child, (attack() for _ in range(child.options["attacks"])))


def _attached(scene: Scene) -> list[str]:
    """attached"""
    scene.become()
    try:
        event = scene.event()
    except EventError as error:
        is_said = not scene.is_right and str(scene.log) in str(error)
        return [] if is_said else [f"refused: {error}"]
    put(event, scene.out)
    return _came(scene) if scene.is_right else ["it was attached"]


def _looked_at(scene: Scene) -> list[str]:
    """changed before its snapshot"""
    event = scene.event()
    scene.become()
    put(event, scene.out)
    return _came(scene)


def _captured(scene: Scene) -> list[str]:
    """changed before its capture"""
    snapshot = scene.event().snapshot()
    scene.become()
    put(snapshot, scene.out)
    return _came(scene)


def _handed_over(scene: Scene) -> list[str]:
    """changed before a handler reads it"""
    snapshot = scene.event().snapshot()
    scene.become()
    try:
        hand_over(snapshot, scene.out)
    except RefusedError:
        return [] if not scene.is_right else ["it was not delivered"]
    return _came(scene)


def _dumped(scene: Scene) -> list[str]:
    """changed after its dump"""
    dump = scene.event().dump(scene.folder)
    scene.become()
    put(Event.load(dump), scene.out)
    return _came(scene, is_sent=False)  # whatever it is now, it is not what was dumped


def _raced(scene: Scene) -> list[str]:
    """changed all the time"""
    with _changing(scene):
        for _ in range(20):
            with contextlib.suppress(EventError):
                put(scene.event(), scene.out)
    return []


_STAGES: tuple[Callable[[Scene], list[str]], ...] = (
    _attached, _looked_at, _captured, _handed_over, _dumped, _raced
)  # fmt: skip


@contextlib.contextmanager
def _changing(scene: Scene) -> Iterator[None]:
    """Let the file be a FIFO and a file in turns, as fast as can be."""
    is_over = threading.Event()

    def change() -> None:
        fifo, file = scene.folder / "other", scene.folder / "again"
        while not is_over.is_set():
            os.mkfifo(fifo)
            os.replace(fifo, scene.log)
            file.write_bytes(_FINE)
            os.replace(file, scene.log)
            time.sleep(0)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _came(scene: Scene, *, is_sent: bool | None = None) -> list[str]:
    """The event has come; with what is right now, or without what is not, which is named."""
    losses = [] if holds(scene.out, b"hostile") else ["the event itself is lost"]
    if scene.is_right if is_sent is None else is_sent:
        return losses + ([] if holds(scene.out, _FINE) else ["what is right was not sent"])
    return losses + ([] if holds(scene.out, b'attachments_left_out"') else ["it is not left out"])
