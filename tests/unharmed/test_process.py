"""`e3-event run` in a process that lacks something, or is started oddly: the job is not harmed."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterable

import pytest

from cli.command import kept
from faults import machine
from unharmed.bench import Bench, Failure, Failures

failures = Failures()


@failures
def no_threads(bench: Bench) -> Iterable[str]:
    """The stack of a thread has no room in the address space. So the event is kept, and waits."""
    size = 1 << 50
    bench.popen["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_STACK, (size, size))
    bench.is_sent = False
    bench.closing.callback(lambda: _check_kept(bench))
    return ["the event job waits for file: RuntimeError: can't start new thread"]


def _check_kept(bench: Bench) -> None:
    assert [event.name for event in kept(bench.spool)] == ["job"]  # and none that was taken for aborted
    assert list((bench.spool / "runs").iterdir()) == []


@failures
def no_processes_for_us(bench: Bench) -> Iterable[str]:
    """A thread comes first, and then our witness of signals."""
    trace(bench, "inject=clone,clone3,vfork:error=EAGAIN:when=2")
    return []


@failures
def no_proc(bench: Bench) -> Iterable[str]:
    bench.in_its_own_mounts("mount -t tmpfs tmpfs /proc")
    return []


@failures
def no_dev(bench: Bench) -> Iterable[str]:
    bench.in_its_own_mounts("mount -t tmpfs tmpfs /dev")
    return ["the output could not be read: No such file or directory"]


@failures
def no_pidfds(bench: Bench) -> Iterable[str]:
    """Before Linux 5.3."""
    trace(bench, "inject=pidfd_open:error=ENOSYS")
    return []


@failures
def no_epoll(bench: Bench) -> Iterable[str]:
    trace(bench, "inject=epoll_create1:error=ENOSYS")
    return ["the output could not be read"]


@failures
def no_stdin(bench: Bench) -> Iterable[str]:
    closes(bench, "<&-")
    return []


@failures
def no_stdout(bench: Bench) -> Iterable[str]:
    bench.popen["stdout"] = None
    closes(bench, ">&-")
    return []


@failures
def no_stderr(bench: Bench) -> Iterable[str]:
    bench.popen["stderr"] = None
    closes(bench, "2>&-")
    return []


@failures
def no_standard_streams(bench: Bench) -> Iterable[str]:
    bench.popen |= {"stdout": None, "stderr": None}
    closes(bench, "<&- >&- 2>&-")
    return []


@failures
def a_full_stdout(bench: Bench) -> Iterable[str]:
    bench.popen["stdout"] = full(bench)
    return ["the output is only logged from here on, it can't be written: No space left on device"]


@failures
def a_full_stderr(bench: Bench) -> Iterable[str]:
    bench.popen["stderr"] = full(bench)
    return []


@failures
def a_full_stderr_and_something_to_say(bench: Bench) -> Iterable[str]:
    bench.env["E3_EVENT_HANDLERS"] += "|fil=/x"
    bench.is_sent = False
    return a_full_stderr(bench)


@failures
def outputs_that_are_full(bench: Bench) -> Iterable[str]:
    bench.popen["stdout"] = full(bench)
    return a_full_stderr(bench)


@failures
def no_path(bench: Bench) -> Iterable[str]:
    del bench.env["PATH"]
    return []


@failures
def an_odd_path(bench: Bench) -> Iterable[str]:
    bench.env["PATH"] = "/no/such:/dev/null:\udcff"
    return []


def with_variables(name: str, **variables: str) -> None:
    """Add a failure of the environment."""

    def have(bench: Bench) -> Iterable[str]:
        bench.env |= variables
        return []

    have.__name__ = name
    failures(have)


with_variables("locale_c", LANG="C", LC_ALL="C")
with_variables("locale_that_is_missing", LANG="xx_YY.ISO-2022", LC_ALL="xx_YY.ISO-2022")
with_variables("warnings_are_errors", PYTHONWARNINGS="error")
with_variables("all_warnings_are_shown", PYTHONWARNINGS="default", PYTHONDEVMODE="")
with_variables("optimized", PYTHONOPTIMIZE="2")
with_variables("unbuffered", PYTHONUNBUFFERED="1")
with_variables("no_utf8", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", LC_ALL="C")
with_variables("an_encoding_of_their_own", PYTHONIOENCODING="ascii:strict")
with_variables("a_safe_path", PYTHONSAFEPATH="1", PYTHONDONTWRITEBYTECODE="1", PYTHONNOUSERSITE="1")
with_variables(
    "odd_names", **{"\udcff": "\udcfe", "X" * 1000: "\n", "E3_EVENT_PARENT": "\udcff", "CI": "\udcff"}
)
with_variables("many_of_them", **{f"VARIABLE_{number}": "x" * 1000 for number in range(500)})
with_variables(
    "an_odd_trace", TRACEPARENT="00-\udcff-", TRACESTATE="," * 10_000, E3_EVENT_PARENT="x" * 10_000
)
with_variables("odd_ci", GITHUB_ACTIONS="true", GITHUB_RUN_ID="\udcff", GITHUB_REF="\x1b", GITHUB_SHA="HEAD")
with_variables("odd_git", GIT_DIR="/dev/zero", GIT_WORK_TREE="/no", GIT_CEILING_DIRECTORIES=":")
with_variables("odd_times", TZ="../../dev/zero", SOURCE_DATE_EPOCH="x")


@failures
def an_isolated_python(bench: Bench) -> Iterable[str]:
    """Without the variables of Python; so it is told where we are."""
    start = f"import sys; sys.path[:0] = {sys.path!r}; from e3_event.cli import main; main()"
    bench.ours = [sys.executable, "-I", "-c", start]
    return []


@failures
def no_rights_for_new_files(bench: Bench) -> Iterable[str]:
    bench.popen["umask"] = 0o777
    return ["the event job was not kept by spool: "]


@failures
def all_rights_for_new_files(bench: Bench) -> Iterable[str]:
    bench.popen["umask"] = 0
    return []


@failures
def blocked_signals(bench: Bench) -> Iterable[str]:
    """But for the one by which a job dies."""
    others = signal.valid_signals() - {signal.SIGTERM}
    bench.popen["preexec_fn"] = lambda: signal.pthread_sigmask(signal.SIG_BLOCK, others)
    return []


@failures
def ignored_signals(bench: Bench) -> Iterable[str]:
    """Likewise."""

    def ignore() -> None:
        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)

    bench.popen["preexec_fn"] = ignore
    return []


@failures
def a_timer_that_runs(bench: Bench) -> Iterable[str]:
    """It would kill us after the job has ended, as its alarm is not ignored then."""
    bench.popen["preexec_fn"] = lambda: signal.setitimer(signal.ITIMER_REAL, 1000)
    return []


@failures
def a_lowest_priority(bench: Bench) -> Iterable[str]:
    bench.popen["preexec_fn"] = lambda: os.nice(19)
    return []


@failures
def a_session_without_terminal(bench: Bench) -> Iterable[str]:
    bench.popen["start_new_session"] = True
    return []


@failures
def another_root(bench: Bench) -> Iterable[str]:
    """A container whose list of users is empty, without /etc, /sys and /var."""
    folders = ("/etc", "/sys", "/var", "/run")
    bench.in_its_own_mounts("; ".join(f"mount -t tmpfs -o ro tmpfs {folder}" for folder in folders))
    return []


def full(bench: Bench) -> int:
    """A descriptor of a disk without room."""
    fd = os.open("/dev/full", os.O_WRONLY)
    bench.closing.callback(os.close, fd)
    return fd


def trace(bench: Bench, inject: str) -> None:
    """Have system calls of our process fail."""
    for need in machine.STRACE:
        if lacks := need.lacks():
            pytest.skip(lacks)
    calls = inject.removeprefix("inject=").partition(":")[0]
    bench.before = ("strace", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject)


def closes(bench: Bench, streams: str) -> None:
    """Start it without these streams."""
    bench.before = ("sh", "-c", f'exec "$@" {streams}', "sh")


@failures.by_jobs()
def test_the_job_is_not_harmed(bench: Bench, failure: Failure, job: str) -> None:
    bench.check(job, failure(bench))


@pytest.mark.parametrize("limit", [*range(11, 24), 30, 40])
def test_few_descriptors_harm_no_job(bench: Bench, limit: int) -> None:
    """With less than that a shell can't work."""
    bench.popen["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    bench.is_sent = False
    bench.check("fails", None)


@pytest.mark.parametrize("limit", [100, 5000, 50_000, 100_000, 200_000])
def test_small_files_harm_no_job(bench: Bench, limit: int) -> None:
    bench.is_sent = False
    bench.popen["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    bench.check("prints", None)


@pytest.mark.parametrize("limit", [64, 80, 100, 150, 200, 300, 400])
def test_little_memory_harms_no_job(bench: Bench, limit: int) -> None:
    """Megabytes of address space."""
    bench.is_sent = False
    bench.popen["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_AS, (limit << 20, limit << 20))
    bench.check("fails", None)
