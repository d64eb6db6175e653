"""A command as an event: `Job`, and `run_command` for the whole of it. POSIX only."""

from ._job import Job, run_command
from ._process import Ending

__all__ = ["Ending", "Job", "run_command"]
