"""A log whose writer, or whoever makes one file of it, is killed: what was written is there, once."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e3_event._pieces import join
from job.logs import check_parts, expected, numbered

LIMIT = 4000
MIB = 1 << 20
#: Runs a step in a child that is killed before the Nth line of the modules, for N = 1, 2, ... until it ends
#: by itself. Each begins with a copy of a folder, or, with `again`, with what the one before has left.
DRIVER = """
import os, shutil, sys
from e3_event import _pieces
from e3_event.job import _log

files = {_log.__file__, _pieces.__file__}
step, start, results, again = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == "again"

def killed_at(number):
    left = number
    def trace(frame, event, _arg):
        nonlocal left
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            left -= 1
            if not left:
                os.kill(os.getpid(), 9)
        return trace
    sys.settrace(trace)

number = 0
folder = ""
while True:
    number += 1
    if not folder or not again:
        folder = os.path.join(results, str(number))
        shutil.copytree(start, folder)
    pid = os.fork()
    if not pid:
        path = os.path.join(folder, "log")
        killed_at(number)
        exec(step)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if not status:
        break
    assert status == 9, status
print(number - 1)
"""


def kill_at_each_line(step: str, start: Path, results: Path, *, again: bool = False) -> int:
    """Return how often it was killed."""
    results.mkdir()
    command = [sys.executable, "-c", DRIVER, step, str(start), str(results), "again" if again else ""]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def in_pieces(folder: Path, data: bytes) -> Path:
    """A folder with the pieces of a log, as its writer has left them when it was killed."""
    folder.mkdir()
    code = f"import os, sys; from e3_event.job._log import Log; log = Log(sys.argv[1], {LIMIT});"
    code += "log.write(sys.stdin.buffer.read()); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(folder / "log")], input=data, check=False)
    return folder


@pytest.mark.parametrize("length", [100, 3500, 9000])
def test_one_that_makes_the_file_can_be_killed_at_each_line(tmp_path: Path, length: int) -> None:
    data = numbered(length)
    start = in_pieces(tmp_path / "start", data)
    killed = kill_at_each_line(f"_pieces.join(path, {LIMIT})", start, tmp_path / "results")
    assert killed > (15 if length == 100 else 100)
    for number in range(1, killed + 2):
        path = tmp_path / "results" / str(number) / "log"
        reason = join(str(path), LIMIT)
        assert path.read_bytes() == expected(data, LIMIT)
        assert reason == (f"cut to {LIMIT} bytes (--max-log)" if length > LIMIT else "")
        assert {name.name for name in path.parent.iterdir()} <= {"log", f"log.{length}"}


def test_one_that_is_killed_over_and_over_loses_and_doubles_nothing(tmp_path: Path) -> None:
    data = numbered(9000)
    start = in_pieces(tmp_path / "start", data)
    killed = kill_at_each_line(f"_pieces.join(path, {LIMIT})", start, tmp_path / "results", again=True)
    assert killed > 100
    assert (tmp_path / "results" / "1" / "log").read_bytes() == expected(data, LIMIT)


def test_a_writer_can_be_killed_at_each_line(tmp_path: Path) -> None:
    """What it has written until then is kept, from first to last, with the exact number of what was cut."""
    step = f"""
data = b"".join(b"%08d" % number for number in range(0, 5400, 8))
log = _log.Log(path, {LIMIT})
for at in range(0, 5400, 900):
    log.write(data[at : at + 900])
    os.close(os.open(f"{{path}}-{{at + 900}}", os.O_CREAT))
log.finish()
"""
    data = numbered(5400)
    (tmp_path / "start").mkdir()
    killed = kill_at_each_line(step, tmp_path / "start", tmp_path / "results")
    assert killed > 200
    seen = set()
    for number in range(1, killed + 2):
        folder = tmp_path / "results" / str(number)
        if not list(folder.iterdir()):
            continue
        join(str(folder / "log"), LIMIT)
        found = (folder / "log").read_bytes()
        length = max((int(name.suffix[1:]) for name in folder.glob("log.*")), default=len(found))
        written = max((int(name.name[4:]) for name in folder.glob("log-*")), default=0)
        assert written <= length <= written + 900
        assert not length % 900 or not length % 1000  # the end of a write or of a piece
        missing = check_parts(found, data[:length])
        assert missing <= max(0, length - LIMIT * 3 // 4)
        seen.add(length)
    assert {0, 900, 1800, 5400} <= seen


def test_a_writer_killed_in_the_middle_of_a_write_leaves_what_it_has_written(tmp_path: Path) -> None:
    limit = 4 * MIB
    data = numbered(60 * MIB)
    code = "import os, sys; from e3_event.job._log import Log; data = sys.stdin.buffer.read()\n"
    code += f"log = Log(sys.argv[1], {limit})\n"
    code += f"for at in range(0, len(data), {5 * MIB}): log.write(data[at : at + {5 * MIB}])\n"
    code += "os.kill(os.getpid(), 9)"
    lengths = set()
    for number in range(2, 12):
        path = tmp_path / str(number)
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE) as writer:
            assert writer.stdin
            writer.stdin.write(data)
            writer.stdin.close()
            while writer.poll() is None and not (tmp_path / f"{number}.{number * MIB}").exists():
                pass
            writer.kill()
        assert writer.returncode == -signal.SIGKILL
        reason = join(str(path), limit)
        (length,) = (int(name.suffix[1:]) for name in tmp_path.glob(f"{number}.*"))
        missing = check_parts(path.read_bytes(), data[:length])
        assert bool(missing) == bool(reason)
        assert path.stat().st_size - 100 <= limit
        lengths.add(length)
    assert len(lengths) > 1
