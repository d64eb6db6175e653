"""Secrets masked in bytes that come in pieces: `Redactor`."""

from __future__ import annotations

from typing import NamedTuple

from e3_event._redact import MASK

from ._cut import cut_of
from ._find import Finder, head_of
from ._keys import KEY
from ._seen import Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ._found import Found

    #: Takes a piece as it is seen, where in it begins what did not come before, and what is masked.
    Tell = Callable[[bytes, int, Sequence["Span"]], None]
    #: Says of a text and its secrets where to end, and which secret goes on there.
    EndOf = Callable[[bytes, Sequence[Found]], tuple[int, Found | None]]

#: Bytes of a line that are looked at as a whole.
LONGEST_LINE = 1 << 16
#: Bytes that are looked at again with what follows them, where a longer line is cut.
OVERLAP = 1 << 13
#: Visible bytes of a part of a long line without which it is not worth it to look for a place to cut it.
_LEAST_PART = 1 << 12
_MASK = MASK.encode()


class Span(NamedTuple):
    """A part of a text that is masked.

    :ivar names: why, as `Found.name`; empty: it belongs to what was masked before
    """

    start: int
    stop: int
    names: tuple[str, ...]


class Redactor:
    """Masks secrets in a stream of bytes: what has a known shape, and given values.

    Everything else passes unchanged, whatever it is. Colours, movements of the cursor and the like are seen
    through: a secret is known with them around it or inside it, and they stay.

    What comes out does not depend on the pieces in which it comes in. A line is kept back until it ends. If
    it is longer than 64 KiB it is looked at in parts, which overlap by 8 KiB: a secret that is longer is
    masked to its end as well, but one that is only known by what stands more than 8 KiB behind its beginning
    may be missed. A private key without an end is masked for 8 KiB, and then as long as lines look like those
    of a key. Memory is bounded by this, or by a few times the longest value.

    What is not seen: UTF-16 and the like, values in base64, and what is compressed.

    :param secrets: values to mask, in any of the forms that `forms_of` tells; or `{value: its variable}`.
        Those that are trivial are not masked, as `is_trivial` says
    :param tell: called with each piece that was looked at
    """

    def __init__(self, secrets: Iterable[bytes | str] | Finder = (), tell: Tell | None = None) -> None:
        self._finder = secrets if isinstance(secrets, Finder) else Finder(secrets)
        self._overlap = max(OVERLAP, self._finder.longest)
        self._most = max(LONGEST_LINE, 4 * self._overlap)
        self._tell = tell
        self._pending = bytearray()
        self._least = 0  # pending bytes without which there is no sense in looking again
        self._begin()

    def _begin(self) -> None:
        self._head = b""  # the beginning of a secret that goes on with what is pending
        self._came = 0  # how much more of it there was
        self._masked = 0  # how much of what is pending belongs to what is masked already

    def feed(self, data: bytes) -> bytes:
        """Take a piece; return what may be stored by now."""
        self._pending += data
        size = len(self._pending)
        if size < self._least or (size < self._most and b"\n" not in data):
            return b""
        return self._take(is_end=False)

    def finish(self) -> bytes:
        """Return the rest. What is fed from now on is another stream."""
        shown = self._take(is_end=True)
        self._begin()
        return shown

    def another(self) -> Redactor:
        """Return one with the same values, for another stream."""
        return Redactor(self._finder)

    def text(self, text: str) -> str:
        """Return a text that is there as a whole, such as a traceback, without secrets."""
        other = self.another()
        how = "surrogateescape"  # as the environment has them
        try:
            data = text.encode(errors=how)
        except UnicodeEncodeError:
            how = "surrogatepass"
            data = text.encode(errors=how)
        return (other.feed(data) + other.finish()).decode(errors=how)

    def _take(self, *, is_end: bool) -> bytes:
        """Mask what can be masked by now, from the beginning of what is pending."""
        pending = self._pending
        shown: list[bytes] = []
        self._least = 0
        while pending:
            lines = pending.rfind(b"\n", 0, self._most) + 1
            is_long = len(pending) >= self._most
            if is_end and not is_long:
                done = self._mask(bytes(pending), _end_of_all, shown)
            else:
                done = self._mask(bytes(pending[:lines]), self._end_of_lines, shown) if lines else 0
                if not done and is_long:
                    done = self._mask(bytes(pending[: self._most]), self._end_of_part, shown)
            if not done:
                self._least = min(2 * lines, self._most)
                break
            del pending[:done]
        return b"".join(shown)

    def _end_of_lines(self, text: bytes, found: Sequence[Found]) -> tuple[int, Found | None]:
        """Whole lines end before those with which a value of several lines may begin."""
        end = len(text)
        if beginning := self._finder.beginning(text):
            end = text.rfind(b"\n", 0, end - beginning) + 1
        for secret in found:
            if secret.name == KEY and secret.begin < end and (secret.end > end or secret.end == len(text)):
                return end, secret
        return end, None

    def _end_of_part(self, text: bytes, found: Sequence[Found]) -> tuple[int, Found | None]:
        """A part of a long line ends where `cut_of` says; one with little to see is taken whole."""
        if len(text) - len(self._head) < _LEAST_PART:
            return len(text), None
        return cut_of(text, found, self._overlap)

    def _mask(self, raw: bytes, end_of: EndOf, shown: list[bytes]) -> int:
        """Add to *shown* what may be stored of *raw*, up to where *end_of* says.

        :return: how much of *raw* that stands for; the rest has to come again, with what follows it
        """
        seen = Seen(raw)
        before = len(self._head)
        text = self._head + seen.text
        found = self._finder.find(text, self._came)
        end, goes_on = end_of(text, found)
        if end <= before < len(text):
            return 0
        done = len(raw) if end == len(text) else seen.first(end - before)
        spans = _joined(found, before + self._masked, end)
        place = 0
        for start, stop, names in spans:
            first, at = max(0, start - before), max(0, min(stop, end) - before)
            shown += raw[place : seen.exactly(first)], _MASK if names else b"", seen.sequences(first, at)
            place = seen.first(at)
        shown.append(raw[place:done])
        if self._tell:
            self._tell(text[:end], before, spans)
        self._masked = max(0, spans[-1].stop - end) if spans else 0
        self._go_on(text, end, goes_on)
        return done

    def _go_on(self, text: bytes, end: int, secret: Found | None) -> None:
        """Remember of a secret that goes on behind *end* what is needed to know it there."""
        before, self._head = self._head, b""
        came, self._came = self._came, 0
        if secret is not None:
            self._head = head_of(text, secret, end)
            self._came = end - secret.begin + (came if before and not secret.begin else 0) - len(self._head)


def _end_of_all(text: bytes, _found: Sequence[Found]) -> tuple[int, Found | None]:
    return len(text), None


def _joined(found: Iterable[Found], masked: int, end: int) -> list[Span]:
    """Return what is masked of a text up to *end*: the first *masked* bytes, and each secret or, where they
    overlap, several of them together.
    """
    spans = [Span(0, masked, ())] if masked else []
    for _, start, stop, name in sorted(found, key=lambda secret: secret.start):
        if start >= end:
            break
        if spans and start < spans[-1].stop:
            last = spans[-1]
            names = last.names if not last.names or name in last.names else (*last.names, name)
            spans[-1] = Span(last.start, max(last.stop, stop), names)
        else:
            spans.append(Span(start, stop, (name,)))
    return spans
