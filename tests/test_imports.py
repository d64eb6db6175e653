"""Imports go one way, and importing the package stays cheap."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import e3_event

PACKAGE = Path(e3_event.__file__).parent
#: Part -> the parts that it may import. A part is a module or folder of the package without its underscore.
ALLOWED = {
    "errors": set[str](),
    "files": set(),
    "ids": set(),
    "logger": set(),
    "attachment": {"errors", "files", "logger"},
    "course": {"attempt", "flush", "logger", "masking"},
    "masking": {"attachment", "config", "event", "redact"},
    "family": set(),
    "interface": {"errors"},
    "handler": {"public", "handler_tools", "spool"},
    "codec": set(),
    "dump": {"codec", "errors"},
    "redact": {"errors", "codec"},
    "redaction": {"redact"},
    "event": {"attachment", "codec", "dump", "errors", "files", "ids", "logger"},
    "render": {"dump", "event"},
    "report": {"render"},
    "attempt": {"errors", "redact", "report"},
    "retry": {"errors", "redact"},
    "plugins": {"errors", "handler"},
    "manager": {"attempt", "codec", "errors", "event", "flush", "job", "logger", "plugins", "record",
                "redact"},
    "flush": {"config", "errors", "interface", "relay", "spool"},
    "record": {"config", "course", "event", "family", "redact"},
    "config": {"errors", "handler_tools", "logger", "manager", "plugins", "redact", "redaction", "relay",
               "retry", "spool"},
    "handler_tools": {"interface", "dump", "errors", "event", "files", "plugins", "redact", "render"},
    "public": {"attachment", "ids", "interface", "errors", "event", "family", "job", "logger", "manager",
               "record",
               "report"},
    "pieces": set(),
    "spool": {"attachment", "codec", "errors", "event", "files", "ids", "interface", "pieces"},
    "relay": {"errors", "interface", "logger", "redact", "retry", "spool"},
    "compat": {"public", "errors"},
    "testing": {"public", "plugins"},
    "job": {"attachment", "config", "course", "errors", "event", "family", "files", "logger", "manager",
            "pieces", "record", "redact", "report"},
    "pytest": {"attachment", "attempt", "config", "course", "errors", "event", "family", "job", "manager",
               "redact", "render"},
    "main__": {"cli"},
    "cli": {"course", "render", "public", "config", "redact", "redaction", "errors", "event", "family",
            "logger", "manager", "report", "retry", "flush", "plugins", "job", "handler_tools", "relay",
            "spool"},
}  # fmt: skip


def part_of(module: str) -> str:
    """`e3_event._event` -> `event`; the handler interface `_handler` is not the folder `handler`."""
    first = module.removeprefix("e3_event").lstrip(".").split(".")[0]
    if first in ("", "__init__"):
        return "public"
    return "interface" if first == "_handler" else first.lstrip("_")


def imports_of(file: Path) -> set[str]:
    """The parts that a file imports when it runs (imports for type checkers do not count)."""
    here = ".".join(["e3_event", *file.relative_to(PACKAGE).with_suffix("").parts])
    found = set()
    for node in running(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here.rsplit(".", node.level)[0] + "." if node.level else ""
            module = f"{base}{node.module or ''}".rstrip(".")
            names = {f"{module}.{alias.name}" for alias in node.names}
            modules = {
                name
                for name in names
                if (PACKAGE.parent / name.replace(".", "/")).with_suffix(".py").exists()
            }
            found |= modules or {module}
    return {part_of(name) for name in found if name.split(".")[0] == "e3_event"} - {part_of(here)}


def running(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return []
    return [node] + [below for child in ast.iter_child_nodes(node) for below in running(child)]


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_imports_go_one_way(file: Path) -> None:
    part = part_of("e3_event." + ".".join(file.relative_to(PACKAGE).with_suffix("").parts))
    assert imports_of(file) <= ALLOWED.get(part, set()), part


def test_the_rule_catches_an_import_the_other_way() -> None:
    assert "manager" in imports_of(PACKAGE / "_config" / "__init__.py")
    assert "manager" not in ALLOWED["event"]


@pytest.mark.parametrize(
    "heavy",
    [
        "logging",
        "msgspec",
        "json",
        "uuid",
        "typing",
        "dataclasses",
        "subprocess",
        "email",
        "ssl",
        "boto3",
        "tomllib",
    ],
)
def test_importing_the_package_does_not_load(heavy: str) -> None:
    code = f"import sys, e3_event; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=unmeasured(), check=False).returncode == 0


def test_recording_without_a_configuration_file_does_not_load_what_reads_one() -> None:
    code = "import sys, e3_event\nwith e3_event.record('x'): pass\nsys.exit('tomllib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=unmeasured(), check=False).returncode == 0


def unmeasured() -> dict[str, str]:
    """The environment without what makes coverage load modules of its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
