"""Faults (kills, power cuts, full disks), and a check that the spool keeps its promise; never shipped."""
