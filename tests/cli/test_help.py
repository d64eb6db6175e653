"""What the command says about itself, and that the documentation says it too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from cli.command import COMMAND, DEADLINE, e3_event
from e3_event.cli._command import COMMANDS, command

PAGE = (Path(__file__).parents[2] / "docs/command-line.md").read_text()


def subcommand(name: str) -> click.Command:
    found = command.get_command(click.Context(command), name)
    assert found
    return found


def section(name: str) -> str:
    found = re.search(rf"^## `e3-event {name}`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"no section `e3-event {name}`"
    return found[1]


def parameters_of(found: click.Command) -> Iterator[click.Parameter]:
    """The parameters of a subcommand and, if it is a group, of those below."""
    yield from found.params
    for below in found.commands.values() if isinstance(found, click.Group) else ():
        yield from below.params


def parameters() -> Iterator[tuple[str, str]]:
    for name in COMMANDS:
        for parameter in parameters_of(subcommand(name)):
            if isinstance(parameter, click.Option):
                yield from ((name, option) for option in parameter.opts)
            else:
                yield name, (parameter.name or "").upper()


@pytest.mark.parametrize(("name", "parameter"), list(parameters()))
def test_every_option_and_argument_is_documented_with_its_command(name: str, parameter: str) -> None:
    assert re.search(rf"`[^`\n]*(?<![\w-]){re.escape(parameter)}(?![\w-])[^`\n]*`", section(name))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_is_documented_that_is_not_there(name: str) -> None:
    there = {option for parameter in parameters_of(subcommand(name)) for option in parameter.opts} | {
        "--help"
    }
    table = "".join(re.findall(r"^\| (`-.*?) \|", section(name), re.MULTILINE))
    assert set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", table)) <= there | {"--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_that_is_shown_without_loading_is_that_of_the_command(name: str) -> None:
    assert subcommand(name).short_help == COMMANDS[name][1]


def test_the_options_of_the_program_are_documented() -> None:
    front = PAGE.partition("\n## ")[0]
    for parameter in command.params:
        assert all(f"`e3-event {option}" in front for option in parameter.opts if option.startswith("--"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_names_the_exit_codes(name: str) -> None:
    done = e3_event(name, "--help")
    assert done.returncode == 0
    assert b"Exit codes: " in done.stdout
    assert "Exit codes: " in section(name)


def test_the_help_lists_all_commands_and_loads_none() -> None:
    code = (
        "import sys\n"
        "from e3_event.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "finally:\n"
        "    print(sorted(m for m in sys.modules if m.startswith('e3_event.cli.') and '._' not in m))\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=True
    ).stdout
    for name, (_, text) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(text)}$", shown, re.MULTILINE)
    assert shown.endswith("\n[]\n")


def test_the_version() -> None:
    assert e3_event("--version").stdout.decode() == f"e3-event {version('e3-event')}\n"


def test_the_installed_program_is_the_same() -> None:
    program = Path(sys.executable).with_name("e3-event")
    done = subprocess.run([program, "--version"], capture_output=True, timeout=DEADLINE, check=True)
    assert done.stdout == e3_event("--version").stdout


def test_an_unknown_command_is_one_line_with_those_there_are() -> None:
    done = e3_event("foo")
    assert done.returncode == 2
    assert done.stderr.decode() == f"e3-event: no command 'foo'; there are: {', '.join(COMMANDS)}\n"


def test_an_unknown_option_is_one_line() -> None:
    done = e3_event("--foo")
    assert done.returncode == 2
    assert done.stderr.startswith(b"e3-event: No such option '--foo'")
    assert done.stderr.count(b"\n") == 1


def test_without_a_command_the_help_is_shown() -> None:
    done = e3_event()
    assert done.returncode == 2
    assert done.stderr == e3_event("--help").stdout


def test_a_reader_that_went_away_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "handlers"], stdout=writing, stderr=subprocess.PIPE, timeout=DEADLINE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["handlers"], ["send", "x", "--json"], ["completion", "bash"]]
)
def test_output_that_can_not_be_written_is_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE, check=False
        )
    assert done.returncode == 1
    assert done.stderr == b"e3-event: OSError: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(shell: str) -> None:
    done = e3_event("completion", shell)
    assert done.returncode == 0
    assert f"_E3_EVENT_COMPLETE={shell}_complete" in done.stdout.decode()


def test_bash_completes_commands_and_options() -> None:
    def complete(words: str, index: int) -> list[str]:
        script = (
            'eval "$(e3-event completion bash)"\n'
            f"COMP_WORDS=({words}) COMP_CWORD={index}\n"
            "_e3_event_completion e3-event\n"
            'printf "%s\\n" "${COMPREPLY[@]}"\n'
        )
        path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        done = subprocess.run(
            ["bash", "-c", script], env=path, capture_output=True, text=True, timeout=DEADLINE, check=True
        )
        return done.stdout.split()

    assert complete("e3-event ''", 1) == list(COMMANDS)
    assert complete("e3-event run --na", 2) == ["--name"]


@pytest.mark.parametrize(
    "words", ["run -- ./nig", "run make -f Mak", "send --from-file dumps/", "redact --test bui"]
)
def test_names_of_files_are_left_to_the_shell(words: str) -> None:
    words = f"e3-event {words}"
    done = e3_event(_E3_EVENT_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    assert done.stdout.startswith(b"file,")
