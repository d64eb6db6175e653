"""`e3-event run` whose sinks are down, hang or do what no handler may do: the job is not harmed."""

from __future__ import annotations
