"""The arguments of `run` as they are parsed without click: as click parses them, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.command import DEADLINE, e3_event
from e3_event.cli._arguments import RUN, parse
from e3_event.cli.run import run

NAMES = [name for option in RUN for name in option.names]
VALUES = [
    "",
    "0",
    "3",
    "10s",
    "1.5h",
    "64MiB",
    "a=b",
    "n:=[1]",
    "a=b=c",
    "all",
    "nothing",
    "-1",
    "--",
    "-",
    "x",
]
words = st.sampled_from(
    [
        *NAMES,
        *VALUES,
        *(f"{name}={value}" for name in NAMES for value in VALUES),
        "--help",
        "--nam",
        "-qn",
        "sh",
    ]
)


def by_click(given: list[str]) -> dict[str, Any] | None:
    """All arguments, also those not given; `None`: it refuses them or shows its help."""
    try:
        return run.make_context("run", list(given)).params
    except (click.ClickException, click.exceptions.Exit):
        return None


@given(st.lists(words, max_size=6))
@example(["make"])
@example(["--", "make", "-j4"])
@example(["-n", "x", "-d", "a=b", "--data=n:=1", "--timeout", "10m", "-q", "--", "sh", "--", "-c"])
@example(["--name", "--quiet", "make"])
@example(["--retries", "3", "--lock-wait=0s", "--redact", "all", "make"])
def test_it_is_parsed_as_click_does(given: list[str]) -> None:
    parsed = parse(given)
    if parsed is not None:
        usual = by_click(["make"])
        assert usual is not None
        assert {**usual, **parsed} == by_click(given)


@pytest.mark.parametrize(
    "usual",
    [
        ["make"],
        ["--", "make", "--help"],
        ["--name", "x", "-a", "log=x.log", "--max-log=0", "--start-event", "make", "-j4"],
    ],
)
def test_what_is_usual_is_parsed(usual: list[str]) -> None:
    assert parse(usual) is not None


@pytest.mark.parametrize(
    "other", [["--help"], [], ["--"], ["--naem", "x", "make"], ["--timeout", "soon", "make"]]
)
def test_help_and_mistakes_are_left_to_click(other: list[str]) -> None:
    assert parse(other) is None


def test_a_run_loads_nothing_that_takes_long() -> None:
    code = (
        "import sys, os\n"
        "def told(code): print(*sorted(sys.modules), file=sys.__stdout__, flush=True); leave(code)\n"
        "leave, os._exit = os._exit, told\n"
        "from e3_event.cli import main\n"
        "main(['run', '--quiet', '--name', 'x', '--', 'true'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        timeout=DEADLINE,
        check=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
    )
    loaded = set(done.stdout.split())
    assert "e3_event.spool" in loaded
    assert loaded.isdisjoint(
        {"click", "msgspec", "logging", "uuid", "hashlib", "inspect", "subprocess", "shutil"}
    )


def test_a_warning_of_the_library_is_heard_all_the_same() -> None:
    done = e3_event("run", "--name", "x", "--attach", "report=/nowhere", "--", "true")
    assert b"e3-event: attachment 'report' is left out" in done.stderr
