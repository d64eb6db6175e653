"""`e3-event send`: an event from arguments or from a dump."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.command import Events, e3_event, kept, spool_of
from e3_event import Event


def test_an_event_with_data_and_an_attachment_is_delivered(events: Events, tmp_path: Path) -> None:
    (tmp_path / "out.log").write_text("all well\n")
    data = [
        "-d",
        "version=1.4",
        "-d",
        'hosts:=["a", "b"]',
        "-d",
        "ok:=true",
        "-d",
        "status=ok",
        "-d",
        "url=a:=b",
    ]
    done = e3_event("send", "deployed", *data, "--attach", "log=out.log", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    event = events.only()
    assert {key: event[key] for key in ("name", "version", "hosts", "ok", "status", "url")} == {
        "name": "deployed",
        "version": "1.4",
        "hosts": ["a", "b"],
        "ok": True,
        "status": "ok",
        "url": "a:=b",
    }
    assert event["end_time"]
    assert events.attachment() == b"all well\n"


def test_a_dump_is_sent(events: Events, tmp_path: Path) -> None:
    with Event("nightly", compiled=214) as event:
        pass
    assert e3_event("send", "--from-file", event.dump(tmp_path)).returncode == 0
    sent = events.only()
    assert (sent["uid"], sent["name"], sent["compiled"]) == (event.uid, "nightly", 214)


@pytest.fixture
def two_broken(events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three handlers the first and the last can't deliver."""
    (tmp_path / "file").touch()
    handlers = f"file:a={tmp_path}/file/x|file={events.folder}|file:b={tmp_path}/file/y"
    monkeypatch.setenv("E3_EVENT_HANDLERS", handlers)


@pytest.mark.usefixtures("two_broken")
def test_what_waits_and_why_is_told_for_each_handler_and_is_no_failure(events: Events) -> None:
    done = e3_event("send", "x")
    assert done.returncode == 0
    first, second = done.stderr.decode().splitlines()
    assert first.startswith("e3-event: the event x waits for file:a: Not a directory")
    assert second.startswith("e3-event: the event x waits for file:b: Not a directory")
    assert events.only()["name"] == "x"


@pytest.mark.usefixtures("two_broken", "direct")
def test_without_a_spool_what_was_not_delivered_is_told_and_a_failure(events: Events) -> None:
    done = e3_event("send", "x")
    assert done.returncode == 1
    first, second = done.stderr.decode().splitlines()
    assert first.startswith("e3-event: the event x was not delivered by file:a: Not a directory")
    assert second.startswith("e3-event: the event x was not delivered by file:b: Not a directory")
    assert events.only()["name"] == "x"


def test_what_waits_is_delivered_by_the_next_one(events: Events, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    retry = 'retry = { first = "10ms", longest = "10ms" }'
    config.write_text(f'[handlers.a]\ntype = "file"\nlog_dir = "{events.folder}"\n{retry}\n')
    events.folder.touch()
    first = e3_event("--config", config, "send", "first", E3_EVENT_HANDLERS="")
    assert (first.returncode, first.stderr.count(b"\n")) == (0, 1)
    events.folder.unlink()
    assert e3_event("--config", config, "send", "next", E3_EVENT_HANDLERS="").returncode == 0
    assert sorted(event["name"] for event in events.all()) == ["first", "next"]


def test_what_is_not_to_be_delivered_now_is_kept(events: Events, private_environment: Path) -> None:
    done = e3_event("send", "x", "--flush-timeout", "0")
    assert (done.returncode, done.stderr) == (0, b"")
    assert not events.folder.exists()
    assert [event.name for event in kept(spool_of(private_environment))] == ["x"]
    assert e3_event("relay", "--once").returncode == 0
    assert events.only()["name"] == "x"


def test_what_is_given_up_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = tmp_path / "c.toml"
    config.write_text(f'[handlers.file]\nlog_dir = "{tmp_path}/file/x"\nretry = {{ attempts = 1 }}\n')
    done = e3_event("--config", config, "send", "x")
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(
        "e3-event: the event x was not delivered by file: given up after 1 attempts: Not a dir"
    )


def test_a_spool_that_can_not_be_used_is_told_and_the_event_goes_directly(
    events: Events, private_environment: Path
) -> None:
    folder = spool_of(private_environment)
    folder.mkdir(parents=True)
    (folder / "spool.db").write_bytes(b"this is no database" * 100)
    done = e3_event("send", "x")
    assert done.returncode == 0
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"e3-event: the event x was not kept by spool: {folder}/spool.db: ")
    assert events.only()["name"] == "x"
    alone = e3_event("send", "x", E3_EVENT_HANDLERS="")
    assert (alone.returncode, alone.stderr.count(b"\n")) == (1, 1)


@pytest.mark.parametrize("by", ["file", "variable"])
def test_a_spool_that_is_named_and_can_not_be_used_is_a_wrong_configuration(
    by: str, events: Events, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    config = tmp_path / "c.toml"
    config.write_text(f'spool.path = "{tmp_path}/file/spool"\n' if by == "file" else "")
    named = f"spool={tmp_path}/file/spool|" if by == "variable" else ""
    handlers = f"{named}file={events.folder}"
    done = e3_event("--config", config, "send", "x", E3_EVENT_HANDLERS=handlers)
    assert done.returncode == 2
    told = f"e3-event: {tmp_path}/file/spool: the spool can't be made: Not a directory\n"
    assert done.stderr.decode() == told
    assert not events.folder.exists()


@pytest.mark.parametrize("works", [True, False])
def test_a_program_reads_the_report_as_json(works: bool, events: Events, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = events.folder if works else tmp_path / "file/x"
    done = e3_event("send", "x", "--json", E3_EVENT_HANDLERS=f"file={folder}")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert (report["ok"], report["kept"]) == (works, True)
    assert report["name"] == "x"
    assert report["uid"]
    assert report["snapshot_id"]
    spool, outcome = report["outcomes"]
    assert (spool["handler"], spool["delivered"], spool["in_front"]) == ("spool", True, True)
    assert (outcome["handler"], outcome["in_front"]) == ("file", False)
    assert (outcome["delivered"], outcome["waiting"]) == (works, not works)
    assert bool(outcome["reason"]) is not works


def test_a_logging_handler_shows_its_records_on_stderr(events: Events) -> None:
    done = e3_event("send", "x", "-d", "note=\x1b[2Jé", E3_EVENT_HANDLERS="logging=build")
    assert done.returncode == 0
    assert json.loads(done.stderr)["note"] == "\x1b[2Jé"
    assert b"\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give either NAME or --from-file DUMP"),
        (["x", "--from-file", "y"], "give either NAME or --from-file DUMP"),
        (["--from-file", "y", "-d", "a=b"], "an event from a dump takes no --data and no --attach"),
        (["--from-file", "no.json"], "no.json: can't be read: No such file or directory"),
        (["--from-file", "bad.json"], "bad.json: no event dump: "),
        (["x", "--attach", "log=no.log"], "--attach log=no.log: No such file or directory"),
        (["x", "--attach", "log=."], "--attach log=.: not a regular file"),
        (["x", "--attach", "=x"], "'=x': write it as name=path"),
        (["x", "--data", "=x"], "'=x': write it as key=text or key:=JSON"),
        (["x", "--data", "name=x"], "the data key `name` is NAME"),
        (["x", "--data", "n:=" + "[" * 100_000], "is no JSON"),
        (["x", "--data", "n:=" + "1" * 5_000], "is no JSON"),
        (["x", "y"], "unexpected extra argument"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_sent(
    arguments: list[str], told: str, events: Events, tmp_path: Path
) -> None:
    (tmp_path / "bad.json").write_text("{}")
    done = e3_event("send", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert not events.folder.exists()


@pytest.mark.parametrize(
    ("handlers", "told"),
    [
        (
            "file=/x|fil=/y",
            "E3_EVENT_HANDLERS, entry 2 (fil): no handler 'fil' is installed; installed: file",
        ),
        ("logging=a,b", "E3_EVENT_HANDLERS, entry 1 (logging): the level is a number or one of DEBUG"),
        ("file", "E3_EVENT_HANDLERS, entry 1 (file): the folder is missing, as in file=/var/log/events"),
    ],
)
@pytest.mark.parametrize("command", [["send", "x"], ["check"], ["handlers"]])
def test_a_wrong_configuration_is_one_line_that_names_the_entry(
    command: list[str], handlers: str, told: str
) -> None:
    done = e3_event(*command, E3_EVENT_HANDLERS=handlers)
    assert done.returncode == 2
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
