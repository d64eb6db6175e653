"""Signals to `e3-event run` end the command, and the event is sent all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from cli.command import COMMAND, DEADLINE, Events, start

#: Says that it is ready, counts the signals until none came for a while, and exits with their number.
COUNTING = """
import signal, sys
numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
count = 0
while signal.sigtimedwait(numbers, 0.5 if count else 50):
    count += 1
sys.exit(40 + count)
"""
COUNT = [sys.executable, "-c", COUNTING]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_us_alone_goes_to_the_command(number: signal.Signals, events: Events) -> None:
    with start("run", *COUNT, start_new_session=True) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(DEADLINE) == 41
    assert events.only()["status"] == "cancelled"


def test_a_command_that_dies_of_it_is_cancelled_and_we_die_of_it_too(events: Events) -> None:
    with start("run", "sh", "-c", "echo ready; exec sleep 100", start_new_session=True) as process:
        assert process.stdout
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(DEADLINE) == -signal.SIGINT
    event = events.only()
    assert (event["status"], event["signal"]) == ("cancelled", "SIGINT")
    assert events.attachment() == b"ready\n"


def test_control_c_at_a_terminal_reaches_the_command_once_and_we_wait_for_it(events: Events) -> None:
    terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    command = [sys.executable, "-c", terminal, *COMMAND, "run", *COUNT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"ready\r\n"
        process.stdin.write(b"\x03")
        process.stdout.read()
        assert process.wait(DEADLINE) == 41
    assert events.only()["exit_code"] == 41


def test_an_interrupted_command_that_ends_well_is_ok(events: Events) -> None:
    script = "trap 'exit 0' TERM; echo ready; while :; do read x; done"
    with start("run", "sh", "-c", script) as process:
        assert process.stdout
        process.stdout.readline()
        process.terminate()
        assert process.stdin
        process.stdin.close()
        process.stdin = None
        assert process.wait(DEADLINE) == 0
    assert events.only()["status"] == "ok"


def test_a_signal_that_was_ignored_before_stays_so_for_the_command(events: Events) -> None:
    script = f"trap '' HUP INT; exec {' '.join(COMMAND)} run sh -c 'kill -HUP $$; kill -INT $$; echo alive'"
    done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stdout) == (0, b"alive\n")
    assert events.only()["status"] == "ok"


def test_how_a_command_ends_is_known_also_where_its_end_was_ignored(events: Events) -> None:
    script = f"trap '' CHLD; exec {' '.join(COMMAND)} run sh -c 'exit 7'"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=DEADLINE, check=False)
    assert done.returncode == 7
    assert events.only()["status"] == "failed"


def test_an_interrupt_while_the_event_is_sent_keeps_the_exit_code(tmp_path: object) -> None:
    """The handler is one that never ends: a plugin that waits for a signal."""
    code = (
        "import sys, time, e3_event.cli\n"
        "from e3_event.handler.file import FileHandler\n"
        "def wait(self, events):\n"
        "    print('sending', file=sys.stderr, flush=True)\n"
        "    time.sleep(100)\n"
        "FileHandler.send_events = wait\n"
        "e3_event.cli.main(['run', '--flush-timeout', '60s', 'sh', '-c', 'exit 7'])\n"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "E3_EVENT_HANDLERS": f"file={tmp_path}"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, bufsize=0
    ) as process:
        assert process.stderr
        assert process.stderr.readline() == b"sending\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 7
        assert process.stderr.read() == b"e3-event: the event sh is kept, and delivered later\n"
