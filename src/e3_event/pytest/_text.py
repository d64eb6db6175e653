"""Texts of tests made fit for events: without secrets, of bounded length, and such as UTF-8 can hold."""

from __future__ import annotations

from e3_event._render import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from e3_event._redaction import Redactor

#: Characters of one line: the name of a test, or why it failed.
LINE = 500
#: Characters that are looked at for secrets beyond those that are kept, of a text that is long.
_MARGIN = 1 << 16
#: Characters beside the middle that is not looked at: what looks harmless there may be a part of a secret.
_EDGE = 1 << 13


class Cleaner:
    """Makes texts fit to be stored.

    :param redactor: masks secrets; `None`: they stay
    """

    def __init__(self, redactor: Redactor | None) -> None:
        self._redactor = redactor

    def text(self, text: str, longest: int) -> str:
        """Return a text without secrets. Of a long one the middle is left out, and said to be.

        :param longest: characters that are kept
        """
        half = longest // 2
        if len(text) <= longest + 2 * _MARGIN:
            text = self._redact(text)
            if len(text) <= longest:
                return text
            head, tail = text, text
        else:
            head = self._redact(text[: half + _MARGIN])[:-_EDGE]
            tail = self._redact(text[-half - _MARGIN :])[_EDGE:]
        return f"{head[:half]} [{len(text) - 2 * half} characters are left out here] {tail[-half:]}"

    def line(self, text: str) -> str:
        """Likewise as one line, in which nothing is invisible."""
        return plain(" ".join(self.text(text, LINE).split()))

    def _redact(self, text: str) -> str:
        shown = text if self._redactor is None else self._redactor.text(text)
        return shown.encode("utf-8", "backslashreplace").decode()
