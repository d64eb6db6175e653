"""Whatever is wrong with our configuration, spool and handlers: pytest ends and prints as without us."""

from __future__ import annotations

import os
import re
from pathlib import Path

import apsw
import pytest

from cli.command import DIRECT, kept, spool_of
from e3_event.spool import Spool
from pytest_plugin.session import Sessions, line_of
from pytest_plugin.test_session_event import ASKED

ALL = (*ASKED, "--e3-event-tests", "all")
SOME = """
    import logging, warnings

    def test_passes(): warnings.warn("old")
    def test_fails():
        print("printed")
        logging.getLogger("app").error("logged")
        assert 0
"""
#: A handler that never answers.
HANGS = """
    import time
    from e3_event.handler.file import FileHandler
    FileHandler.send_event = FileHandler.send_events = lambda *_: time.sleep(1000)
"""


def compared(sessions: Sessions, *arguments: str, **environment: str) -> str:
    """Run the same tests with and without us; return the one line of difference."""
    sessions.write("test_it.py", SOME)
    without = sessions.run(*arguments)
    done = sessions.run(*ALL, *arguments, **environment)
    assert done.returncode == without.returncode == 1
    line = line_of(done)
    ours, theirs = (re.sub(r"in \d[\d.]*s", "", shown.stdout) for shown in (done, without))
    assert ours.replace(f"{line}\n", "") == theirs
    return line


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-v",),
        ("--log-cli-level=DEBUG",),
        ("-s",),
        ("-p", "no:logging"),
        ("-W", "error::ResourceWarning"),
    ],
)
def test_nothing_but_one_line_is_printed(sessions: Sessions, arguments: tuple[str, ...]) -> None:
    assert compared(sessions, *arguments).endswith(" is delivered to file")
    assert len(sessions.sent()) == 3


def test_without_a_handler_the_event_is_kept(sessions: Sessions, private_environment: Path) -> None:
    line = compared(sessions, E3_EVENT_HANDLERS="")
    assert line.endswith(" is kept, and there is no handler for it")
    assert kept(spool_of(private_environment))[0].name == "unit"


def test_a_handler_that_fails_is_told_and_the_event_waits(sessions: Sessions) -> None:
    line = compared(sessions, E3_EVENT_HANDLERS=f"file=pytest.ini/x|file:good={sessions.events}")
    assert re.search(r" is delivered to file:good; waits for file: Not a directory: ", line)
    assert len(sessions.sent()) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("spool = 7\n", "spool"),
        ("not toml", "config.toml"),
        ('[handlers.x]\ntype = "none-such"\n', "none-such"),
    ],
)
def test_a_wrong_configuration_is_told_and_the_events_are_kept(
    sessions: Sessions, private_environment: Path, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "config.toml").write_text(text)
    line = compared(sessions, E3_EVENT_HANDLERS="", E3_EVENT_CONFIG=str(tmp_path / "config.toml"))
    assert told in line
    assert [event.name for event in kept(spool_of(private_environment))] == [
        *("unit", "test_it.py::test_fails", "test_it.py::test_passes"),
    ]


def test_handlers_that_are_wrong_are_told(sessions: Sessions) -> None:
    line = compared(sessions, E3_EVENT_HANDLERS="none-such=x")
    assert "E3_EVENT_HANDLERS, entry 1 (none-such): " in line


def test_a_spool_that_is_broken_is_told_and_the_events_go_directly(
    sessions: Sessions, private_environment: Path
) -> None:
    spool = spool_of(private_environment)
    Spool(spool).close()
    (spool / "spool.db").write_bytes(b"no database at all" * 1000)
    line = compared(sessions)
    assert "is not kept by spool: " in line
    assert line.endswith(" is delivered to file")
    assert len(sessions.sent()) == 3


def test_a_spool_that_stays_locked_is_waited_for_only_once_before_the_end(
    sessions: Sessions, private_environment: Path
) -> None:
    spool = spool_of(private_environment)
    Spool(spool).close()
    sessions.write(
        "test_it.py", "import pytest\n@pytest.mark.parametrize('n', range(50))\ndef test_it(n): pass"
    )
    other = apsw.Connection(str(spool / "spool.db"))
    other.execute("BEGIN EXCLUSIVE")
    try:
        done = sessions.run(*ALL)
    finally:
        other.close()
    assert done.returncode == 0
    assert "is not kept by spool: " in line_of(done)
    assert "the events of 49 tests were not sent" in line_of(done)


def test_a_handler_that_hangs_delays_the_end_by_seconds(
    sessions: Sessions, private_environment: Path
) -> None:
    sessions.write("conftest.py", HANGS)
    line = compared(sessions)
    assert "waits for file" in line
    assert len(kept(spool_of(private_environment))) == 3


@pytest.fixture
def direct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events go directly to their handlers."""
    (tmp_path / "direct.toml").write_text(DIRECT)
    monkeypatch.setenv("E3_EVENT_CONFIG", str(tmp_path / "direct.toml"))


@pytest.mark.usefixtures("direct")
def test_without_a_spool_they_go_directly(sessions: Sessions, tmp_path: Path) -> None:
    assert compared(sessions).endswith(" is delivered to file")
    assert len(sessions.sent()) == 3
    assert "assert 0" in sessions.log()
    assert list(tmp_path.glob("e3-event-*")) == []  # the folder of the log


@pytest.mark.usefixtures("direct")
def test_without_a_spool_what_fails_is_not_tried_for_each_test(sessions: Sessions, tmp_path: Path) -> None:
    sessions.write(
        "conftest.py",
        f"""
        from e3_event.handler.file import FileHandler
        def fail(self, event):
            print("tried", event["name"], file=open({str(tmp_path / "tried")!r}, "a"))
            return False
        FileHandler.send_event = fail
        """,
    )
    line = compared(sessions)
    assert "the events of 2 tests were not sent" in line
    assert line.endswith(" is not delivered to file: the handler answered False")
    assert (tmp_path / "tried").read_text() == "tried test_it.py::test_passes\ntried unit\n"


def test_warnings_of_a_handler_are_no_errors_of_the_tests(sessions: Sessions) -> None:
    sessions.write(
        "conftest.py",
        """
        import warnings
        from e3_event.handler.file import FileHandler
        send = FileHandler.send_events
        def warn(self, events):
            warnings.warn("deprecated", DeprecationWarning)
            return send(self, events)
        FileHandler.send_events = warn
        """,
    )
    sessions.write("test_it.py", "def test_it(): pass")
    done = sessions.run(*ALL, "-W", "error")
    assert done.returncode == 0
    assert line_of(done).endswith(" is delivered to file")
    assert sessions.session()["warnings"] == 0


def test_a_full_disk_is_told(sessions: Sessions, private_environment: Path) -> None:
    """Where nothing more can be written: the log is missing, the event is not."""
    sessions.write("test_it.py", "import resource, signal\n" + "def test_it(): assert 0, 'x' * 100_000")
    sessions.write(
        "conftest.py",
        """
        import resource, signal
        def pytest_collection_finish():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        def pytest_sessionfinish():
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        """,
    )
    done = sessions.run(*ASKED, "--tb=line")
    assert done.returncode == 1
    event = sessions.session()
    assert (event["failed"], event["log_incomplete"]) == (1, "File too large")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write anywhere")
def test_a_home_that_can_not_be_written_is_no_reason(sessions: Sessions, private_environment: Path) -> None:
    private_environment.chmod(0o500)
    assert compared(sessions).endswith(" is delivered to file")
