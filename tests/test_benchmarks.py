"""The benchmarks run; what they measure is no matter of tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str, peer: str) -> subprocess.CompletedProcess[str]:
    """Run rows against *peer* as the interpreter that has e3-core."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", *arguments],
        cwd=ROOT,
        env={"E3_CORE_PYTHON": peer, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_row_is_measured_and_judged_beside_its_floor_and_its_peer(tmp_path: Path) -> None:
    ours_again = sys.executable  # where e3-core is absent, `e3.event` is ours
    done = run("create", "load", "--json", str(tmp_path / "rows.json"), peer=ours_again)
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head.split()[-1] == "verdict"
    assert {line.split()[-1] for line in lines[:2]} <= {"met", "MISSED"}
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["row"] for row in rows] == ["create", "load"]
    assert all(row["p50"][side] > 0 for row in rows for side in ("ours", "floor", "e3"))


def test_a_row_that_cannot_run_is_named_with_the_reason_and_fails_the_run() -> None:
    done = run("create", peer="/nowhere/python")
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert "/nowhere/python" in done.stdout


def test_an_unknown_row_is_refused_with_those_that_there_are() -> None:
    done = run("nonsense", peer=sys.executable)
    assert done.returncode == 2
    assert "'nonsense'" in done.stderr
    assert "send-file" in done.stderr
