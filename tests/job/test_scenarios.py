"""Programs run behind `e3-event run` as they do without it: how they end, what they print, what they find."""

from __future__ import annotations

from pathlib import Path

import pytest

from job.scenario import PYTHON, WRAPPED, see, see_both, see_shells, shell

#: What it does -> a program. Its input is two lines.
PROGRAMS: dict[str, list[str]] = {
    "succeeds": ["true"],
    "fails": ["false"],
    "exits with the largest code": ["sh", "-c", "exit 255"],
    "is a script": [
        *("bash", "-euo", "pipefail", "-c"),
        """
        count() { (($1 > 0)) && { echo $1; count $(($1 - 1)); } || return 0; }
        count 3 | sort | tee /dev/stderr
        read -r line; echo read $line; trap 'echo bye' EXIT; exit 9
        """,
    ],
    "is a script that stops where something fails": ["bash", "-ec", "echo before; false; echo after"],
    "is a pipeline that breaks": ["bash", "-o", "pipefail", "-c", "yes | head -1"],
    "closes its output and goes on": ["sh", "-c", "echo x; exec >&- 2>&-; cat >/dev/null; exit 4"],
    "reads nothing": ["echo", "x"],
    "reads all": ["cat", "-"],
    "shares its input with another": ["bash", "-c", "read -r first; echo 1 $first; exec cat"],
    "prints all bytes": [
        PYTHON,
        "-c",
        "import os; os.write(1, bytes(range(256)) * 99); os.write(2, b'\\0\\xff')",
    ],
    "complains a lot": [PYTHON, "-c", "import os; [os.write(2, b'x' * 70_001) for _ in range(9)]"],
    "kills itself": ["sh", "-c", "echo x; kill -KILL $$"],
    "aborts": ["sh", "-c", "kill -ABRT $$"],
    "has a fault": ["sh", "-c", "kill -SEGV $$"],
    "ends by a real-time signal": ["bash", "-c", "kill -RTMIN+3 $$"],
    "ends by SIGPIPE": ["bash", "-c", "kill -PIPE $$"],
    "waits for a child": ["bash", "-c", "(echo in; exit 3) & wait $!; echo $?"],
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_a_program_ends_and_prints_as_without_us_that(what: str) -> None:
    plain, wrapped = see_both(PROGRAMS[what], stdin=b"first\nsecond\n")
    assert wrapped == plain


#: Those that the C library keeps for itself are left out: it ignores them in all that posix_spawn starts.
LOOK_AT_SIGNALS = (
    "sed -n -e 's/^\\(SigIgn.*\\)\\(.\\{7\\}\\)/\\2/p' -e '/^Sig[BC]/p' -e /Pnd/p /proc/self/status"
)
#: What a shell says of a command in its environment, and we of an event, is of that command.
INHERITED = " | grep -v -e ^_= -e ^E3_EVENT_ -e ^TRACE | sort"
#: What is looked at -> a script in which `$run` stands in front of the command that looks.
SURROUNDINGS = {
    "environment": "$run env" + INHERITED,
    "environment in the locale C": "unset LC_ALL LANG LC_CTYPE; $run env" + INHERITED,
    "environment in the same, named": "unset LC_ALL LANG; LC_CTYPE=C $run env" + INHERITED,
    "environment in another locale": "LC_CTYPE=C.UTF-8 $run env" + INHERITED,
    "folder": "cd /usr/bin; $run pwd",
    "umask": "umask 027; $run sh -c umask",
    "priority": "exec nice -n 5 $run nice",
    "session, process group and terminal": "ids() { cut -d' ' -f5-8 /proc/$1/stat; }\n"
    "$run cut -d' ' -f5-8 /proc/self/stat | diff - <(ids $$)",
    "limits": "ulimit -n 300; ulimit -c 0; ulimit -s 4096; $run bash -c 'ulimit -a'",
    "score for when memory is short": "f=/proc/self/oom_score_adj; echo 500 >$f; $run cat $f",
    "ignored signals": f"trap '' HUP INT USR1 TSTP; $run {LOOK_AT_SIGNALS}",
    "blocked signals": f"{PYTHON} -c 'import os, signal, sys\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR2})\n"
    "for n in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(n, signal.SIG_DFL)\n"
    f"os.execvp(sys.argv[1], sys.argv[1:])' $run {LOOK_AT_SIGNALS}",
    "descriptors": "exec 7</dev/zero 9>/dev/null; $run ls -l /proc/self/fd | grep -o ' [0-9]* ->.*' |\n"
    "grep -v -e /proc/ -e ' [012] ->'",
    "closed input": "$run cat <&-; echo $?",
}


@pytest.mark.parametrize("what", SURROUNDINGS)
def test_a_program_finds_as_without_us_its(what: str) -> None:
    plain, wrapped = see_shells(SURROUNDINGS[what])
    assert wrapped == plain
    assert plain.out or what.startswith("session")


#: What happens -> a script in which `$run` stands in front of a command that has readers or writers.
PIPELINES = {
    "a reader who has enough": "$run yes | head -c 10M | cksum; echo ${PIPESTATUS[0]}",
    "a reader who has enough and is watched": "seq 9 >f; $run tail -f f | head -1; echo ${PIPESTATUS[0]}",
    "a reader of errors who has enough": "($run sh -c 'yes >&2' 2>&1 >&3; echo $? >&3) 3>&1 | head -1",
    "both in one file": "$run sh -c 'seq 99; seq 100 199 >&2; seq 200 299' >f 2>&1; sort f | cksum",
    "a file that is added to": "echo 1 >f; $run echo 2 >>f; echo 3 >>f; cat f",
    "a slow reader": "$run head -c 3M /dev/zero | (sleep 0.5; cksum); echo ${PIPESTATUS[@]}",
    "a reader of a named pipe": "mkfifo p; cat p | cksum & $run head -c 1M /dev/zero >p; wait",
    "a chain": "seq 9 | $run tac | $run sort | $run tail -2; echo ${PIPESTATUS[@]}",
    "a chain that breaks": "$run yes | $run cat | $run head -1; echo ${PIPESTATUS[@]}",
    "one inside another": "$run $run $run sh -c 'echo x; exit 6'; echo $?",
    "a substitution": "x=$($run echo 'a b'); echo \"<$x>\"",
    "a silent child left behind": "$run sh -c 'sleep 300 >/dev/null 2>&1 & echo $!' >f; kill $(cat f)",
}


@pytest.mark.parametrize("what", PIPELINES)
def test_a_pipeline_is_as_without_us_with(what: str, tmp_path: Path) -> None:
    for name in ("plain", "wrapped"):
        (tmp_path / name).mkdir()
    plain = see(shell(PIPELINES[what], ()), cwd=tmp_path / "plain")
    wrapped = see(shell(PIPELINES[what], WRAPPED), cwd=tmp_path / "wrapped")
    assert wrapped == plain
