"""Tables with aligned columns, and bars that show how far long work is."""

from __future__ import annotations

import sys
import time
import unicodedata

import click

from e3_event._render import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Any, Self

#: Longer cells are cut.
_WIDEST = 60
#: Columns of a terminal below which names are cut earlier.
_NARROW = 120
#: Rows that are aligned with each other, if there are many.
_BLOCK = 500
#: Seconds after which work is long.
_LONG = 0.5


class Table:
    """Prints rows as they come, aligned, under a head.

    :param columns: their heads; one that begins with `>` is aligned to the right
    :ivar count: how many rows were added
    """

    def __init__(self, *columns: str) -> None:
        self._heads = [column.lstrip(">") for column in columns]
        self._right = [column.startswith(">") for column in columns]
        self._widths = [0] * len(columns)
        self._rows: list[Sequence[str]] = []
        self._has_head = False
        self.count = 0

    def add(self, *cells: str) -> None:
        """Add a row. Its cells are harmless text, which may have colours."""
        self._rows.append(cells)
        self.count += 1
        if len(self._rows) >= _BLOCK:
            self.end()

    def end(self) -> None:
        """Print what is not printed yet; nothing, if there was no row."""
        rows, self._rows = self._rows, []
        for row in [self._heads, *rows]:
            self._widths = [max(most, width(cell)) for most, cell in zip(self._widths, row, strict=True)]
        if rows and any(self._heads) and not self._has_head:
            self._has_head = True
            click.echo(click.style(self._line(self._heads), bold=True))
        for row in rows:
            click.echo(self._line(row))

    def _line(self, row: Sequence[str]) -> str:
        cells = []
        for cell, most, right in zip(row, self._widths, self._right, strict=True):
            cells.append(padded(cell, most, right=right))
        return "  ".join(cells).rstrip()


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    bare = click.unstyle(text)
    if bare.isascii():
        return len(bare)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in bare
    )


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """A text with spaces behind it, or before it, so that it takes so many columns."""
    padding = " " * (columns - width(text))
    return padding + text if right else text + padding


def cell(text: str, widest: int = _WIDEST) -> str:
    """A harmless text that fits a column; a long one is cut."""
    shown = plain(text[: widest + 1])
    if len(text) <= widest and width(shown) <= widest:
        return shown
    while width(shown) >= widest:
        shown = shown[:-1]
    return f"{shown}…"


def name_cell(name: str) -> str:
    """The name of an event; on a narrow terminal it leaves room for the other columns."""
    if not sys.stdout.isatty():
        return cell(name)
    import shutil

    return cell(name, 24 if shutil.get_terminal_size().columns < _NARROW else 40)


class Stages:
    """A bar for each part of some work. Called with what is done, how much of it, of how much."""

    def __init__(self) -> None:
        self._label = ""
        self._bar = Progress("")

    def __enter__(self) -> Self:
        return self

    def __call__(self, label: str, done: int, total: int) -> None:
        if label != self._label:
            self._bar.end()
            self._label, self._bar = label, Progress(label)
        self._bar(done, total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.end()


class Progress:
    """A bar on stderr, if it is a terminal and the work is long. Called with what is done, of how much."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Any = None
        self._since = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None:
            if time.monotonic() - self._since < _LONG or not sys.stderr.isatty() or done >= total:
                return
            self._bar = click.progressbar(length=total, label=self._label, file=sys.stderr)
            self._bar.__enter__()
        self._bar.update(done - self._bar.pos)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Remove the bar, so that something else can be printed."""
        if self._bar is not None:
            self._bar.render_finish()
            sys.stderr.write("\033[A\033[2K")
            self._bar, self._since = None, time.monotonic()
