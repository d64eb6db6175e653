"""Commands as events: `run`, and `Job` for each step of it. POSIX only."""

from ._completed import CompletedRun, run
from ._job import Job
from ._process import Ending
from ._way import Way

__all__ = ["CompletedRun", "Ending", "Job", "Way", "run"]
