"""The benchmarks run; what they measure is no matter of tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str, peer: str, path: str = os.defpath) -> subprocess.CompletedProcess[str]:
    """Run rows against *peer* as the interpreter that has e3-core."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", *arguments],
        cwd=ROOT,
        env={"E3_CORE_PYTHON": peer, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def python(program: str) -> str:
    """Run a program that can import the benchmarks; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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


def test_rows_of_the_spool_are_judged_beside_their_floor_or_beside_ours_again(tmp_path: Path) -> None:
    done = run("put", "put-many", "relay-one", "--json", str(tmp_path / "rows.json"), peer="/nowhere/python")
    assert (done.returncode, done.stderr) == (0, "")
    put, put_many, relay = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["compared_with"] for row in (put, put_many, relay)] == ["floor", "one by one", "floor"]
    assert all(cost > 0 for row in (put, put_many, relay) for cost in row["p50"].values())


def test_rows_of_the_command_run_are_judged_beside_tee_or_beside_ours_again(tmp_path: Path) -> None:
    done = run("run-output", "run-down", "--json", str(tmp_path / "rows.json"), peer="/nowhere/python")
    assert (done.returncode, done.stderr) == (0, "")
    output, down = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["compared_with"] for row in (output, down)] == ["tee", "none"]
    assert all(cost > 0 for row in (output, down) for cost in row["p50"].values())


def test_a_program_that_is_not_installed_makes_no_row_fail(tmp_path: Path) -> None:
    for program in ("cat", "true"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    done = run("run-pty", peer="/nowhere/python", path=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "n/a: script is not installed" in done.stdout


def test_a_quick_run_says_how_much_smaller_it_is() -> None:
    done = run("put-kept", peer=sys.executable)
    assert done.returncode == 0, done.stdout
    assert "put, 100 k events kept" in done.stdout


def test_each_side_of_each_row_has_its_work() -> None:
    said = python(
        "import importlib; from benchmarks.__main__ import _ALL\n"
        "works = [work.split('.') for row in _ALL for work in row.works.values()]\n"
        "print(len([getattr(importlib.import_module(f'benchmarks.{m}'), f) for m, f in works]))"
    )
    assert int(said) > 50


def test_a_goal_is_a_cost_at_most_or_a_speed_at_least() -> None:
    said = python(
        "from benchmarks.rows import Goal; cost, speed = Goal(1.1), Goal(25, faster=True)\n"
        "print(cost.ratio(3.0, 2.0), cost.is_met(1.1), cost.is_met(1.2))\n"
        "print(speed.ratio(2.0, 60.0), speed.is_met(25.0), speed.is_met(24.0))"
    )
    assert said.split() == ["1.5", "True", "False", "30.0", "True", "False"]


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


def test_the_rates_of_redaction_are_printed_for_the_logs_that_are_named() -> None:
    program = "import sys; sys.argv = ['x', 'make', 'urls']; from benchmarks import redaction\n"
    head, *lines = python(program + "redaction._SIZE = 100_000; redaction.main()").splitlines()
    assert head.split()[0] == "MB/s"
    assert [line.split()[0] for line in lines] == ["make", "urls"]
    assert all(float(rate) > 0 for line in lines for rate in line.split()[1:])
