"""`e3-event run` whose folders are missing, full or not its own: the job is not harmed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from unharmed.bench import POWERLESS, Bench, Failure, Failures

failures = Failures()
#: What is told where no folder takes a spool; the event goes to its handlers all the same.
NOWHERE = "no folder can take events: "
#: What is told where no log can be kept.
NO_LOG = "attachment 'log' is left out: "


@failures
def no_home(bench: Bench) -> Iterable[str]:
    """It is asked for in the list of users then."""
    del bench.env["HOME"]
    have_no_users(bench)
    return []


@failures
def a_home_that_is_missing(bench: Bench) -> Iterable[str]:
    bench.home.rmdir()
    return []


@failures
def a_home_that_can_not_be_made(bench: Bench) -> Iterable[str]:
    bench.env["HOME"] = "/proc/no/home"
    have_a_fallback(bench)
    return []


@failures
def a_home_that_is_a_file(bench: Bench) -> Iterable[str]:
    bench.home.rmdir()
    bench.home.touch()
    have_a_fallback(bench)
    return []


@failures
def an_empty_home(bench: Bench) -> Iterable[str]:
    bench.env["HOME"] = ""
    bench.popen["cwd"] = bench.folder
    have_a_fallback(bench)
    return []


@failures
def a_relative_home(bench: Bench) -> Iterable[str]:
    bench.env["HOME"] = "home"
    bench.popen["cwd"] = bench.folder
    have_a_fallback(bench)
    return []


@failures
def a_home_that_can_not_be_written(bench: Bench) -> Iterable[str]:
    bench.home.chmod(0o500)
    bench.before = POWERLESS
    have_a_fallback(bench)
    return []


@failures
def a_home_that_can_not_be_read(bench: Bench) -> Iterable[str]:
    bench.home.chmod(0)
    bench.before = POWERLESS
    have_a_fallback(bench)
    return []


@failures
def a_home_that_is_read_only(bench: Bench) -> Iterable[str]:
    bench.mount(bench.home, "ro")
    have_a_fallback(bench)
    return []


@failures
def nowhere_to_write(bench: Bench) -> Iterable[str]:
    """As in a container with a read-only root."""
    bench.in_its_own_mounts(f"mount -t tmpfs -o ro tmpfs {bench.home}; mount -t tmpfs -o ro tmpfs /var/tmp")
    return [NOWHERE]


@failures
def nowhere_to_write_at_all(bench: Bench) -> Iterable[str]:
    """Nor can the log be kept."""
    folders = (bench.home, "/var/tmp", bench.tmp)
    bench.in_its_own_mounts("; ".join(f"mount -t tmpfs -o ro tmpfs {folder}" for folder in folders))
    return [NOWHERE, NO_LOG]


@failures
def a_full_home(bench: Bench) -> Iterable[str]:
    """There is no room for a folder."""
    bench.mount(bench.home, "size=4k", "nr_inodes=1")
    have_a_fallback(bench)
    return []


@failures
def state_in_a_file(bench: Bench) -> Iterable[str]:
    bench.env["XDG_STATE_HOME"] = "/dev/null"
    have_a_fallback(bench)
    return []


@failures
def state_in_a_relative_folder(bench: Bench) -> Iterable[str]:
    """Such a value is not valid, says the specification."""
    bench.env["XDG_STATE_HOME"] = "state"
    bench.popen["cwd"] = bench.folder
    return []


@failures
def state_in_a_folder_of_odd_bytes(bench: Bench) -> Iterable[str]:
    bench.env["XDG_STATE_HOME"] = f"{bench.home}/\udcff\n\x1b[31m"
    return ["the event job was not kept by spool: UnicodeEncodeError"]


@failures
def state_in_a_name_that_is_too_long(bench: Bench) -> Iterable[str]:
    bench.env["XDG_STATE_HOME"] = f"{bench.home}/{'x' * 5000}"
    have_a_fallback(bench)
    return []


@failures
def no_temporary_folder(bench: Bench) -> Iterable[str]:
    bench.env["TMPDIR"] = "/no/such/folder"
    return []


@failures
def no_temporary_folder_and_no_spool(bench: Bench) -> Iterable[str]:
    bench.env["TMPDIR"] = "/no/such/folder"
    be_direct(bench)
    return [NO_LOG]


@failures
def a_temporary_folder_that_is_a_file(bench: Bench) -> Iterable[str]:
    bench.env["TMPDIR"] = "/dev/null"
    be_direct(bench)
    return [NO_LOG]


@failures
def a_temporary_folder_that_can_not_be_written(bench: Bench) -> Iterable[str]:
    bench.tmp.chmod(0o500)
    bench.before = POWERLESS
    be_direct(bench)
    return [NO_LOG]


@failures
def a_temporary_folder_that_is_full(bench: Bench) -> Iterable[str]:
    bench.mount(bench.tmp, "size=4k", "nr_inodes=1")
    be_direct(bench)
    return [NO_LOG]


@failures
def a_temporary_folder_that_becomes_full(bench: Bench) -> Iterable[str]:
    bench.mount(bench.tmp, "size=64k")
    be_direct(bench)
    return []


@failures
def quiet_without_a_temporary_folder(bench: Bench) -> Iterable[str]:
    bench.env["TMPDIR"] = "/no/such/folder"
    bench.options = ["--quiet"]
    return ["the output can't be kept back, it is shown as it comes: No such file or directory"]


@failures
def a_current_folder_that_is_gone(bench: Bench) -> Iterable[str]:
    (bench.folder / "gone").mkdir()
    bench.before = ("sh", "-ec", f'cd {bench.folder}/gone; rmdir ../gone; exec "$@"', "sh")
    bench.others_say = b"getcwd"
    return []


@failures
def a_current_folder_that_is_gone_and_a_relative_home(bench: Bench) -> Iterable[str]:
    a_current_folder_that_is_gone(bench)
    bench.env |= {"HOME": "home", "XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config", "TMPDIR": "tmp"}
    have_a_fallback(bench)
    return []


@failures
def a_current_folder_that_can_not_be_read(bench: Bench) -> Iterable[str]:
    folder = bench.folder / "secret"
    folder.mkdir()
    script = f'cd {folder}; chmod 0 .; exec {" ".join(POWERLESS)} "$@"'
    bench.others_say = b"getcwd"
    bench.before = ("sh", "-ec", script, "sh")
    return []


def have_a_fallback(bench: Bench) -> None:
    """See that the event is kept in /var/tmp."""
    place = bench.fall_back()
    bench.closing.callback(lambda: _check_used(place))


def _check_used(place: Path) -> None:
    assert (place / "spool.db").exists()
    assert list((place / "runs").iterdir()) == []


def have_no_users(bench: Bench) -> None:
    """Have the user's home be told by the list of users."""
    line = f"root:x:0:0::{bench.home}:/bin/sh"
    bench.in_its_own_mounts(
        f"echo '{line}' >{bench.folder}/passwd; mount --bind {bench.folder}/passwd /etc/passwd"
    )


def be_direct(bench: Bench) -> None:
    """Do without a spool."""
    handlers = bench.env["E3_EVENT_HANDLERS"]
    bench.configure('spool = "none"\n')
    bench.env["E3_EVENT_HANDLERS"] = handlers


@failures.by_jobs()
def test_the_job_is_not_harmed(bench: Bench, failure: Failure, job: str) -> None:
    told = list(failure(bench))
    bench.check(job, told)
