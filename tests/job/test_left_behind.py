"""What a command leaves running, many at once, and what is missing on this machine."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from cli.command import DEADLINE, kept, spool_of, start
from e3_event import run
from e3_event.spool import Spool
from job.scenario import PYTHON, WRAPPED, Seen, is_alive, see, until

#: Becomes a daemon as they all do, with its output closed or not, and writes down its number.
DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
if sys.argv[1] == "closes":
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
with open("pid.new", "w") as file:
    print(os.getpid(), file=file)
os.rename("pid.new", "pid")
time.sleep(300)
"""


@pytest.mark.parametrize("output", ["closes", "keeps"])
def test_a_daemon_lives_on(output: str, tmp_path: Path) -> None:
    """One that keeps its output holds us up for the grace, and others that read it as long as it lives."""
    with (tmp_path / "out").open("wb") as out:
        seen = see([*WRAPPED, PYTHON, "-c", DAEMON, output], cwd=tmp_path, stdout=out, stderr=out)
    until((tmp_path / "pid").exists)
    daemon = int((tmp_path / "pid").read_text())
    assert seen.code == 0
    assert is_alive(daemon)
    os.kill(daemon, signal.SIGKILL)
    said = (tmp_path / "out").read_text()
    assert ("left behind" in said) == (output == "keeps")


def test_two_hundred_at_once_all_end_as_they_should(private_environment: Path) -> None:
    codes = [number % 100 for number in range(200)]
    processes = [
        subprocess.Popen(
            [*WRAPPED, "sh", "-c", f"echo {number}; exit {code}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number, code in enumerate(codes)
    ]
    seen = [(*process.communicate(timeout=DEADLINE), process.returncode) for process in processes]
    assert [code for _, _, code in seen] == codes
    assert [out for out, _, _ in seen] == [b"%d\n" % number for number in range(200)]
    # On a slow machine one may have waited for two seconds in vain, and left its event to the next.
    assert all(not err or b"locked" in err for _, err, _ in seen)
    spool = Spool(spool_of(private_environment))
    try:
        spool.adopt(DEADLINE)
        found = [spool.read(row.snapshot_id) for row in spool._events.before(1 << 62, 1000)]
    finally:
        spool.close()
    assert sorted(event.exit_code for event in found) == sorted(codes)
    assert len({event.uid for event in found}) == 200


def test_where_a_process_can_not_tell_of_its_end_it_is_seen_all_the_same() -> None:
    """Linux before 5.3 has no descriptors of processes."""
    code = "from e3_event import run\nprint(run(['sh', '-c', 'exit 3'], echo=False).ending.exit_code)\n"
    strace = ["strace", "-f", "-o", "/dev/null", "-e", "inject=pidfd_open:error=ENOSYS"]
    assert see([*strace, PYTHON, "-c", code]).out == b"3\n"
    assert see([*strace, *WRAPPED, "sh", "-c", "echo x; exit 3"]) == Seen(3, b"x\n", b"")


@pytest.mark.parametrize("most", range(8, 40, 4))
def test_with_few_descriptors_it_runs(most: int) -> None:
    """If there are not enough to read its output, it has ours."""
    seen = see(
        [*WRAPPED, "sh", "-c", "echo out; exit 3"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
    )
    assert (seen.code, seen.out) == (3, b"out\n")


def test_orphans_do_not_stay_as_zombies() -> None:
    """They are left to us if we are process 1 of a container, or if they are to be found in time."""
    script = "for n in 1 2 3 4 5 6 7 8 9; do (sh -c 'exit 1' &) ; done; echo begun; read line"
    with start("run", "--timeout", "1h", "sh", "-c", script) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        until(lambda: len(children(process.pid)) == 2)  # the command and our helper
        assert "Z" not in children(process.pid)
        process.stdin.write(b"\n")
    assert process.returncode == 0


def children(pid: int) -> list[str]:
    """The states of the children of a process."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[1]) == pid:
                found.append(fields[0])
    return found


def test_it_tells_what_a_command_and_its_children_used(private_environment: Path) -> None:
    script = "x = bytearray(200_000_000); sum(range(3_000_000))"
    assert see([*WRAPPED, "sh", "-c", f"{PYTHON} -c '{script}'; true"]).code == 0
    (event,) = kept(spool_of(private_environment))
    assert 180_000_000 < event.peak_memory < 400_000_000
    assert event.cpu_user > 0.01
    assert event.cpu_system > 0


def test_a_program_gets_the_same_of_its_commands() -> None:
    job = run([PYTHON, "-c", "sum(range(3_000_000))"], echo=False)
    usage = job.ending.usage
    assert usage is not None
    assert (usage.user, usage.system) == (job.event.cpu_user, job.event.cpu_system)
    assert usage.user > 0.01
    assert usage.peak_memory == job.event.as_dict().get("peak_memory")


def test_a_peak_of_memory_that_is_ours_is_not_told_as_the_commands(
    private_environment: Path,
) -> None:
    """The kernel counts in what a process had before it became the command."""
    assert see([*WRAPPED, "true"]).code == 0
    (event,) = kept(spool_of(private_environment))
    assert "peak_memory" not in event
    assert event.cpu_user + event.cpu_system < 1


def test_a_command_that_could_not_be_started_used_nothing() -> None:
    job = run(["no-such-program"])
    assert job.ending.usage is None
    assert "cpu_user" not in job.event
