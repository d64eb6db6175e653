"""What a service manager is told (systemd's sd_notify protocol)."""

from __future__ import annotations

import contextlib
import os
import time

#: Seconds that a service manager which reads nothing may take.
_PATIENCE = 0.05


def notify(*lines: str) -> None:
    """Tell the service manager that started us, if there is one.

    :param lines: such as `READY=1` (see sd_notify(3))
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    import socket  # slow, and a command has no service manager

    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(_PATIENCE)
        sender.connect(address)
        sender.send("\n".join(lines).encode())


def reloading() -> tuple[str, str]:
    """The lines that say that the configuration is read again."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"


def watchdog_interval() -> float | None:
    """Seconds between two signs of life that the service manager wants; `None`: it wants none."""
    try:
        wanted = int(os.environ["WATCHDOG_USEC"]) / 1e6
        mine = int(os.environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except (KeyError, ValueError):
        return None
    return wanted / 2 if mine and wanted > 0 else None
