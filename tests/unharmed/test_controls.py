"""The checks find what a wrapper does wrong: each of these does one thing wrong, and is caught."""

from __future__ import annotations

import subprocess
import sys

import pytest

from unharmed import bench as benches
from unharmed.bench import JOBS, Bench

#: A wrapper that does nothing wrong; `job` is the command, `options` are what stands before it.
RIGHT = """
import os, signal, subprocess, sys, time
at = sys.argv.index("--")
options, job = sys.argv[:at], sys.argv[at + 1:]
limit = 0.2 if "--timeout" in options else None
def run(**how):
    process = subprocess.Popen(job, **how)
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.terminate()
        out, err = process.communicate()
        return 124, out, err
    return process.returncode, out, err
def leave(code):
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)
"""
#: What is wrong -> a wrapper, and a job of which it shows.
WRONG = {
    "the job does not run": ("leave(0)", "succeeds"),
    "it runs twice": ("run(); leave(run(stdout=-3, stderr=-3)[0])", "succeeds"),
    "its exit code is lost": ("run(); leave(0)", "fails"),
    "its signal is an exit code": ("code, *_ = run(); leave(128 - code if code < 0 else code)", "dies"),
    "its signal is lost": ("run(); leave(0)", "dies"),
    "a time limit is not kept": ("leave(subprocess.call(job))", "lasts"),
    "the end of its output is lost": (
        "code, out, _ = run(stdout=-1); sys.stdout.write(out.decode()[:-1]); leave(code)",
        "prints",
    ),
    "its last line gets an end": (
        "code, out, _ = run(stdout=-1); print(out.decode()); leave(code)",
        "prints",
    ),
    "its outputs become one": ("leave(run(stderr=subprocess.STDOUT)[0])", "succeeds"),
    "something is told on stdout": ("print('e3-event: ', flush=True); leave(run()[0])", "succeeds"),
    "something is told that is no problem": ("os.write(2, b'e3-event: x\\n'); leave(run()[0])", "succeeds"),
    "something is told without our name": ("os.write(2, b'x\\n'); leave(run()[0])", "succeeds"),
    "there is a traceback": ("run(); raise OSError", "succeeds"),
    "a temporary file is left": ("open(os.environ['TMPDIR'] + '/x', 'w'); leave(run()[0])", "succeeds"),
    "a process is left": (
        "subprocess.Popen(['sleep', '1000'], stdin=-3, stdout=-3, stderr=-3); leave(run()[0])",
        "succeeds",
    ),
    "it hangs": ("run(); time.sleep(1000)", "succeeds"),
}


@pytest.mark.parametrize("job", JOBS)
def test_a_wrapper_that_harms_nobody_passes(bench: Bench, job: str) -> None:
    bench.ours = [sys.executable, "-c", f"{RIGHT}\nleave(run()[0])"]
    bench.is_sent = False
    bench.check(job, [])


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_caught(bench: Bench, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, job = WRONG[wrong]
    monkeypatch.setattr(benches, "HANGS", 2.0)
    bench.ours = [sys.executable, "-c", f"{RIGHT}\n{code}"]
    bench.is_sent = False
    with pytest.raises((AssertionError, subprocess.TimeoutExpired)):
        bench.check(job, [])


def test_a_problem_that_is_not_told_is_caught(bench: Bench) -> None:
    with pytest.raises(AssertionError):
        bench.check("succeeds", ["the event job waits"])


def test_an_event_that_is_lost_is_caught(bench: Bench) -> None:
    bench.env["E3_EVENT_HANDLERS"] = ""
    with pytest.raises(ValueError, match="not enough values"):
        bench.check("succeeds", [])


@pytest.mark.parametrize("job", JOBS)
def test_where_nothing_fails_nothing_is_told(bench: Bench, job: str) -> None:
    bench.check(job, [])
