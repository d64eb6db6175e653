"""The pieces in which a log lies on disk while it is written, and the one file that is made of them.

`PATH.0` is the head, and `PATH.N` goes on at byte N of the output. So the names and sizes alone say which
bytes are missing, whatever has ended the writer, and a piece may lose its end, or be deleted, at any time.
`PATH` is the one file, which appears complete. If it was made of several pieces, an empty last one stays
beside it, whose name is the length of the output.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    #: Where a piece begins in the output, and its size.
    Piece = tuple[int, int]
    #: What is taken of a piece: where that begins, from which byte of the output, and up to which.
    Part = tuple[int, int, int]

#: How a piece is made and read: for its owner, and through no link that somebody may have put there.
MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LEAST = 1 << 10  # bytes: for less than that no room is made
_LINE = 128  # bytes that a line about missing ones takes at most
_NEAR = 1 << 16  # bytes in which the end of a line is looked for at a cut
_CHUNK = 1 << 20


def shares(limit: int) -> tuple[int, int]:
    """How many bytes of *limit* are for the head, and how many for each of the two pieces behind it."""
    quarter = max(limit, 4) // 4
    return max(limit, 4) - 2 * quarter, quarter


def name_of(path: str, start: int) -> str:
    """The name of the piece that begins at byte *start* of the output."""
    return f"{path}.{start}"


def find(path: str) -> list[Piece]:
    """The pieces that are there, in order.

    :raises OSError: the folder can't be read
    """
    folder, base = os.path.split(path)
    pieces = []
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            stem, _, start = entry.name.rpartition(".")
            if stem == base and start.isascii() and start.isdigit():
                try:
                    pieces.append((int(start), entry.stat(follow_symlinks=False).st_size))
                except FileNotFoundError:  # deleted since
                    pass
    return sorted(pieces)


def delete(name: str) -> None:
    """Delete a file, if it is there."""
    try:
        os.unlink(name)
    except FileNotFoundError:
        pass


def remove(path: str) -> None:
    """Delete the log, whole or in pieces.

    :raises OSError: it can't be deleted
    """
    for name in (*(name_of(path, start) for start, _ in find(path)), _unfinished(path), path):
        delete(name)


def join(path: str, limit: int, total: int | None = None) -> str:
    """Make one file of the pieces, and delete these. Where bytes are missing, a line says how many.

    One process may do that, once the writer has ended. It can be killed anywhere: doing it again loses and
    doubles nothing. If there is no room for all of it on the disk, its beginning and its end are kept.

    :param limit: what the writer was given
    :param total: the length of the output, if it is known: its end may be missing as well
    :return: why it is not all of the output; empty if it is
    :raises OSError: there is nothing, or it can't be made; what is there stays
    """
    pieces = find(path)
    if os.path.lexists(path):
        whole = not pieces or os.path.getsize(path) == pieces[-1][0]
        reason = "" if whole else _cut_to(limit)
    else:
        if not pieces:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        start, size = pieces[-1]
        total = max(total or 0, start + size)
        if pieces == [(0, total)]:
            os.rename(name_of(path, 0), path)
            return ""
        if start < total:
            os.close(os.open(name_of(path, total), MAKE, 0o600))
            pieces.append((total, 0))
        reason = _merge(path, pieces, limit)
        pieces = find(path)
    for start, size in pieces:
        if size or start != pieces[-1][0]:
            delete(name_of(path, start))
    return reason


def line(count: int, what: str) -> bytes:
    """What stands where bytes of the output are missing: a line, whatever is before it."""
    return f"\n[e3-event: {count} bytes {what}]\n".encode()


def _merge(path: str, pieces: list[Piece], limit: int) -> str:
    """Make the one file, which appears complete or not at all; return why it has not all of the output."""
    reason = ""
    room = sum(size for _, size in pieces) + _LINE * len(pieces)
    unfinished = _unfinished(path)
    while True:
        delete(unfinished)
        fd = os.open(unfinished, MAKE, 0o600)
        try:
            parts = _to_lines(path, _fit(pieces, room))
            is_cut = pieces[0] == (0, shares(limit)[0]) and parts[0][2] < parts[1][1]
            _write(fd, path, parts, limit if is_cut else 0)
            os.fsync(fd)  # a power cut leaves either this or the pieces
            break
        except OSError as error:
            reached = os.fstat(fd).st_size
            delete(unfinished)
            room = max(room // 2, min(reached, room * 7 // 8))
            if error.errno not in _NO_ROOM or room < _LEAST:
                raise
            reason = os.strerror(error.errno)
        finally:
            os.close(fd)
        _give_up(path, pieces, _fit(pieces, room))
        pieces = find(path)
    os.rename(unfinished, path)
    if reason or sum(stop - begin for _, begin, stop in parts) == parts[-1][2]:
        return reason
    return _cut_to(limit) if is_cut else "parts of it could not be kept"


def _fit(pieces: Sequence[Piece], room: int) -> list[Part]:
    """What to take of the pieces if there is not room for all: as much of the head as of the end."""
    room = max(0, room - _LINE * len(pieces))
    rest = list(pieces)
    head: list[Part] = []
    if rest[0][0] == 0:
        _, size = rest.pop(0)
        head = [(0, 0, min(size, max(room // 2, room - sum(size for _, size in rest))))]
        room -= head[0][2]
    end: list[Part] = []
    for start, size in reversed(rest):
        taken = min(size, room)
        room -= taken
        if taken or not end:  # the last one says how long the output was
            end.append((start, start + size - taken, start + size))
    return head + end[::-1]


def _give_up(path: str, pieces: Sequence[Piece], parts: Sequence[Part]) -> None:
    """Make room on the disk: delete what is taken nothing of, and the end of what is taken only in part."""
    ends = {start: end for start, _, end in parts}
    for start, size in pieces:
        if start not in ends:
            delete(name_of(path, start))
        elif ends[start] < start + size:
            os.truncate(name_of(path, start), ends[start] - start)


def _to_lines(path: str, parts: Sequence[Part]) -> list[Part]:
    """Leave out the rests of lines beside the bytes that are missing, where they are short."""
    found: list[Part] = []
    end = 0
    for start, begin, stop in parts:
        if begin > end:
            if found:
                found[-1] = _without_last_line(path, *found[-1])
            begin += _read(path, start, begin, min(begin + _NEAR, (begin + stop) // 2)).find(b"\n") + 1
        found.append((start, begin, stop))
        end = stop
    return found


def _without_last_line(path: str, start: int, begin: int, stop: int) -> Part:
    near = _read(path, start, max(stop - _NEAR, (begin + stop + 1) // 2), stop)
    end = near.rfind(b"\n") + 1
    return start, begin, stop - len(near) + end if end else stop


def _read(path: str, piece: int, begin: int, end: int) -> bytes:
    """Return these bytes of the output, which lie in this piece."""
    fd = os.open(name_of(path, piece), READ)
    try:
        return os.pread(fd, end - begin, begin - piece)
    finally:
        os.close(fd)


def _write(fd: int, path: str, parts: Sequence[Part], limit: int) -> None:
    """Write these parts, and a line for what is missing between them.

    :param limit: what has cut the output behind the head, if it was that, else 0
    """
    end = 0
    for start, begin, stop in parts:
        if begin > end:
            what = "are missing here; they could not be kept"
            if limit:  # which cuts once
                what = f"cut here; --max-log keeps {_amount(limit)}"
                limit = 0
            _put(fd, line(begin - end, what))
        end = begin
        while end < stop and (chunk := _read(path, start, end, min(end + _CHUNK, stop))):
            _put(fd, chunk)
            end += len(chunk)


def _put(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _unfinished(path: str) -> str:
    return f"{path}.part"


def _cut_to(limit: int) -> str:
    return f"cut to {_amount(limit)} (--max-log)"


def _amount(size: int) -> str:
    """A number of bytes as people write it, exactly."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= bytes_ and size % bytes_ == 0:
            return f"{size // bytes_} {unit}"
    return f"{size} bytes"
