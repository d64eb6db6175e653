"""`e3-event run`: the command is as it would be without us, and one event tells of it."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.command import COMMAND, DEADLINE, Events, e3_event, kept, peak_memory, spool_of, start

PYTHON = sys.executable


def test_the_event_says_what_ran_where_and_how_it_ended(events: Events, tmp_path: Path) -> None:
    done = e3_event("run", "--", "sh", "-c", "exit 3", cwd=tmp_path)
    assert done.returncode == 3
    event = events.only()
    assert event["name"] == "sh"
    assert event["status"] == "failed"
    assert event["exit_code"] == 3
    assert event["command"] == ["sh", "-c", "exit 3"]
    assert event["cwd"] == str(tmp_path)
    assert event["host"] == os.uname().nodename
    assert event["user"] == getpass.getuser()
    assert 0 < event["duration"] < DEADLINE
    assert event["begin_time"] <= event["end_time"]
    assert "signal" not in event
    assert "error" not in event


def test_success_is_ok_and_name_and_data_are_taken(events: Events) -> None:
    arguments = ["--name", "nightly", "-d", "branch=a=b", "-d", "n:=[1,2.5]", "-d", "n:=3"]
    assert e3_event("run", *arguments, "true").returncode == 0
    event = events.only()
    assert (event["name"], event["status"], event["exit_code"]) == ("nightly", "ok", 0)
    assert (event["branch"], event["n"]) == ("a=b", 3)


def test_options_behind_the_command_are_its_own(events: Events) -> None:
    done = e3_event("run", "echo", "--name", "x", "--", "--help")
    assert done.stdout == b"--name x -- --help\n"
    assert events.only()["name"] == "echo"


def test_output_passes_through_apart_and_the_log_has_both(events: Events) -> None:
    done = e3_event("run", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    assert sorted(events.attachment().splitlines()) == [b"err", b"out"]


def test_output_passes_at_once_and_the_log_keeps_the_order_of_arrival(events: Events) -> None:
    script = "for i in 1 2 3; do echo out $i; read x; echo err $i >&2; read x; done"
    with start("run", "sh", "-c", script) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        for _ in range(3):
            for stream in (process.stdout, process.stderr):
                stream.readline()  # what the command now waits with has passed
                process.stdin.write(b"\n")
    assert process.returncode == 0
    assert events.attachment() == b"out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"


def test_binary_output_is_unchanged(events: Events) -> None:
    code = "import os; os.write(1, bytes(range(256)) * 1000)"
    expected = bytes(range(256)) * 1000
    assert e3_event("run", PYTHON, "-c", code).stdout == expected
    assert events.attachment() == expected


def test_input_passes_through(events: Events) -> None:
    assert e3_event("run", "cat", stdin=b"a\0b\n").stdout == b"a\0b\n"
    assert events.attachment() == b"a\0b\n"


def test_inherited_descriptors_stay_open(events: Events) -> None:
    reading, writing = os.pipe()
    command = [*COMMAND, "run", "sh", "-c", f"echo from the job >/dev/fd/{writing}"]
    subprocess.run(command, pass_fds=[writing], check=True, timeout=DEADLINE)
    os.close(writing)
    with os.fdopen(reading) as file:
        assert file.read() == "from the job\n"


def test_memory_is_flat_with_50_megabytes_of_output(events: Events) -> None:
    small = peak_memory("run", PYTHON, "-c", "print('x')")
    large = peak_memory("run", PYTHON, "-c", "import os\nfor i in range(800): os.write(1, bytes(1 << 16))")
    assert large - small < 4 * 1024
    sizes = {path.stat().st_size for path in events.folder.glob("*/log")}
    assert sizes == {2, 800 << 16}


def test_the_temporary_log_is_removed(events: Events, tmp_path: Path) -> None:
    e3_event("run", "echo", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["events"]


def test_a_command_whose_reader_goes_away_dies_of_it_as_without_us(events: Events) -> None:
    with start("run", "yes") as process:
        assert process.stdout
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(DEADLINE) == -signal.SIGPIPE
    event = events.only()
    assert (event["status"], event["signal"]) == ("failed", "SIGPIPE")


def test_output_that_cannot_be_written_is_still_logged(events: Events) -> None:
    with open("/dev/full", "wb") as full, start("run", "echo", "hi", stdout=full) as process:
        assert process.stderr
        assert process.stderr.read().count(b"\n") == 1
    assert process.returncode == 0
    assert events.attachment() == b"hi\n"


def test_closed_standard_streams_are_no_harm(events: Events) -> None:
    script = f"{' '.join(COMMAND)} run sh -c 'echo out; echo err >&2' <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", script], check=False, timeout=DEADLINE).returncode == 0
    assert sorted(events.attachment().split()) == [b"err", b"out"]


def test_a_command_may_close_its_output_early(events: Events) -> None:
    script = "import os; os.close(1); os.close(2); os.read(0, 1); os._exit(4)"
    assert e3_event("run", PYTHON, "-c", script, stdin=b"x").returncode == 4
    assert events.attachment() == b""


def test_a_process_left_behind_with_the_output_open_does_not_hang_us(events: Events) -> None:
    with start("run", "sh", "-c", "sh -c 'echo $$; exec sleep 100' & read x; echo end") as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        left_behind = int(process.stdout.readline())
        try:
            process.stdin.write(b"\n")
            assert process.wait(DEADLINE) == 0
            assert b"left behind" in process.stderr.read()
        finally:
            os.kill(left_behind, signal.SIGKILL)
    assert events.attachment().endswith(b"end\n")


def test_what_a_background_process_prints_soon_after_is_kept(events: Events) -> None:
    script = "(while kill -0 $$ 2>/dev/null; do :; done; echo late) & echo soon"
    done = e3_event("run", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"soon\nlate\n", b"")
    assert events.attachment() == b"soon\nlate\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT])
def test_we_die_of_the_signal_that_killed_the_command(number: signal.Signals, events: Events) -> None:
    done = e3_event("run", "sh", "-c", f"kill -{number.value} $$")
    assert done.returncode == -number
    event = events.only()
    assert (event["status"], event["signal"]) == ("failed", number.name)
    assert "exit_code" not in event


@pytest.mark.parametrize(
    ("program", "code", "reason"),
    [
        ("no-such-program", 127, "no-such-program: command not found"),
        ("/no/such/program", 127, "/no/such/program: command not found"),
        ("{}/script", 126, "{}/script: Permission denied"),
        ("{}", 126, "{}: Permission denied"),
        ("{}/wrong", 126, "{}/wrong: the interpreter that its first line names is missing"),
        ("{}/empty", 126, "{}/empty: Exec format error"),
    ],
)
def test_what_cannot_be_started_ends_as_in_a_shell_with_an_event(
    program: str, code: int, reason: str, events: Events, tmp_path: Path
) -> None:
    for name, text, mode in (("script", "", 0o644), ("wrong", "#!/no/such\n", 0o755), ("empty", "x", 0o755)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    program, reason = program.format(tmp_path), reason.format(tmp_path)
    done = e3_event("run", program)
    assert done.returncode == code
    assert done.stderr.decode() == f"e3-event: {reason}\n"
    event = events.only()
    assert (event["status"], event["exit_code"], event["error"]) == ("failed", code, reason)


def test_a_file_that_the_command_makes_is_attached(events: Events, tmp_path: Path) -> None:
    done = e3_event("run", "--attach", "report=out.xml", "sh", "-c", "echo '<x/>' > out.xml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert events.attachment("report") == b"<x/>\n"


def test_a_missing_attachment_is_named_in_the_event(events: Events, tmp_path: Path) -> None:
    done = e3_event("run", "-a", "report=no.xml", "-a", f"folder={tmp_path}", "false")
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 2
    left_out = {"report": "No such file or directory", "folder": "not a regular file"}
    assert events.only()["attachments_left_out"] == left_out


def test_secrets_in_the_command_are_not_stored(events: Events) -> None:
    secrets = ["hunter2", "hunter3", "hunter4"]
    command = ["echo", "--password", secrets[0], f"--token={secrets[1]}", f"https://bob:{secrets[2]}@h"]
    assert e3_event("run", "--", *command).stdout.split() == [word.encode() for word in command[1:]]
    stored = str(events.all())
    assert all(secret not in stored for secret in secrets)
    assert events.only()["command"] == [
        *("echo", "--password", "[redacted]", "--token=[redacted]", "https://bob:[redacted]@h")
    ]


def test_a_failed_delivery_is_one_line_and_the_exit_code_is_the_commands(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for _ in range(4):  # with the third the sink is down, which is no line of its own
        done = e3_event("run", "sh", "-c", "exit 5", E3_EVENT_HANDLERS=f"file={tmp_path}/file/events")
        assert done.returncode == 5
        assert done.stderr.count(b"\n") == 1
        assert b"the event sh waits for file: " in done.stderr
        assert b"Not a directory: " in done.stderr


@pytest.mark.usefixtures("direct")
def test_without_a_spool_a_failed_delivery_is_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = e3_event("run", "sh", "-c", "exit 5", E3_EVENT_HANDLERS=f"file={tmp_path}/file/events")
    assert done.returncode == 5
    assert done.stderr.count(b"\n") == 1
    assert b"the event sh was not delivered by file: Not a directory" in done.stderr


def test_a_broken_configuration_does_not_keep_the_command_from_running(private_environment: Path) -> None:
    done = e3_event("run", "sh", "-c", "echo ran; exit 5", E3_EVENT_HANDLERS="fil=/x")
    assert (done.returncode, done.stdout) == (5, b"ran\n")
    assert done.stderr.count(b"\n") == 1
    assert b"E3_EVENT_HANDLERS, entry 1 (fil): no handler 'fil' is installed; installed: file" in done.stderr
    (event,) = kept(spool_of(private_environment))
    assert event.exit_code == 5


def test_what_a_broken_variable_keeps_goes_to_nobody_elses_handlers(
    events: Events, tmp_path: Path, private_environment: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[handlers.archive]\ntype = "file"\nlog_dir = "{events.folder}"\n')
    assert e3_event("--config", config, "run", "echo", "first", E3_EVENT_HANDLERS="").returncode == 0
    assert e3_event("--config", config, "run", "false", E3_EVENT_HANDLERS="fil=/x").returncode == 1
    assert e3_event("--config", config, "relay", "--once", E3_EVENT_HANDLERS="").returncode == 0
    assert events.only()["name"] == "echo"
    assert [event.name for event in kept(spool_of(private_environment))] == ["false", "echo"]


def test_without_configuration_events_are_kept_in_the_users_spool(tmp_path: Path) -> None:
    done = e3_event("run", "echo", "hi", XDG_STATE_HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, b"")
    (event,) = kept(tmp_path / "e3-event/spool")
    assert event.name == "echo"
    assert [attachment.name for attachment in event.attachments] == ["log"]


def test_a_deleted_folder_is_no_harm(events: Events, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    script = f"cd {tmp_path}/gone && rmdir ../gone && {' '.join(COMMAND)} run /bin/true"
    subprocess.run(["sh", "-c", script], check=True, timeout=DEADLINE)
    assert "cwd" not in events.only()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Missing argument 'COMMAND...'"),
        (["--nmae", "x", "true"], "No such option '--nmae'"),
        (["--data", "x", "true"], "'x': write it as key=text or key:=JSON"),
        (["--data", "n:=3x", "true"], "'n:=3x': what stands behind := is no JSON"),
        (["--data", "n:=NaN", "true"], "NaN is no number of JSON"),
        (["--attach", "x", "true"], "'x': write it as name=path"),
        (["--data", "status=ok", "true"], "the data key `status` is written by the job itself"),
        (["--attach", "log=x", "true"], "the attachment `log` is the command's output"),
    ],
)
def test_bad_usage_is_one_line_and_nothing_runs(arguments: list[str], told: str, events: Events) -> None:
    done = e3_event("run", *arguments)
    assert done.returncode == 2
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert not events.folder.exists()
