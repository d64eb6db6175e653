"""Files: safe names, atomic writes, regular files opened without blocking."""

from __future__ import annotations

import os
import re
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import BufferedReader

#: The longest name in bytes that `safe_name` gives: with a uid and an extension it stays below the
#: 255 bytes that file systems allow.
MAX_NAME = 90
_BAD = frozenset('/\\:*?"<>|%~\x7f') | {chr(code) for code in range(32)}
_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL"] + [f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10)]
)
_HARMLESS = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"
_DIGEST = 32  # hex digits of SHA-256 that stand for the tail of a long name
#: Digests of no bytes at all: many logs are empty, and hashlib takes long to load.
_OF_NOTHING = {
    "sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
}
_BLOCK = 1 << 16  # bytes
#: How each file is opened: as bytes, and not for the programs that this process starts.
_PRIVATE = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def safe_name(name: str, limit: int = MAX_NAME) -> str:
    """Turn *name* into one path component that is harmless everywhere.

    A harmless name stays as it is. In others the offending characters are percent-encoded (`/` becomes
    `%2F`, a leading `.` becomes `%2E`), and what is longer than *limit* bytes ends in `~` and a hash.
    Two different names never become one (names on a case-insensitive file system aside).
    """
    encoded = name
    if not re.fullmatch(_HARMLESS, name):
        encoded = "".join(_percent(c) if c in _BAD or _invisible(c) else c for c in name)
        if encoded[:1] == ".":
            encoded = "%2E" + encoded[1:]
        if encoded[-1:] in (".", " "):
            encoded = encoded[:-1] + _percent(encoded[-1])
    if encoded.split(".")[0].rstrip().upper() in _DEVICES:
        encoded = _percent(encoded[0]) + encoded[1:]
    raw = encoded.encode()
    if not raw:
        return "%"  # no other name has a bare percent sign
    if len(raw) <= limit:
        return encoded
    import hashlib

    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return raw[: limit - _DIGEST - 1].decode(errors="ignore") + "~" + digest


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _invisible(char: str) -> bool:
    """Is this a control, format (bidi), line separator or surrogate character?"""
    return not char.isascii() and not char.isprintable()


def write_atomic(path: str, content: bytes) -> None:
    """Write *content* so that *path* appears complete or not at all; it is replaced if it is there.

    Its folder is made if it is not there. Not synced: it survives a crash of the process, not of the machine.

    :raises OSError: nothing is left behind
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PRIVATE
    try:
        fd = os.open(temporary, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
        fd = os.open(temporary, flags, 0o666)
    try:
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def open_regular(path: str) -> BufferedReader:
    """Open *path* for reading if it is a regular file (or a link to one); never blocks on anything else.

    :raises OSError: it is missing, unreadable, or a folder, FIFO, device or socket, or no path at all
    """
    try:
        status = os.stat(path)
    except ValueError as error:  # a NUL or a surrogate that no file name can hold
        raise OSError(f"not a path: {path!r}") from error
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"not a regular file: {path}")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | _PRIVATE
    file = open(os.open(path, flags), "rb")  # noqa: SIM115  the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # replaced in between
        file.close()
        raise OSError(f"not a regular file: {path}")
    return file


def read_bytes(path: str) -> bytes:
    """Return what a file holds, without the cost of a file object (more than that of reading a small file).

    :raises OSError: it can't be read
    """
    fd = os.open(path, os.O_RDONLY | _PRIVATE)
    try:
        content = os.read(fd, _BLOCK)
        if more := os.read(fd, _BLOCK):  # a pipe may give less than it will have
            content = b"".join((content, more, *iter(lambda: os.read(fd, _BLOCK), b"")))
        return content
    finally:
        os.close(fd)


def sha256_of(file: BufferedReader) -> str:
    """Return the SHA-256 (hex) of what is left to read of *file*."""
    return _digest_of_file("sha256", file)


def sha1_of(file: BufferedReader) -> str:
    """Return the SHA-1 (hex) of what is left to read of *file*."""
    return _digest_of_file("sha1", file)


def _digest_of_file(kind: str, file: BufferedReader) -> str:
    if not file.peek(1):
        return _OF_NOTHING[kind]
    import hashlib

    return hashlib.file_digest(file, kind).hexdigest()


def digest_of(kind: str, content: bytes) -> str:
    """Return the SHA-1 or SHA-256 (hex) of bytes."""
    if not content:
        return _OF_NOTHING[kind]
    import hashlib

    return hashlib.new(kind, content, usedforsecurity=False).hexdigest()
