"""Rows J1 and J2: `e3-event run`, its job, or both are killed, or the power is cut while jobs run."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from .bench import Bench, HangError, Outcome
from .machine import copied, make_ext4, mounted
from .power import SIZE, cut
from .words import PATIENCE

if TYPE_CHECKING:
    import subprocess

    from e3_event import Snapshot

    from .child import Child

#: Jobs of one trial at most, which run at the same time.
JOBS = 5
#: Seconds at most that a job takes, and until the last of a trial is killed; it takes some to start.
LONGEST, LATEST = 0.3, 0.8
#: What a job prints.
OUTPUT = b"begins\nends\n"


class _Event(NamedTuple):
    """What an event says of its job.

    :ivar log: what it printed; `None`: that is not there
    """

    status: str
    log: bytes | None


def run_a_job(child: Child) -> None:
    """Run a job that says when it has begun, as the command does."""
    from e3_event import EventManager
    from e3_event.job import run

    manager = EventManager()
    manager.add_handler("spool", child.folder)
    number, mark = child.options["number"], child.beside(f"started-{child.options['number']}")
    seconds = child.random.uniform(0, LONGEST)
    script = f"echo begins; echo $$ > {mark}.new; mv {mark}.new {mark}; sleep {seconds}; echo ends"
    run(["sh", "-c", script], f"job-{number}", manager=manager, echo=False)


def kill_jobs(bench: Bench) -> Outcome:
    """Kill those that run jobs, the jobs, both or neither, at random moments."""
    jobs = _start(bench, bench.spool, JOBS)
    victims = {number: bench.random.choice(("run", "job", "both", "nobody")) for number in range(len(jobs))}
    for number in bench.random.sample(list(victims), len(victims)):
        time.sleep(bench.random.uniform(0, LATEST / len(jobs)))  # the moment is the fault
        _kill(bench, jobs[number], number, victims[number])
    for number, process in enumerate(jobs):
        if victims[number] in ("job", "nobody"):
            bench.finish(process, exits=None)
        else:
            bench.kill(process)  # with what it left behind
    outcome = Outcome()
    found = _events(bench.spool)
    for number, victim in victims.items():
        outcome.add(_losses(bench, found, number, is_harmed=victim != "nobody", needs_log=True))
    outcome.losses += _remains(bench.spool)
    return outcome


def cut_power_of_jobs(bench: Bench) -> Outcome:
    """Cut the power while jobs run; what they printed last may be lost with it."""
    image, disk = bench.path("image"), bench.path("disk")
    spool = os.path.join(disk, "spool")
    make_ext4(image, SIZE)
    with mounted(image, disk, "-o", "loop"):
        # Where there is one job, nobody's later fsync saves what its own left undone.
        jobs = _start(bench, spool, bench.random.choice((1, JOBS)))
        _await(bench, bench.random.randint(1, len(jobs)))
        time.sleep(bench.random.uniform(0, LONGEST))  # the moment is the fault
        started = {number for number in range(len(jobs)) if os.path.exists(_mark(bench, number))}
        cut(disk)
        for process in jobs:
            bench.kill(process)
        for number in range(len(jobs)):
            if number not in started and os.path.exists(_mark(bench, number)):
                os.unlink(_mark(bench, number))  # it began when the disk took nothing any more
    outcome = Outcome()
    with mounted(copied(image), disk, "-o", "loop"):
        found = _events(spool)
        for number in range(len(jobs)):
            outcome.add(_losses(bench, found, number, is_harmed=True, needs_log=False))
        outcome.losses += _remains(spool)
    return outcome


def _start(bench: Bench, spool: str, count: int) -> list[subprocess.Popen[str]]:
    return [bench.child(run_a_job, spool=spool, number=number) for number in range(count)]


def _mark(bench: Bench, number: int) -> str:
    """The file that a job makes when it has begun."""
    return bench.path(f"started-{number}")


def _await(bench: Bench, count: int) -> None:
    """Wait until so many jobs have begun, however slow the machine is."""
    deadline = time.monotonic() + PATIENCE
    while sum(os.path.exists(_mark(bench, number)) for number in range(JOBS)) < count:
        if time.monotonic() > deadline:
            raise HangError(f"{count} jobs did not begin")
        time.sleep(0.001)


def _kill(bench: Bench, process: subprocess.Popen[str], number: int, victim: str) -> None:
    if victim in ("run", "both"):
        os.kill(process.pid, signal.SIGKILL)
    if victim in ("job", "both"):
        try:
            with open(_mark(bench, number), encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):  # it has not begun, or is over
            pass


def _events(folder: str) -> dict[str, list[_Event]]:
    """Let the next one that comes adopt what was killed; return the events by name."""
    from e3_event.spool import Spool

    spool = Spool(folder)
    _age(folder)
    try:
        spool.adopt(60)
        found: dict[str, list[_Event]] = {}
        for hit in spool.ledger.events():
            event = spool.read(hit.snapshot_id)
            found.setdefault(hit.name, []).append(_Event(hit.status, _log(event)))
        return found
    finally:
        spool.close()


def _age(folder: str) -> None:
    """Let records that were not begun in time look old: young ones are left to whoever may be at them."""
    runs = os.path.join(folder, "runs")
    for name in os.listdir(runs) if os.path.exists(runs) else []:
        if name.endswith(".new"):
            os.utime(os.path.join(runs, name), (0, 0))


def _losses(
    bench: Bench, found: dict[str, list[_Event]], number: int, *, is_harmed: bool, needs_log: bool
) -> list[str]:
    """What is wrong with the events of a job.

    :param is_harmed: whether something of it was killed
    :param needs_log: whether what it printed can't be lost
    """
    events = found.get(f"job-{number}", [])
    if len(events) != 1:
        has_begun = os.path.exists(_mark(bench, number))
        return [f"job {number}: {len(events)} events"] if has_begun or len(events) > 1 else []
    ((status, log),) = events
    is_right = status == "ok" or (is_harmed and status in ("aborted", "failed"))
    whole = OUTPUT if status == "ok" else b"begins\n" if status == "failed" else b""
    if log is None and (needs_log or status != "aborted") and os.path.exists(_mark(bench, number)):
        return [f"job {number}: {status}, no log"]
    if not is_right or (log is not None and not (OUTPUT.startswith(log) and log.startswith(whole))):
        return [f"job {number}: {status}, its log holds {log!r}"]
    return []


def _log(event: Snapshot) -> bytes | None:
    for attachment in event.attachments:
        with attachment.open() as file:
            return file.read()
    return None


def _remains(folder: str) -> list[str]:
    """What is left of runs that are over."""
    runs = os.path.join(folder, "runs")
    return [f"{name} is left" for name in os.listdir(runs)] if os.path.exists(runs) else []
