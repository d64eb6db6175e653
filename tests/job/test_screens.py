"""Programs that fill the screen look under `e3-event run --pty` as they do without it, and stop and go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.command import COMMAND
from job.scenario import until
from job.tmux import Tmux

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("tmux", "less", "vi"))), reason="tmux, less or vi is missing"
)

Open = Callable[[str], Tmux]


@pytest.fixture
def shells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Tmux, Tmux]]:
    """Two shells, in which `run` stands for nothing and for `e3-event run --pty`."""
    for name in ("TMUX", "LESS", "VIMINIT"):
        monkeypatch.delenv(name, raising=False)
    opened = []
    for name, front in (("plain", ""), ("wrapped", " ".join((*COMMAND, "run", "--pty", "--")))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "text").write_text("".join(f"line {n}\n" for n in range(1, 501)))
        (folder / "run").write_text(f'exec {front} "$@"\n')
        (folder / "rc").write_text("PS1='ready> '\n")
        opened.append(Tmux(folder, "bash --rcfile rc"))
        opened[-1].wait_for("ready>")
    yield opened[0], opened[1]
    for shell in opened:
        shell.close()


def press(shells: tuple[Tmux, Tmux], *keys: str, shows: str) -> None:
    """Press these keys in both; both screens become the same, with this text on it."""
    for shell in shells:
        shell.press(*keys)
    screens: list[str] = []

    def are_the_same() -> bool:
        screens[:] = [shell.screen() for shell in shells]
        return screens[0] == screens[1] and shows in screens[0]

    try:
        until(are_the_same)
    except AssertionError:
        assert screens[0] == screens[1], keys
        raise


def test_less(shells: tuple[Tmux, Tmux]) -> None:
    press(shells, "clear; sh run less text", "Enter", shows="line 23")
    press(shells, "G", shows="(END)")
    press(shells, "?line 77$", "Enter", shows="line 77")
    press(shells, "C-z", shows="Stopped")
    press(shells, "fg", "Enter", shows="line 77")
    press(shells, "q", shows="ready>")


def test_vi(shells: tuple[Tmux, Tmux], tmp_path: Path) -> None:
    press(shells, "clear; sh run vi -u NONE -N -n text", "Enter", shows="line 23")
    press(shells, "Gyyp", shows="500\nline 500")
    press(shells, ":$s/line/word", "Enter", shows="word 500")
    press(shells, "C-z", shows="Stopped")
    press(shells, "fg", "Enter", shows="word 500")
    press(shells, ":wq", "Enter", shows="ready>")
    plain, wrapped = (tmp_path / name / "text" for name in ("plain", "wrapped"))
    assert plain.read_text() == wrapped.read_text()
    assert "\nline 500\nword 500\n" in wrapped.read_text()
