"""`make demo` does its job."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cli.command import DEADLINE

ROOT = Path(__file__).parents[2]


def test_the_demo_builds_the_wheel_and_shows_what_was_sent(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples/demo.py", tmp_path / "demo"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (wheel,) = (tmp_path / "demo/dist").glob("*.whl")
    (event,) = (tmp_path / "demo/events").glob("wheel-*.json")
    sent = json.loads(event.read_text())
    assert (sent["status"], sent["project"]) == ("ok", "e3-event")
    assert event.read_text() in done.stdout
    assert done.stdout.count(f"Successfully built {wheel.name}") == 2  # live, and from the log
    assert "API_TOKEN=[redacted]" in done.stdout
    assert "e3-event: the event deploy waits for file:archive: " in done.stdout
    (waited,) = (tmp_path / "demo/archive").glob("deploy-*.json")
    assert str(waited) in done.stdout
    assert (waited.parent / f"deploy-{json.loads(waited.read_text())['uid']}/log").read_text() == "deployed\n"
    assert "\033" not in done.stdout
