"""What tests print, raise and are called is stored without secrets, within bounds, and whatever it is."""

from __future__ import annotations

from pytest_plugin.session import Sessions, line_of
from pytest_plugin.test_session_event import ASKED

ALL = (*ASKED, "--e3-event-tests", "all")
TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


def everything(sessions: Sessions) -> str:
    """All that was written, names of files included."""
    files = [path for path in sessions.events.rglob("*") if path.is_file()]
    return "\n".join(f"{path}\n{path.read_text()}" for path in files)


def test_secrets_are_masked_wherever_they_stand(sessions: Sessions) -> None:
    sessions.write(
        "test_it.py",
        f"""
        import os, sys, logging, pytest
        @pytest.mark.parametrize("token", ["{TOKEN}", "hunter2x-of-the-environment"])
        def test_in_the_id(token): assert not token
        def test_printed():
            print("{TOKEN}")
            print("hunter2x-of-the-environment", file=sys.stderr)
            logging.error("{TOKEN}")
            raise ValueError("hunter2x-of-the-environment")
        @pytest.mark.skip(reason="{TOKEN}")
        def test_skipped(): pass
        @pytest.mark.xfail(reason="hunter2x-of-the-environment")
        def test_xfailed(): assert 0
        def test_exits(): pytest.exit("{TOKEN}")
        """,
    )
    secret = "hunter2x-of-the-environment"
    sessions.run(*ALL, "-o", f"junit_suite_name={secret}", DB_PASSWORD=secret)
    assert len(sessions.sent()) == 7
    text = everything(sessions)
    assert "[redacted]" in text
    assert TOKEN not in text
    assert "hunter2x" not in text


def test_redaction_can_be_turned_off(sessions: Sessions) -> None:
    config = sessions.folder.parent / "config.toml"
    config.write_text('[redact]\nscope = "nothing"\n')
    sessions.write("test_it.py", f"def test_it(): assert 0, '{TOKEN}'")
    sessions.run(*ALL, E3_EVENT_CONFIG=str(config))
    assert TOKEN in sessions.log()


def test_a_secret_is_masked_also_where_a_text_is_cut(sessions: Sessions) -> None:
    """Of each length near those that are kept and looked at one begins, so that some are cut through."""
    sessions.write(
        "test_it.py",
        f"""
        import pytest
        @pytest.mark.parametrize("size", [*range(63_000, 66_000, 97), *range(190_000, 200_000, 331)])
        def test_it(size):
            around = "x " * (size // 2)
            pytest.fail(around + "{TOKEN} " * 20 + around, pytrace=False)
        """,
    )
    sessions.run(*ALL, "--tb=line")
    text = everything(sessions)
    assert "characters are left out here" in text
    assert "ghp_a" not in text
    assert "z0123456789" not in text


def test_characters_that_no_text_can_hold_are_told_by_their_codes(sessions: Sessions) -> None:
    sessions.write(
        "test_it.py",
        r"""
        import os, pytest
        @pytest.mark.parametrize("x", [b"\xff\0", "\ud800", "a\nb\x1b[31m"])
        def test_ids(x): assert 0, "\ud800 \x1b[31m \0 " + os.fsdecode(b"\xff")
        def test_prints():
            os.write(1, b"\xff\xfe\n")
            raise ValueError("\ud800")
        """,
    )
    (sessions.folder / "test_\udcff\u202e.py").write_text("def test_it(): assert 0")
    done = sessions.run(*ALL, "-W", "ignore")
    assert done.returncode == 1
    event = sessions.session()
    assert event["failed"] == 5
    assert all(line.isprintable() for line in event["failures"])
    assert all(test["name"].isprintable() for test in sessions.tests().values())
    assert not any("sent_as_text" in event for event in sessions.sent())
    assert line_of(done).isprintable()
    assert r"\ud800" in sessions.log()


def test_what_is_huge_is_bounded(sessions: Sessions) -> None:
    sessions.write(
        "test_it.py",
        """
        import pytest
        @pytest.mark.parametrize("x", ["long" * 100_000])
        def test_id(x): assert 0
        def test_text(): pytest.fail("line\\n" * 10_000_000, pytrace=False)
        def test_output():
            print("out" * 10_000_000)
            assert 0
        """,
    )
    sessions.run(*ALL, "-p", "no:terminal")
    assert sessions.session()["failed"] == 3
    assert len(sessions.log()) < 4 * 70_000
    assert all(len(line) < 2000 for line in sessions.session()["failures"])
    assert max(path.stat().st_size for path in sessions.events.glob("*.json")) < 60_000


def test_thousands_of_failures_are_bounded(sessions: Sessions) -> None:
    sessions.write(
        "test_it.py",
        """
        import pytest
        @pytest.mark.parametrize("n", range(2000))
        def test_it(n): pytest.fail("x" * 60_000, pytrace=False)
        """,
    )
    sessions.run(*ASKED, "-p", "no:terminal")
    event = sessions.session()
    assert (event["failed"], len(event["failures"])) == (2000, 20)
    log = sessions.log()
    assert (16 << 20) < len(log) < (17 << 20)
    shown = log.count("____ test_it.py::test_it[")
    assert log.endswith(f"[e3-event: {2000 - shown} further failures are not shown]\n")


def test_a_report_that_can_not_be_shown_harms_nothing(sessions: Sessions) -> None:
    sessions.write(
        "conftest.py",
        """
        import pytest
        class Evil:
            def __str__(self): raise RuntimeError("no text")
            __repr__ = __str__
            def toterminal(self, tw): raise RuntimeError("no text")
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_makereport(item, call):
            outcome = yield
            if "evil" in item.name and call.when == "call":
                outcome.get_result().longrepr = Evil()
        """,
    )
    sessions.write("test_it.py", "def test_evil(): assert 0\ndef test_good(): assert 0, 'good'")
    sessions.run(*ALL, "-p", "no:terminal")
    event = sessions.session()
    assert (event["failed"], event["status"]) == (2, "failed")
    assert "good" in sessions.log()
    evil = sessions.tests()["test_it.py::test_evil"]
    assert (evil["status"], evil["error"]) == ("failed", "it can't be shown: RuntimeError: no text")
