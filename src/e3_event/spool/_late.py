"""What is loaded when it is first needed is loaded before a process forks.

A child inherits the lock of a module that another thread of its parent was loading, and would wait for it for
ever when it needs that module.
"""

from __future__ import annotations

import os


def load() -> None:
    """Load what a spool loads when it is first needed, waiting for threads that are at it."""
    import hashlib  # noqa: F401
    import logging  # noqa: F401
    import queue  # noqa: F401
    import shutil  # noqa: F401
    import weakref  # noqa: F401

    import msgspec  # noqa: F401

    from e3_event import _ids

    from . import _deliveries, _ledger, _purge, _queue, _record, _stored, _subscriptions  # noqa: F401

    _ids.load()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=load)
