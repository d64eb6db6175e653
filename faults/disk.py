"""A disk that keeps for sure only what was synced: what it may hold after a crash.

The strict reading of POSIX: the content of a file is safe once the file is synced, its name once its folder
is. Of what is not safe yet any part may be there: of writes any sectors, in any combination; of changes to
one folder the first ones, however many.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from random import Random

    from .recording import Op

#: Bytes that a disk writes whole or not at all.
SECTOR = 512


class File:
    """A file: its safe content, and the changes after that, as (offset, data) or (size, None)."""

    def __init__(self) -> None:
        self.safe = bytearray()
        self.changes: list[tuple[int, bytes | None]] = []

    def sync(self) -> None:
        for offset, data in self.changes:
            _apply(self.safe, offset, data)
        self.changes = []

    def crashed(self, random: Random, share: float) -> bytearray:
        """What may be left of it; each change survives whole with a probability of *share*."""
        content = bytearray(self.safe)
        for offset, data in self.changes:
            if random.random() < share:
                _apply(content, offset, data)
            elif data is not None and random.random() < 0.5:
                _tear(content, offset, data, random)
        return content


class Folder:
    """A folder: its names as the process sees them, its safe ones, and the changes after these."""

    def __init__(self) -> None:
        self.names: dict[str, Node] = {}
        self.safe: dict[str, Node] = {}
        self.changes: list[dict[str, Node | None]] = []

    def change(self, what: dict[str, Node | None]) -> None:
        self.changes.append(what)
        _rename(self.names, what)

    def sync(self) -> None:
        self.safe = dict(self.names)
        self.changes = []

    def crashed(self, random: Random, share: float) -> dict[str, Node]:
        """The names that may be left."""
        names = dict(self.safe)
        count = len(self.changes)
        if share < 1:
            count = random.randint(0, count) if share else 0
        for change in self.changes[:count]:
            _rename(names, change)
        return names


Node: TypeAlias = File | Folder


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        data = b""
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _tear(content: bytearray, offset: int, data: bytes, random: Random) -> None:
    """Write some sectors of *data* only; the others stay as they are, or are zeros in a file that grew."""
    end = offset + len(data)
    old = bytes(content[offset:end])
    torn = bytearray(data)
    start = offset
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        if random.random() < 0.5:
            here = slice(start - offset, stop - offset)
            torn[here] = old[here].ljust(stop - start, b"\0")
        start = stop
    _apply(content, offset, bytes(torn))


def _rename(names: dict[str, Node], what: dict[str, Node | None]) -> None:
    for name, node in what.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Disk:
    """What a recorded process wrote so far.

    :param root: path of the folder that is there before
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self.top = Folder()

    def do(self, op: Op) -> None:
        """Follow the process."""
        folder, name = self._place(op.path)
        node = folder.names.get(name)
        match op.kind:
            case "sync":
                if not name:
                    self.top.sync()
                elif node is not None:
                    node.sync()
            case "make" if node is None:
                folder.change({name: File()})
            case "mkdir":
                folder.change({name: Folder()})
            case "remove":
                folder.change({name: None})
            case "rename":
                _, target = self._place(op.target)
                folder.change({name: None, target: node})
            case "write" | "truncate" if isinstance(node, File):
                node.changes.append((op.offset, op.data if op.kind == "write" else None))

    def sync(self) -> None:
        """Sync everything."""
        folders = [self.top]
        for folder in folders:
            folder.sync()
            for node in folder.names.values():
                node.sync()
                if isinstance(node, Folder):
                    folders.append(node)

    def _place(self, path: str) -> tuple[Folder, str]:
        """The folder that a path lies in, and its name there; the top's own name is empty."""
        if path == self._root:
            return self.top, ""
        *folders, name = os.path.relpath(path, self._root).split(os.sep)
        at = self.top
        for part in folders:
            inner = at.names[part]
            assert isinstance(inner, Folder)
            at = inner
        return at, name

    def crash(self, place: str, random: Random) -> None:
        """Write what may be left after a crash into the folder *place*, which is made."""
        self._write(self.top, place, random, random.choice((0.0, 0.5, 0.9, 1.0)))

    def _write(self, folder: Folder, place: str, random: Random, share: float) -> None:
        os.mkdir(place, 0o700)
        for name, node in folder.crashed(random, share).items():
            path = os.path.join(place, name)
            if isinstance(node, Folder):
                self._write(node, path, random, share)
            elif not name.endswith("-shm"):  # memory: after a crash the first process makes it anew
                with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                    file.write(node.crashed(random, share))
