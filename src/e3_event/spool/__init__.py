"""The spool: a folder in which snapshots wait, durably, until they are delivered."""

from ._fingerprint import key_of, keys_of
from ._key import Key
from ._spool import MAX_SIZE, RETENTION, Spool

__all__ = ["MAX_SIZE", "RETENTION", "Key", "Spool", "key_of", "keys_of"]
