"""What a service manager is told, over a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from e3_event._relay import notify
from e3_event.testing import Recorder
from relay.kit import Post


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield manager


def test_lines_arrive_in_one_datagram(manager: socket.socket) -> None:
    notify.notify("READY=1", "STATUS=serving ä")
    assert manager.recv(1000).decode() == "READY=1\nSTATUS=serving ä"


def test_an_abstract_socket_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"e3-event-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        notify.notify("READY=1")
        assert manager.recv(1000) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all", "@nobody-listens"])
def test_nobody_who_listens_is_no_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify.notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify.notify("READY=1")


def test_a_service_manager_that_reads_nothing_stops_nobody(manager: socket.socket) -> None:
    for _ in range(20):  # the queue of such a socket has fewer places
        notify.notify("WATCHDOG=1")


def test_a_reload_is_told_with_its_time() -> None:
    flag, at = notify.reloading()
    assert flag == "RELOADING=1"
    assert at.startswith("MONOTONIC_USEC=")
    assert int(at.partition("=")[2]) > 0


def test_signs_of_life_come_twice_as_often_as_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert notify.watchdog_interval() is None
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    assert notify.watchdog_interval() == 1.5
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert notify.watchdog_interval() == 1.5
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert notify.watchdog_interval() is None
    monkeypatch.delenv("WATCHDOG_PID")
    for wrong in ("0", "-5", "soon"):
        monkeypatch.setenv("WATCHDOG_USEC", wrong)
        assert notify.watchdog_interval() is None


def test_a_running_relay_gives_signs_of_life(
    post: Post, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    relay = post.relay(Recorder())
    relay.start()
    assert [manager.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    assert relay.stop()
