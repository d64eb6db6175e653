"""Where secrets stand in bytes: those of a known shape, and given values."""

from __future__ import annotations

from ._found import Found
from ._keys import KEY, head_of_key, keys_in
from ._shapes import shapes_in
from ._values import forms_of, is_trivial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Bytes of a secret by which it is known where it goes on.
_HEAD = 1 << 10


class Finder:
    """Finds secrets.

    What it finds in a line does not depend on the lines around it, but for private keys and values of several
    lines.

    :param secrets: values, beside the shapes; of a dictionary `{value: name of its variable}`
    :ivar longest: bytes of the longest value in any of its forms
    """

    def __init__(self, secrets: Iterable[bytes | str]) -> None:
        names = secrets if isinstance(secrets, dict) else {}
        self._values: dict[bytes, str] = {}
        for secret in secrets:
            value = secret.encode("utf-8", "surrogateescape") if isinstance(secret, str) else secret
            if not is_trivial(value.strip()):
                name = f"variable {names[secret]}" if secret in names else "value"
                self._values.update(dict.fromkeys(forms_of(value.strip()), name))
        self.longest = max(map(len, self._values), default=0)
        # Beginnings of values, up to the end of a line: those of one line; the others by their last line.
        self._first_lines: tuple[bytes, ...] = ()
        self._beginnings: dict[bytes, list[tuple[bytes, int]]] = {}
        for value in self._values:
            self._divide(value)

    def _divide(self, value: bytes) -> None:
        start, end = 0, value.find(b"\n") + 1
        while end:
            if start:
                self._beginnings.setdefault(value[start:end], []).append((value, end))
            else:
                self._first_lines += (value[:end],)
            start, end = end, value.find(b"\n", end) + 1

    def beginning(self, text: bytes) -> int:
        """How many bytes at the end of whole lines may be the first lines of a value."""
        if not self._first_lines:
            return 0
        longest = max((len(line) for line in self._first_lines if text.endswith(line)), default=0)
        last_line = text[text.rfind(b"\n", 0, -1) + 1 :]
        for value, end in self._beginnings.get(last_line, ()):
            if end > longest and text.endswith(value[:end]):
                longest = end
        return longest

    def find(self, text: bytes, came: int = 0) -> list[Found]:
        """Find the secrets, sorted by where they begin; they may overlap.

        :param came: if the text begins with the head of a private key: how many more bytes of it came before
        """
        found = list(shapes_in(text))
        if any(secret.name == KEY for secret in found):
            found += keys_in(text, came)
        for value, name in self._values.items():
            at = text.find(value)
            while at >= 0:
                found.append(Found(at, at, at + len(value), name))
                at = text.find(value, at + 1)
        found.sort()
        return found


def head_of(text: bytes, secret: Found, end: int) -> bytes:
    """Return the beginning of a secret, by which it is found in what follows *end* as well."""
    if secret.name == KEY:
        return head_of_key(text, secret.begin, end)
    head = text[secret.begin : min(secret.begin + _HEAD, end)]
    return head.rstrip(b"\\")  # what they escape is not there
