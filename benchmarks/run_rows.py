"""The rows of `e3-event run`: what it costs to have a command run by it."""

from __future__ import annotations

from .rows import Goal, Row

#: With less, starting and ending count for more than the output.
_OUTPUT = (300 << 20, 128 << 20)
_START = "run_tasks.run_start"

#: Beside what people would use else, or beside ours again.
RUN_ROWS = (
    Row("run-start", "run true", Goal(5), {"ours": _START, "floor": "run_floors.run_start"}, 1, 8.0),
    Row(
        "run-output",
        "run, {bytes} of output, not masked",
        Goal(0.5, faster=True),
        {"ours": "run_tasks.run_output", "tee": "run_floors.run_tee"},
        seconds=10.0,
        sizes=_OUTPUT,
    ),
    Row(
        "run-redacted",
        "run, {bytes} of output",
        Goal(0.2, faster=True),
        {"ours": "run_tasks.run_redacted", "tee": "run_floors.run_tee"},
        seconds=16.0,
        sizes=_OUTPUT,
    ),
    Row(
        "run-pty",
        "run --pty, {bytes}, not masked",
        Goal(0.5, faster=True),
        {"ours": "run_tasks.run_pty", "script": "run_floors.run_script"},
        seconds=10.0,
        sizes=(64 << 20, 32 << 20),
    ),
    Row(
        "run-memory",
        "run, {bytes} of output, memory",
        Goal(1.1),
        {"ours": "run_tasks.run_memory", "8 MiB": "run_tasks.run_memory_few"},
        unit="MB",
        sizes=(1 << 30, 1 << 27),
    ),
    Row(
        "run-down",
        "run, to exit, a sink is down",
        Goal(2),
        {"ours": "run_tasks.run_down", "none": "run_tasks.run_exit"},
    ),
    Row(
        "run-hung",
        "run, to exit, a sink hangs",
        Goal(1.25),
        {"ours": "run_tasks.run_hung", "allowed": "run_floors.run_limit"},
    ),
)
#: Beside other products that run a command.
RUN_PEER_ROWS = (
    Row(
        "run-sentry",
        "run true",
        Goal(1),
        {"ours": _START, "sentry-cli": "peers.run_sentry"},
        1,
        6.0,
        server="http",
    ),
)
