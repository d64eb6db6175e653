"""The harness itself: what it counts, where it goes on, and that it sees what it is there to see."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from faults.bench import Bench, DiedError, HangError, Outcome
from faults.child import Child
from faults.disk import Disk
from faults.machine import Need
from faults.promise import Books, Journal, broken_promises
from faults.recording import Op
from faults.row import Row
from faults.runner import Result, run_row

from e3_event import Event
from e3_event.spool import Spool
from faults import state


def row_of(trial: object, *controls: str, needs: tuple[Need, ...] = ()) -> Row:
    return Row(0, "a fault", trial, 4, 6, controls, needs, tries=3)  # type: ignore[arg-type]


def result_of(row: Row, runs: int | None = None, *, full: bool = False) -> Result:
    """Run a row, for so many trials at most."""
    result = Result(row.number, row.what, row.unit)
    left = iter(range(runs) if runs is not None else iter(int, 1))
    run_row(row, result, 1, full=full, more=lambda: next(left, None) is not None)
    return result


def test_a_row_is_run_until_its_figure_is_reached() -> None:
    result = result_of(row_of(lambda bench: Outcome.of([])))
    assert (result.runs, result.trials, result.verdict) == (4, 4, "ok")
    assert result_of(row_of(lambda bench: Outcome.of([])), full=True).runs == 6


def test_a_loss_fails_its_row_and_names_the_trial() -> None:
    result = result_of(row_of(lambda bench: Outcome.of(["gone"] if bench.number == 2 else [])))
    assert (result.verdict, result.lost, result.losses) == ("FAILED", 1, ["trial 2: gone"])


def test_a_control_that_is_not_caught_fails_its_row() -> None:
    def trial(bench: Bench) -> Outcome:
        return Outcome.of(["gone"] if bench.broken == "seen" and bench.number == 1 else [])

    result = result_of(row_of(trial, "seen", "unseen"))
    assert (result.controls, result.verdict) == ({"seen": 2, "unseen": 0}, "FAILED")


def test_a_process_that_hangs_or_dies_is_a_loss_but_a_control_may_not_die() -> None:
    def trial(bench: Bench) -> Outcome:
        raise (HangError if bench.number == 0 else DiedError)("said so")

    result = result_of(row_of(trial))
    assert result.losses == [f"trial {number}: said so" for number in range(4)]
    with pytest.raises(DiedError):
        result_of(row_of(lambda bench: bench.finish(bench.child(fail)), "swallows errors"))


def fail(child: Child) -> None:
    raise RuntimeError("on purpose")


@pytest.mark.parametrize(
    ("is_tool", "in_ci", "verdict"),
    [(True, "true", "FAILED"), (True, "", "skipped"), (False, "true", "skipped")],
)
def test_a_missing_tool_fails_in_ci_and_a_missing_right_never(
    is_tool: bool, in_ci: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", in_ci)
    result = result_of(row_of(None, needs=(Need(is_tool, lambda: "no such thing"),)))
    assert (result.verdict, result.lacking) == (verdict, "no such thing")


def test_a_full_run_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "FOLDER", str(tmp_path / "rows"))
    seen: list[int] = []

    def trial(bench: Bench) -> Outcome:
        seen.append(bench.number)
        return Outcome.of([])

    row = row_of(trial)
    for left in (2, None):
        now = state.resumed(row, None, default=5)
        time = iter(range(left) if left is not None else iter(int, 1))
        more = lambda time=time: next(time, None) is not None  # noqa: E731  short
        run_row(row, now.result, now.seed, full=True, more=more)
        now.save()
        assert (state.finished([row]) is None) == (left is not None)
    assert (now.seed, seen, now.result.verdict) == (5, [0, 1, 2, 3, 4, 5], "ok")
    assert state.resumed(row, 6, default=5).result.runs == 0
    monkeypatch.setattr(state, "source", lambda: "another")
    assert state.resumed(row, None, default=5).result.runs == 0
    assert state.finished([row, replace(row, number="H1")]) is None


def test_what_is_lost_changed_or_named_twice_is_seen(tmp_path: Path) -> None:
    journal, spool = Journal(str(tmp_path / "journal")), Spool(tmp_path / "spool")
    (tmp_path / "log").write_bytes(bytes(100_000))
    event = Event("x")
    event.attach_file(tmp_path / "log")
    kept, gone, changed = event.snapshot(), Event("y").snapshot(), Event("z").snapshot()
    journal.put(spool, kept, changed)
    spool.close()
    ours = (tmp_path / "journal").read_bytes()
    assert broken_promises(spool.path, Books(ours)) == []
    journal.put(Spool(tmp_path / "other"), gone)
    text = (tmp_path / "journal").read_bytes()
    assert broken_promises(spool.path, Books(text)) == [f"{gone.snapshot_id}, acknowledged: absent"]
    tried = text.replace(b'"do": "ack"', b'"do": "other"')
    assert broken_promises(spool.path, Books(tried)) == []
    twice = ours.replace(kept.snapshot_id.encode(), changed.snapshot_id.encode())
    assert any("two events got this id" in loss for loss in Books(twice).losses)
    (blob,) = (tmp_path / "spool" / "blobs" / kept.snapshot_id).iterdir()
    blob.write_bytes(bytes(99_999) + b"1")
    (loss,) = broken_promises(spool.path, Books(ours))
    assert "damaged" in loss


def crashes(ops: list[Op], tmp_path: Path) -> set[tuple[tuple[str, bytes], ...]]:
    """What the disk may hold after *ops*: its files with their contents."""
    tmp_path.mkdir()
    found = set()
    for number in range(300):
        disk = Disk("/top")
        for op in ops:
            disk.do(op)
        place = tmp_path / f"{number}"
        disk.crash(str(place), Random(number))
        files = sorted(path for path in place.rglob("*") if path.is_file())
        found.add(tuple((os.path.relpath(path, place), path.read_bytes()) for path in files))
    return found


def test_a_disk_keeps_what_was_synced_and_any_part_of_the_rest(tmp_path: Path) -> None:
    made = [Op("make", "/top/a"), Op("sync", "/top")]
    old, new = b"o" * 1024, b"n" * 1024
    safe = [*made, Op("write", "/top/a", data=old), Op("sync", "/top/a")]
    assert crashes(safe, tmp_path / "safe") == {(("a", old),)}
    half = [(("a", head + tail),) for head in (old[:512], new[:512]) for tail in (old[512:], new[512:])]
    assert crashes([*safe, Op("write", "/top/a", data=new)], tmp_path / "torn") == set(half)
    moved = [*safe, Op("rename", "/top/a", target="/top/b")]
    assert crashes(moved, tmp_path / "moved") == {(("a", old),), (("b", old),)}
    assert crashes([*moved, Op("sync", "/top")], tmp_path / "synced") == {(("b", old),)}
    assert () in crashes([Op("make", "/top/a"), Op("sync", "/top/a")], tmp_path / "unnamed")
