"""Handlers of others that do what no handler may do."""

from __future__ import annotations

from pathlib import Path

from unharmed.bench import Bench

_HEAD = """
import os, sys, threading, time
from e3_event import EventHandler
class Handler(EventHandler):
    def __init__(self):
        self.make()
    def make(self):
        pass
    def send_event(self, event):
        return True
    @classmethod
    def decode_config(cls, config):
        return {}
    def encode_config(self):
        return ""
"""


def install(bench: Bench, code: str) -> None:
    """Install a distribution with the handler `hostile`, and configure it beside the handler `file`.

    :param code: of its module, or (indented) further methods of its class, where `make` is its constructor
    """
    folder = bench.folder / "plugins"
    info = folder / "hostile-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[e3_event.handler]\nhostile = hostile_plugin:Handler\n")
    (folder / "hostile_plugin.py").write_text(f"{_HEAD}{code}\n")
    add_to_path(bench, folder)
    file = bench.env.get("E3_EVENT_HANDLERS", "")
    bench.env["E3_EVENT_HANDLERS"] = f"hostile|{file}"


def add_to_path(bench: Bench, folder: Path) -> None:
    """Let Python find modules there."""
    before = bench.env.get("PYTHONPATH")
    bench.env["PYTHONPATH"] = f"{folder}:{before}" if before else str(folder)
