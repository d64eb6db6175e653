"""The spool: a folder in which snapshots wait, durably, until they are delivered."""

from ._fingerprint import key_of, keys_of
from ._spool import MAX_SIZE, RETENTION, Spool
from ._subscriptions import Key

__all__ = ["MAX_SIZE", "RETENTION", "Key", "Spool", "key_of", "keys_of"]
