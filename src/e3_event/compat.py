"""The names of e3-core's `e3.event` over ours: `e3.event`, its submodules and `e3.error`.

Where e3-core is absent, importing `e3.event` or this module is enough. Where it is installed nothing changes
until `install()`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING

import e3_event
from e3_event._errors import E3Error

if TYPE_CHECKING:
    from collections.abc import Sequence

_OURS = "e3_event"
_DOCUMENTED = "e3.event"


def install() -> None:
    """Make `e3.event` and its documented submodules ours in this process, even where e3-core is installed.

    Modules that hold names of e3-core's `e3.event` already keep them: call it before they are imported.
    """
    for name in [name for name in sys.modules if name.startswith(_DOCUMENTED + ".")]:
        del sys.modules[name]
    _take_over()


def hand_over(name: str) -> None:
    """Put into the place of our one-file module `e3.event` what it stands for.

    That is e3-core's package where there is one (ours may stand earlier on `sys.path`), else `e3_event`.
    """
    package = _package_of_e3_core(name)
    if package is None:
        _take_over()
        return
    module = importlib.util.module_from_spec(package)
    sys.modules[name] = module
    package.loader.exec_module(module)  # type: ignore[union-attr]  # found as a file, it has one


def _take_over() -> None:
    if not any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AliasFinder())
    sys.modules[_DOCUMENTED] = e3_event
    try:
        parent = importlib.import_module("e3")
    except ModuleNotFoundError:  # a zip or a vendored copy without the documented name
        parent = sys.modules["e3"] = ModuleType("e3")
        parent.__path__ = []
    parent.event = e3_event  # type: ignore[attr-defined]


def _package_of_e3_core(name: str) -> ModuleSpec | None:
    """Find the folder `event/` in the folders of the package `e3`."""
    for folder in sys.modules["e3"].__path__:
        if os.path.isfile(os.path.join(folder, "event", "__init__.py")):
            return PathFinder.find_spec(name, [folder])
    return None


class _AliasFinder(MetaPathFinder):
    """Finds `e3.event.handler.file` as `e3_event.handler.file`: one module under two names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(_DOCUMENTED + ".") or sys.modules.get(_DOCUMENTED) is not e3_event:
            return None
        real = _OURS + fullname.removeprefix(_DOCUMENTED)
        if importlib.util.find_spec(real) is None:
            return None
        return ModuleSpec(fullname, _AliasLoader(real))


class _AliasLoader(Loader):
    """Gives the real module, and gives it back the spec that the import system writes over."""

    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


def _provide_error_module() -> None:
    """Make `e3.error` resolve where e3-core does not."""
    if E3Error.__module__ == "e3.error" or "e3.error" in sys.modules:
        return
    module = ModuleType("e3.error", "The base error, from e3_event.")
    module.E3Error = E3Error  # type: ignore[attr-defined]
    sys.modules["e3.error"] = module
    try:
        importlib.import_module("e3").error = module  # type: ignore[attr-defined]
    except ModuleNotFoundError:
        pass


_provide_error_module()
