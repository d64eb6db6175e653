"""The spool: a folder in which snapshots wait, durably, until they are delivered."""

from ._spool import Spool

__all__ = ["Spool"]
