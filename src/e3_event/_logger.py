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
        return getattr(load(), name)


def load() -> Logger:
    """Return the logger itself."""
    import logging

    prepare, _lazy.prepare = _lazy.prepare, None
    if prepare is not None:
        prepare()
    return logging.getLogger("e3.event")


def prepare(first: Callable[[], object]) -> None:
    """Have *first* called before anything is logged, or a handler is added (which is logged)."""
    _lazy.prepare = first


_lazy = _Lazy()
if not TYPE_CHECKING:
    logger = _lazy
