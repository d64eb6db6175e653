"""The main job on real input: build this project's wheel under `e3-event run`, and show what was sent.

`make demo` runs it. The folder `build/demo` takes everything, or another one that is given. Needs no network:
the build tools are in the virtual environment.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = Path(*sys.argv[1:] or ["build/demo"])
EVENTS = PLACE / "events"
ARCHIVE = PLACE / "archive"
WHEEL = ["python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(PLACE / "dist")]
BROKEN = ["python", "-m", "build", "--wheel", "--no-isolation", str(PLACE / "nothing-here")]
COLOURS = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if COLOURS else ("", "", "")


def main() -> int:
    os.chdir(ROOT)
    shutil.rmtree(PLACE, ignore_errors=True)
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    os.environ["E3_EVENT_HANDLERS"] = f"file={EVENTS}"
    os.environ["XDG_STATE_HOME"] = str((PLACE / "state").resolve())  # the spool lies there

    title("1. Where events go")
    shell("export", f"E3_EVENT_HANDLERS={os.environ['E3_EVENT_HANDLERS']}", only_shown=True)

    title("2. Build this project's wheel; the output passes through")
    built = shell("e3-event", "run", "--name", "wheel", "--data", "project=e3-event", "--", *WHEEL)

    title("3. What was sent: one event, with the output as its log")
    event = newest("wheel")
    print(f"{DIM}$ cat {event}{PLAIN}\n{event.read_text()}")
    show_log(event)

    title("4. A build that fails keeps its exit code, and its event says so; secrets do not leave")
    failed = shell("e3-event", "run", "--name", "broken", "--", "env", "API_TOKEN=hunter2", *BROKEN)
    print(f"exit code: {failed}")
    event = newest("broken")
    sent = json.loads(event.read_text())
    print(f"status:    {sent['status']}\ncommand:   {shlex.join(sent['command'])}")
    show_log(event)

    title("5. Where one handler can't take it, the event waits in the spool; the others have it")
    ARCHIVE.touch()  # no folder can be made there
    os.environ["E3_EVENT_HANDLERS"] += f"|file:archive={ARCHIVE}"
    shell("export", f"E3_EVENT_HANDLERS={os.environ['E3_EVENT_HANDLERS']}", only_shown=True)
    waited = shell("e3-event", "run", "--name", "deploy", "--", "echo", "deployed")
    print(f"exit code: {waited}")
    show_files(EVENTS, "deploy-*")

    title("6. Once it can, the event arrives, with its log: the next job delivers it, or a relay")
    shell("rm", str(ARCHIVE))
    drained = shell("e3-event", "relay", "--drain", "--timeout", "30s")
    show_files(ARCHIVE, "deploy-*")

    title("7. Does what is configured work?")
    checked = shell("e3-event", "check")

    title(f"All of it lies in {PLACE}")
    for path in sorted(path for path in PLACE.rglob("*") if path.is_file()):
        print(f"{path.stat().st_size:>8,} bytes  {path.relative_to(PLACE)}")
    return 0 if (built, waited, drained, checked) == (0, 0, 0, 0) and failed != 0 else 1


def title(text: str) -> None:
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def shell(*command: str, only_shown: bool = False) -> int:
    print(f"{DIM}$ {shlex.join(command)}{PLAIN}", flush=True)
    return 0 if only_shown else subprocess.run(command, stderr=subprocess.STDOUT, check=False).returncode


def newest(name: str) -> Path:
    """The file of the newest event of this name; ids sort by time."""
    return max(EVENTS.glob(f"{name}-*.json"))


def show_files(folder: Path, pattern: str) -> None:
    """List the events in a folder whose names fit, and their attachments."""
    print(f"{DIM}$ ls {folder}/{pattern}{PLAIN}")
    for path in sorted(folder.glob(pattern)):
        files = "" if path.is_file() else f"/ {' '.join(file.name for file in sorted(path.iterdir()))}"
        print(f"{path}{files}")


def show_log(event: Path) -> None:
    """Show the first and the last lines of an event's log."""
    sent = json.loads(event.read_text())
    log = EVENTS / f"{sent['name']}-{sent['uid']}" / "log"
    lines = log.read_text(errors="replace").splitlines()
    print(f"{DIM}$ cat {log}{PLAIN}")
    print(
        "\n".join([*lines[:2], f"... {len(lines) - 4} more lines", *lines[-2:]] if len(lines) > 5 else lines)
    )


if __name__ == "__main__":
    sys.exit(main())
