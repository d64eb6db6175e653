"""`e3-event run` whose configuration can't be used: it is told in a line, and the job is not harmed."""

from __future__ import annotations

import os
from collections.abc import Iterable

from cli.command import kept as kept_events
from unharmed.bench import JOBS, POWERLESS, Bench, Failure, Failures
from unharmed.plugins import install

failures = Failures()


@failures
def broken_toml(bench: Bench) -> Iterable[str]:
    bench.configure("[spool\n")
    return [f"no TOML: Expected ']' at the end of a table declaration (at line 1, column 7); {kept(bench)}"]


@failures
def nested_too_deeply(bench: Bench) -> Iterable[str]:
    bench.configure(f"x = {'[' * 100_000}")
    return ["no TOML: "]


@failures
def no_text(bench: Bench) -> Iterable[str]:
    bench.configure("").write_bytes(b"\xff\xfe\0")
    return ["no TOML: 'utf-8' codec can't decode"]


@failures
def unknown_keys(bench: Bench) -> Iterable[str]:
    bench.configure('spol = "none"\n[spool]\nmax = 1\n')
    return ["spool.max: no such key; there are: path, max_size, retention"]


@failures
def an_unknown_handler(bench: Bench) -> Iterable[str]:
    bench.configure("[handlers.fil]\n")
    return ['is missing, and no handler "fil" is installed; did you mean file?']


@failures
def a_handler_that_lacks_something(bench: Bench) -> Iterable[str]:
    bench.configure("[handlers.smtp]\nsubject = 'x'\n")
    return ["handlers.smtp"]


@failures
def no_such_file(bench: Bench) -> Iterable[str]:
    bench.use("/no/such/file.toml")
    return ["/no/such/file.toml: can't be read: No such file or directory; events are kept in"]


@failures
def an_unreadable_file(bench: Bench) -> Iterable[str]:
    bench.configure("").chmod(0)
    bench.before = POWERLESS
    return ["config.toml: can't be read: Permission denied"]


@failures
def a_folder(bench: Bench) -> Iterable[str]:
    bench.use(bench.folder)
    return ["can't be read: Is a directory"]


@failures
def a_pipe_that_nobody_writes_to(bench: Bench) -> Iterable[str]:
    os.mkfifo(bench.folder / "pipe")
    bench.use(bench.folder / "pipe")
    be_quick(bench)
    return ["pipe: can't be read: not ready within 0.5 s"]


@failures
def a_loop_of_links(bench: Bench) -> Iterable[str]:
    (bench.folder / "loop").symlink_to("loop")
    bench.use(bench.folder / "loop")
    return ["can't be read: Too many levels of symbolic links"]


@failures
def a_file_without_end(bench: Bench) -> Iterable[str]:
    bench.use("/dev/zero")
    return ["/dev/zero: can't be read: it is larger than 1 MiB"]


@failures
def a_huge_file(bench: Bench) -> Iterable[str]:
    os.truncate(bench.configure(""), 1 << 40)
    return ["can't be read: it is larger than 1 MiB"]


@failures
def an_unreadable_folder_of_the_user(bench: Bench) -> Iterable[str]:
    folder = bench.home / ".config"
    folder.mkdir(mode=0)
    bench.before = POWERLESS
    return []


@failures
def a_link_of_the_user_to_nothing(bench: Bench) -> Iterable[str]:
    folder = bench.home / ".config/e3-event"
    folder.mkdir(parents=True)
    (folder / "config.toml").symlink_to("/no/such/file")
    return ["config.toml: can't be read: No such file or directory"]


@failures
def an_unknown_handler_of_the_variable(bench: Bench) -> Iterable[str]:
    bench.env["E3_EVENT_HANDLERS"] += "|fil=/x"
    return ["E3_EVENT_HANDLERS, entry 2 (fil): no handler 'fil' is installed; installed: file, "]


@failures
def a_variable_that_is_no_text(bench: Bench) -> Iterable[str]:
    bench.env["E3_EVENT_HANDLERS"] = "\udcff=\udcfe|||=x"
    return ["E3_EVENT_HANDLERS, entry 1"]


@failures
def a_variable_of_100_kilobytes(bench: Bench) -> Iterable[str]:
    bench.env["E3_EVENT_HANDLERS"] = "x" * 100_000
    return ["E3_EVENT_HANDLERS, entry 1"]


@failures
def a_handler_that_can_not_be_imported(bench: Bench) -> Iterable[str]:
    install(bench, "raise RuntimeError('two\\nlines')")
    return [
        "E3_EVENT_HANDLERS, entry 1 (hostile): handler 'hostile' (hostile_plugin:Handler) can't be loaded"
    ]


@failures
def a_handler_that_exits_when_it_is_imported(bench: Bench) -> Iterable[str]:
    install(bench, "sys.exit(9)")
    return ["the configured handlers can't be used: SystemExit: 9"]


@failures
def a_handler_that_raises_anything_when_it_is_imported(bench: Bench) -> Iterable[str]:
    install(bench, "raise BaseException('odd')")
    return ["the configured handlers can't be used: BaseException: odd"]


@failures
def a_handler_that_is_none(bench: Bench) -> Iterable[str]:
    install(bench, "Handler = 3")
    return ["entry 1 (hostile)"]


@failures
def a_handler_that_is_missing(bench: Bench) -> Iterable[str]:
    install(bench, "del Handler")
    return ["can't be loaded: "]


@failures
def a_handler_that_can_not_be_made(bench: Bench) -> Iterable[str]:
    install(bench, "    def make(self): raise RuntimeError('no')")
    return ["E3_EVENT_HANDLERS, entry 1 (hostile): the configuration does not fit (RuntimeError)"]


@failures
def a_handler_of_the_file_that_can_not_be_made(bench: Bench) -> Iterable[str]:
    install(bench, "    def make(self): raise RuntimeError('no')")
    bench.configure("[handlers.hostile]\n")
    return ["line 1: handlers.hostile: the configuration does not fit (RuntimeError)"]


@failures
def a_handler_that_exits_when_it_is_made(bench: Bench) -> Iterable[str]:
    install(bench, "    def make(self): sys.exit(9)")
    return ["the configured handlers can't be used: SystemExit: 9"]


@failures
def a_handler_that_hangs_when_it_is_imported(bench: Bench) -> Iterable[str]:
    install(bench, "time.sleep(1000)")
    be_quick(bench)
    return ["can't be loaded: not ready within 0.5 s"]


@failures
def a_handler_that_hangs_for_ever_when_it_is_made(bench: Bench) -> Iterable[str]:
    hangs = "while True:\n            try: time.sleep(1000)\n            except Exception: pass"
    install(bench, f"    def make(self):\n        {hangs}")
    be_quick(bench)
    return ["the configured handlers can't be used: TooLongError: not ready within 0.5 s"]


@failures
def a_broken_distribution(bench: Bench) -> Iterable[str]:
    install(bench, "")
    (bench.folder / "plugins/hostile-1.0.dist-info/entry_points.txt").write_text(
        "[e3_event.handler]\nhostile\n="
    )
    return ["E3_EVENT_HANDLERS, entry 1 (hostile): "]


def be_quick(bench: Bench) -> None:
    """Do not wait for long."""
    bench.prepare("import e3_event.cli._run; e3_event.cli._run._LOADING = 0.5")


def kept(bench: Bench) -> str:
    """What is said where there are no handlers. The event is owed to nobody."""
    return f"events are kept in {bench.spool}"


@failures.by_jobs()
def test_the_job_is_not_harmed(bench: Bench, failure: Failure, job: str) -> None:
    """Nor is its event lost: it is sent, or kept until somebody has mended the configuration."""
    told = list(failure(bench))
    bench.is_sent = not told
    bench.check(job, told)
    if told:
        (event,) = kept_events(bench.spool)
        assert event.status == JOBS[job].status
