"""Every Python and console example of README.md and docs/ is run, page by page, as a reader would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from e3_event._config._file import load_config

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if "_build" not in path.parts
)
#: Languages of blocks that are run, that show what was printed, and that are only shown.
RUN, PRINTED = {"python", "console"}, {"output"}
SHOWN = {"text", "json", "toml", "ini", "yaml", "make", "{toctree}", "{eval-rst}", "{note}", "{warning}"}
#: So many examples may say `<!-- not executed: reason -->`, all pages together.
MOST_NOT_EXECUTED = 5
DEADLINE = 60.0
MARK = "-- end of the example --"

NOT_EXECUTED = re.compile(r"<!-- not executed: \S.* -->")
FENCE = re.compile(
    r"(?P<before>[^\n]*\n)?\n?^ *(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<code>.*?)^ *(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
FILE_NAME = re.compile(r"# (\S+\.(?:py|toml))\n")

PYTHON_SESSION = f"""
import json, sys
namespace = {{"__name__": "__main__"}}
for line in sys.stdin:
    page, code = json.loads(line)
    exec(compile(code, page, "exec"), namespace)
    print({MARK!r}, 0, flush=True)
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text, the line it starts at, and whether it is run."""

    language: str
    code: str
    line: int
    executed: bool = True


def blocks_of(text: str) -> Iterator[Block]:
    for match in FENCE.finditer(text):
        executed = not NOT_EXECUTED.search(match["before"] or "")
        line = text.count("\n", 0, match.start("code")) + 1
        yield Block(match["language"].strip(), textwrap.dedent(match["code"]), line, executed)


def commands_of(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block (continued by lines with `> `), each with the output that it shows."""
    for part in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = next((n for n, line in enumerate(lines) if n and not line.startswith("> ")), len(lines))
        yield "\n".join(line.removeprefix("> ") for line in lines[:end]), "\n".join(lines[end:])


def same(shown: str, printed: str) -> bool:
    """Is that what was printed? `...` stands for anything."""
    pattern = re.escape(_trimmed(shown)).replace(r"\.\.\.", ".*?")
    return re.fullmatch(pattern, _trimmed(printed), re.DOTALL) is not None


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


class Session:
    """A bash or a Python that runs one example after the other."""

    def __init__(self, command: list[str], folder: Path) -> None:
        home = folder.parent / "home"
        home.mkdir(exist_ok=True)
        keep = {key: os.environ[key] for key in ("LANG", "TMPDIR", "TZ") if key in os.environ}
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
        private = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "USER": "reader"}
        self.errors = (folder.parent / f"{os.path.basename(command[0])}.stderr").open("w+")
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**keep, **private, "PATH": path, "TERM": "dumb", "COLUMNS": "100", "PYTHONUTF8": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def ask(self, text: str) -> tuple[str, int | None]:
        """Run an example: what it printed, and its exit code (None: it ended the session)."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        timer = threading.Timer(DEADLINE, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
            printed: list[str] = []
            for line in self.process.stdout:
                if line.startswith(MARK):
                    return "".join(printed), int(line.removeprefix(MARK))
                printed.append(line)
        finally:
            timer.cancel()
        self.process.wait(DEADLINE)
        self.errors.seek(0)
        return "".join(printed) + self.errors.read(), None

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()


class Page:
    """Runs the blocks of one page in a private folder."""

    def __init__(self, name: str, text: str, folder: Path) -> None:
        self.name = name
        self.blocks = list(blocks_of(text))
        self.folder = folder / "reader"
        self.folder.mkdir()
        (self.folder / "Makefile").write_text("all:\n\t@echo compiled 214 files\n")  # the reader's project
        self.bash = Session(["bash", "--norc"], self.folder)
        self.python = Session([sys.executable, "-u", "-c", PYTHON_SESSION], self.folder)

    def run(self) -> None:
        printed: str | None = None
        for n, block in enumerate(self.blocks):
            if block.language not in RUN | PRINTED | SHOWN:
                self.fail(block, f"no example in `{block.language}`: python and console are run")
            if block.language == "output" and (printed is None or not same(block.code, printed)):
                self.fail(block, f"printed:\n{printed}")
            printed = None
            if block.executed and block.language == "python":
                printed = self.run_python(block, self.blocks[n + 1 :])
            elif block.executed and block.language == "console":
                self.run_console(block)
            elif block.language == "toml" and (named := FILE_NAME.match(block.code)):
                self.save(named[1], block, self.blocks[n + 1 :])

    def run_python(self, block: Block, later: list[Block]) -> str | None:
        """Run a block, or save it under the file name of its first line, for the blocks after it."""
        if found := FILE_NAME.match(block.code):
            self.save(found[1], block, later)
            return None
        padding = "\n" * (block.line - 1)  # a traceback names the line of the page
        printed, status = self.python.ask(json.dumps([self.name, padding + block.code]))
        if status is None:
            self.fail(block, printed)
        return printed

    def save(self, name: str, block: Block, later: list[Block]) -> None:
        if not any(name.removesuffix(".py") in other.code for other in later if other.executed):
            self.fail(block, f"{name} is never used")
        (self.folder / name).write_text(block.code)

    def run_console(self, block: Block) -> None:
        commands = list(commands_of(block))
        if not commands:
            self.fail(block, "no line starts with `$ `")
        for n, (command, shown) in enumerate(commands):
            printed, status = self.bash.ask(
                f"{{ {command}\n}} </dev/null 2>&1; {{ s=$?; echo; echo '{MARK}' $s; (exit $s); }}"
            )
            expects_failure = commands[n + 1 : n + 2] and commands[n + 1][0] == "echo $?"
            if status is None or (status and not expects_failure):
                self.fail(block, f"`{command}` ended with {status}:\n{printed}")
            if shown.strip() and not same(shown, printed):
                self.fail(block, f"`{command}` printed:\n{printed}")

    def fail(self, block: Block, why: str) -> NoReturn:
        pytest.fail(f"{self.name}:{block.line}: {why}", pytrace=False)

    def close(self) -> None:
        self.bash.close()
        self.python.close()


def run_page(name: str, text: str, folder: Path) -> None:
    page = Page(name, text, folder)
    try:
        page.run()
    finally:
        page.close()


@pytest.mark.parametrize("name", PAGES)
def test_every_example_of_a_page_does_what_it_says(name: str, tmp_path: Path) -> None:
    run_page(name, (ROOT / name).read_text(), tmp_path)


def test_few_examples_are_not_executed() -> None:
    skipped = [
        f"{name}:{block.line}"
        for name in PAGES
        for block in blocks_of((ROOT / name).read_text())
        if block.language in RUN and not block.executed
    ]
    assert len(skipped) <= MOST_NOT_EXECUTED, skipped


def test_every_toml_example_is_a_right_configuration_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "example")
    path = tmp_path / "config.toml"
    path.touch(0o600)
    blocks = [block for name in PAGES for block in blocks_of((ROOT / name).read_text())]
    files = [block.code for block in blocks if block.language == "toml" and "[handlers." in block.code]
    assert files
    for text in files:
        path.write_text(text)
        if not text.startswith("# wrong.toml"):
            load_config(str(path))


def test_every_fence_of_a_page_is_seen() -> None:
    for name in PAGES:
        text = (ROOT / name).read_text()
        assert len(list(blocks_of(text))) * 2 == len(re.findall(r"^ *```", text, re.MULTILINE)), name


GOOD = """
```python
# greet.py
print("hello")
```
```python
x = 20
```
```toml
# table.toml
[table]
```
```python
print(open("table.toml").readlines()[1])
```
```output
[table]
```

Text between.

```python
print(x + 1, "and 3f2a more")
```
```output
21 and ... more
```
```console
$ python greet.py
hello
$ cd / && export NAME=you
$ false
$ echo $?
1
```
```console
$ echo $PWD $NAME \\
> and me
/ you ...
```
<!-- not executed: there is no such command -->
```console
$ no-such-command
```
"""

BROKEN = {
    "an exception": "```python\nraise ValueError\n```",
    "other output": "```python\nprint(1)\n```\n```output\n2\n```",
    "output of nothing": "```output\n2\n```",
    "a name that is not there": "```python\nprint(x)\n```",
    "the end of the interpreter": "```python\nimport os\nos._exit(0)\n```",
    "a failing command": "```console\n$ false\n```",
    "other output of a command": "```console\n$ echo a b\na c\n```",
    "too much output of a command": "```console\n$ echo a; echo b\na\n```",
    "too little output of a command": "```console\n$ true\na\n```",
    "the wrong exit code": "```console\n$ false\n$ echo $?\n2\n```",
    "the end of the shell": "```console\n$ exit\n```",
    "no command": "```console\nmake test\n```",
    "a language that is not run": "```bash\nmake\n```",
    "a file that is never used": "```python\n# a.py\nprint()\n```",
    "a table that is never used": "```toml\n# a.toml\nx = 1\n```",
    "an empty reason": "<!-- not executed: -->\n```python\nraise ValueError\n```",
}


def test_a_good_page_passes(tmp_path: Path) -> None:
    run_page("good.md", GOOD, tmp_path)


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_example_is_caught(what: str, tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"^broken\.md:\d"):
        run_page("broken.md", BROKEN[what], tmp_path)
