"""The command `e3-event`: how it begins, and what becomes of errors."""

from __future__ import annotations

import gc
import io
import os
import sys

from e3_event._errors import EventError
from e3_event._logger import prepare

from ._terminal import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The variable by which a shell asks click for completions.
_COMPLETING = "_E3_EVENT_COMPLETE"


def main(args: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    gc.disable()  # while a subcommand is loaded, which is no garbage
    _open_standard_streams()
    _keep_nothing_for_stderr()
    prepare(_listen)
    sys.exit(_main(sys.argv[1:] if args is None else args))


def _main(args: list[str]) -> int:
    try:
        if (arguments := _usual_run(args)) is not None:
            from ._run import run

            return run(**arguments)
        from ._command import call

        return call(args)
    except EventError as error:
        for problem in getattr(error, "problems", [str(error)]):  # a configuration file may have several
            say(problem)
        return 2
    except OSError as error:
        from e3_event._redact import describe

        _forget_output()
        say(describe(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _usual_run(args: list[str]) -> dict[str, Any] | None:
    """The arguments of `run`, if it is that, and needs nothing of click; which takes long to load."""
    if args[:1] != ["run"] or _COMPLETING in os.environ:
        return None
    from ._arguments import parse

    return parse(args[1:])


def _listen() -> None:
    from ._listening import hear_the_library

    hear_the_library()


def _forget_output() -> None:
    """Let what stdout could not take go to /dev/null, so that the interpreter does not try it again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _open_standard_streams() -> None:
    """Open /dev/null in place of closed ones (`>&-`), so that no other file takes their numbers."""
    while (fd := _open_null()) <= 2:
        pass
    os.close(fd)


def _open_null() -> int:
    try:
        return os.open(os.devnull, os.O_RDWR)
    except FileNotFoundError:  # a container without /dev
        return os.open("/", os.O_RDONLY)


def _keep_nothing_for_stderr() -> None:
    """Let no text wait that stderr could not take: the interpreter would try it again at its end, and exit
    with a code of its own.
    """
    encoding = sys.stderr.encoding if sys.stderr else "utf-8"
    raw = open(2, "wb", buffering=0, closefd=False)  # noqa: SIM115  it is there to the end
    sys.stderr = io.TextIOWrapper(raw, encoding, "backslashreplace", write_through=True)
