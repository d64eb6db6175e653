"""The logger `e3.event`. It loads `logging`, which takes long, when there is something to say."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    logger: Logger


class _Lazy:
    """Stands for the logger in our modules."""

    prepare: Callable[[], object] | None = None

    def __getattr__(self, name: str) -> object:
        try:
            return getattr(load(), name)
        except (OSError, ImportError):  # there is no descriptor left to load it with
            return _say_nothing


def _say_nothing(*_: object, **__: object) -> None:
    """In place of what can't be had; it is no reason to end what we are at."""


def load() -> Logger:
    """Return the logger itself.

    :raises OSError, ImportError: there is no descriptor left to load it with
    """
    import logging

    prepare, _lazy.prepare = _lazy.prepare, None
    if prepare is not None:
        try:
            prepare()
        except (OSError, ImportError):
            _lazy.prepare = prepare
            raise
    return logging.getLogger("e3.event")


def prepare(first: Callable[[], object]) -> None:
    """Have *first* called before anything is logged, or a handler is added (which is logged)."""
    _lazy.prepare = first


_lazy = _Lazy()
if not TYPE_CHECKING:
    logger = _lazy
