"""Handler type name -> class."""

from __future__ import annotations

from ._errors import EventError
from .handler import BUILT_IN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from ._handler import EventHandler

#: Entry-point groups, in the order they are read: ours, and the one that e3-core documents.
GROUPS = ("e3_event.handler", "e3.event.handler")


def find(name: str) -> type[EventHandler]:
    """Return the class of a handler type: a built-in one or one that a distribution registers.

    :raises EventError: there is none (says which are installed), or it can't be imported (says why)
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        built_in: type[EventHandler] = getattr(__import__(module, fromlist=[attribute]), attribute)
        return built_in
    point = _entry_points().get(name)
    if point is None:
        raise EventError(f"no handler {name!r} is installed; installed: {', '.join(sorted(installed()))}")
    try:
        found: type[EventHandler] = point.load()
    except Exception as error:  # a foreign module may fail in any way when it is imported
        raise EventError(f"handler {name!r} ({point.value}) can't be loaded: {error}") from error
    return found


def type_of(cls: type[EventHandler]) -> str | None:
    """Return the type name of a class, the inverse of `find`; `None`: it is of no installed type."""
    targets = {**{name: point.value for name, point in _entry_points().items()}, **BUILT_IN}
    own = f"{cls.__module__}:{cls.__qualname__}"
    return next((name for name, target in targets.items() if target == own), None)


def is_installed(name: str) -> bool:
    """Is there a handler type of this name?"""
    return name in BUILT_IN or name in _entry_points()


def installed() -> dict[str, str]:
    """Return the handler types that can be had: `{name: distribution}`."""
    found = {name: point.dist.name if point.dist else point.value for name, point in _entry_points().items()}
    return {**found, **dict.fromkeys(BUILT_IN, "e3-event")}


def require(cls: type[EventHandler]) -> None:
    """Check that what a handler needs is installed.

    :raises EventError: names the extra that is missing
    """
    for module, install in missing(cls).items():
        raise EventError(f"{cls.__name__} needs the module {module}: pip install '{install}'")


def missing(cls: type[EventHandler]) -> dict[str, str]:
    """Return what a handler type needs and is not installed: `{module: what to install}`."""
    requires = getattr(cls, "requires", {})  # a handler written for e3-core has none
    if not requires:
        return {}
    return {module: install for module, install in requires.items() if not _is_there(module)}


def _is_there(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor is the package that it is in
        return False


def _entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # slow, and not needed for what is built in

    found: dict[str, EntryPoint] = {}
    for group in GROUPS:
        for point in entry_points(group=group):
            found.setdefault(point.name, point)
    return found
