"""The reference says everything: public names, settings of handlers, the tests behind each guarantee."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults.rows import ROWS

import e3_event
from e3_event import handler_tools, testing
from e3_event._config._file import HANDLER_KEYS
from e3_event._config._place import SpoolConfig
from e3_event._config._redaction import RedactConfig
from e3_event._redact import SHAPES
from e3_event._retry import RetryPolicy
from e3_event.handler import BUILT_IN
from e3_event.pytest._outcome import COUNTED, STATUS_OF

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def public_names() -> Iterator[str]:
    yield from (f"e3_event.{name}" for name in e3_event.__all__)
    yield from (f"e3_event.handler_tools.{name}" for name in handler_tools.__all__)
    yield from (
        f"{testing.__name__}.{name}"
        for name, value in vars(testing).items()
        if inspect.isclass(value) and value.__module__ == testing.__name__
    )
    yield from (target.replace(":", ".") for target in BUILT_IN.values())
    yield "e3_event.compat.install"


def found(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@cache
def documented() -> frozenset[str]:
    """The full names that api.md documents."""
    names = set()
    module = ""
    for directive, argument in re.findall(
        r"^\.\. ([a-z:]+):: (\S+?)(?:\(\))?$", (DOCS / "api.md").read_text(), re.MULTILINE
    ):
        if directive == "py:currentmodule":
            module = argument
        elif directive.startswith(("auto", "py:data")):
            names.add(argument if argument.startswith("e3_event") else f"{module}.{argument}")
    return frozenset(names)


@pytest.mark.parametrize("name", sorted(public_names()))
def test_a_public_name_is_in_the_api_reference(name: str) -> None:
    assert name in documented()


def test_the_api_reference_has_no_name_that_is_not_there() -> None:
    modules = {"e3_event.handler_tools", "e3_event.testing", "e3_event.compat"}
    assert documented() - modules <= set(public_names())


@pytest.mark.parametrize("name", sorted(public_names()))
def test_a_public_name_has_a_docstring(name: str) -> None:
    value = found(name)
    if not callable(value):  # a module's variable has its comment in the reference
        return
    assert value.__doc__, name
    if inspect.isclass(value) and name != "e3_event.testing.HandlerContract":  # its tests say what they are
        assert undocumented_members(value) == []


def undocumented_members(cls: type) -> list[str]:
    return [
        f"{cls.__name__}.{name}"
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_")
        and (inspect.isroutine(member) or isinstance(member, property))
        and (getattr(member, "__module__", None) or "e3_event").startswith("e3_event")
        and not inspect.getdoc(member)
    ]


def test_a_member_without_a_docstring_is_seen() -> None:
    class Bare:
        def method(self) -> None: ...

    Bare.method.__module__ = "e3_event.bare"
    assert undocumented_members(Bare) == ["Bare.method"]


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_field_of_a_handlers_configuration_is_on_its_page(kind: str) -> None:
    cls = found(BUILT_IN[kind].replace(":", "."))
    assert callable(cls)
    page = (DOCS / "handlers" / f"{kind}.md").read_text()
    missing = [field for field in inspect.signature(cls).parameters if f"`{field}`" not in page]
    assert missing == []


@pytest.mark.parametrize("key", e3_event._event.RESERVED_KEYS + e3_event._event.STATUSES)
def test_every_reserved_key_and_every_status_is_explained(key: str) -> None:
    rows = [line for line in (DOCS / "events.md").read_text().splitlines() if line.startswith("| `")]
    assert any(f"`{key}`" in row.split("|")[1] for row in rows)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_form_of_a_secret_is_named(shape: str) -> None:
    rows = [line for line in (DOCS / "redaction.md").read_text().splitlines() if line.startswith("| `")]
    assert any(f"`{shape}`" in row.split("|")[1] for row in rows)


CONFIGURATION = {
    "`[spool]`": SpoolConfig._fields,
    "`[redact]`": RedactConfig._fields,
    "`[handlers.NAME]`": (*HANDLER_KEYS, "any other"),
    "`retry`": RetryPolicy.__struct_fields__,
}


@pytest.mark.parametrize("table", CONFIGURATION)
def test_the_keys_of_the_configuration_file_and_no_others_are_explained(table: str) -> None:
    section = (DOCS / "configuration.md").read_text().partition(f"### {table}\n")[2].partition("\n##")[0]
    keys = re.findall(r"^\| `?([a-z_ ]+?)`? \|", section, re.MULTILINE)
    assert sorted(keys) == sorted([*CONFIGURATION[table], "key"])


def test_the_options_of_the_pytest_plugin_and_no_others_are_explained() -> None:
    rows = re.findall(r"^\| `(--\S+).*?` \| `(\w+)` \|", (DOCS / "pytest.md").read_text(), re.MULTILINE)
    command = [sys.executable, "-m", "pytest", "-p", "e3_event.pytest", "--help"]
    told = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout
    assert {option for option, _ in rows} == set(re.findall(r"^  (--e3-event[\w-]*)", told, re.MULTILINE))
    assert {setting for _, setting in rows} == set(re.findall(r"^  (e3_event\w*)", told, re.MULTILINE))


@pytest.mark.parametrize("outcome", [*STATUS_OF, *COUNTED.values()])
def test_each_outcome_of_a_test_is_named(outcome: str) -> None:
    assert f"`{outcome}`" in (DOCS / "pytest.md").read_text()


def clauses() -> dict[str, str]:
    """The clauses of guarantees.md: title -> text."""
    parts = re.split(r"^## (.*)$", (DOCS / "guarantees.md").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("clause", clauses())
def test_the_tests_that_a_guarantee_names_are_there(clause: str) -> None:
    named = re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", clauses()[clause])
    assert named, "a clause without a test"
    missing = [f"{file}::{test}" for file, test in named if test not in functions_of(ROOT / file)]
    assert missing == []


def test_each_fault_row_holds_a_guarantee() -> None:
    named = re.findall(r"^- fault rows? (.*)$", (DOCS / "guarantees.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"[HJ]?\d+", " ".join(named))) == {str(row.number) for row in ROWS}


@cache
def functions_of(file: Path) -> frozenset[str]:
    nodes = ast.walk(ast.parse(file.read_text())) if file.exists() else ()
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_files_of_the_source_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`((?:tests|examples|src|benchmarks)/[\w/.*-]+)", page.read_text())
    assert [file for file in named if not any(ROOT.glob(file.rstrip("/")))] == []


FRONT = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]


@pytest.mark.parametrize("name", FRONT)
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", (ROOT / name).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("name", FRONT)
def test_make_targets_that_are_named_are_there(name: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = (ROOT / name).read_text()
    named = re.findall(r"(?:^|`|\$ )make ([a-z-]+)", text, re.MULTILINE)
    assert set(named) <= set(targets)
    assert name == "CHANGELOG.md" or {"test", "demo", "docs"} <= set(named)
