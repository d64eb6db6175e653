"""Group commit: many callers, few writes, and everybody's own verdict."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

import pytest

from e3_event.spool._commit import GroupCommit


class Disk:
    """Takes what is written, slowly on demand, and refuses what is negative."""

    def __init__(self) -> None:
        self.writes: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.inside = 0

    def write(self, items: Sequence[int]) -> None:
        self.inside += 1
        assert self.inside == 1
        self.entered.set()
        assert self.gate.wait(30)
        self.inside -= 1
        if any(item < 0 for item in items):
            raise ValueError(f"negative: {list(items)}")
        self.writes.append(list(items))

    @property
    def written(self) -> list[int]:
        return sorted(item for items in self.writes for item in items)


def wait_for_waiting(commits: GroupCommit[int], count: int) -> None:
    """Wait until so many callers wait, besides the one that writes."""
    while len(commits._queue) < 1 + count:
        threading.Event().wait(0.001)


def submit_while_busy(disk: Disk, commits: GroupCommit[int], items: Sequence[int]) -> dict[int, str]:
    """Submit 0 and, while that is being written, *items*, one a thread; return the errors by item."""
    errors: dict[int, str] = {}

    def submit(item: int) -> None:
        try:
            commits.submit([item])
        except ValueError as error:
            errors[item] = str(error)

    disk.gate.clear()
    threads = [threading.Thread(target=submit, args=(item,)) for item in (0, *items)]
    threads[0].start()
    assert disk.entered.wait(30)
    for thread in threads[1:]:
        thread.start()
    wait_for_waiting(commits, len(items))
    disk.gate.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return errors


def test_one_caller_writes_for_itself() -> None:
    disk = Disk()
    commits = GroupCommit(disk.write)
    commits.submit([1, 2])
    commits.submit([3])
    assert disk.writes == [[1, 2], [3]]


def test_those_who_come_meanwhile_share_one_write() -> None:
    disk = Disk()
    assert submit_while_busy(disk, GroupCommit(disk.write), range(1, 16)) == {}
    assert disk.writes[0] == [0]
    assert [len(items) for items in disk.writes] == [1, 15]
    assert disk.written == list(range(16))


def test_a_refused_item_fails_its_own_caller_only() -> None:
    disk = Disk()
    errors = submit_while_busy(disk, GroupCommit(disk.write), [1, -2, 3, -4])
    assert errors == {-2: "negative: [-2]", -4: "negative: [-4]"}
    assert disk.written == [0, 1, 3]


def test_work_goes_on_after_an_error() -> None:
    disk = Disk()
    commits = GroupCommit(disk.write)
    with pytest.raises(ValueError, match="negative"):
        commits.submit([-1])
    commits.submit([1])
    assert disk.writes == [[1]]


def test_an_interrupted_writer_keeps_nobody_waiting() -> None:
    class Interrupted(Disk):
        def write(self, items: Sequence[int]) -> None:
            if list(items) == [0]:
                self.entered.set()
                assert self.gate.wait(30)
                raise KeyboardInterrupt
            super().write(items)

    disk = Interrupted()
    commits = GroupCommit(disk.write)
    disk.gate.clear()

    def first() -> None:
        with pytest.raises(KeyboardInterrupt):
            commits.submit([0])

    threads = [threading.Thread(target=first), threading.Thread(target=commits.submit, args=([1],))]
    threads[0].start()
    assert disk.entered.wait(30)
    threads[1].start()
    wait_for_waiting(commits, 1)
    disk.gate.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert disk.writes == [[1]]


def test_an_interrupted_writer_acknowledges_nothing_for_those_who_wait() -> None:
    class Interrupted(Disk):
        is_new = True

        def write(self, items: Sequence[int]) -> None:
            if len(items) > 1 and self.is_new:
                self.is_new = False
                raise KeyboardInterrupt
            super().write(items)

    disk = Interrupted()
    commits = GroupCommit(disk.write)
    acknowledged = []

    def submit(item: int) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            commits.submit([item])
            acknowledged.append(item)

    disk.gate.clear()
    threads = [threading.Thread(target=submit, args=(item,)) for item in range(5)]
    threads[0].start()
    assert disk.entered.wait(30)
    for thread in threads[1:]:
        thread.start()
    wait_for_waiting(commits, 4)
    disk.gate.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert len(acknowledged) == 4
    assert set(acknowledged) <= set(disk.written)


def test_one_that_is_interrupted_while_it_waits_keeps_nobody_waiting(
    interrupt_main: Callable[[], None],
) -> None:
    disk = Disk()
    commits = GroupCommit(disk.write)

    def interrupt() -> None:
        wait_for_waiting(commits, 1)
        last.start()
        wait_for_waiting(commits, 2)
        interrupt_main()

    disk.gate.clear()
    first = threading.Thread(target=commits.submit, args=([0],))
    last = threading.Thread(target=commits.submit, args=([2],), daemon=True)
    first.start()
    assert disk.entered.wait(30)
    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        commits.submit([1])
    disk.gate.set()
    for thread in (first, interrupter, last):
        thread.join(10)
        assert not thread.is_alive()
    assert disk.written == [0, 2]


def test_many_threads_lose_nothing_and_need_fewer_writes() -> None:
    disk = Disk()
    commits = GroupCommit(disk.write)

    def work(base: int) -> None:
        for item in range(base, base + 200):
            commits.submit([item])

    threads = [threading.Thread(target=work, args=(base,)) for base in range(0, 3200, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert disk.written == list(range(3200))
