"""Limits of time for foreign code in the main thread."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from e3_event.cli._limit import Limit, TooLongError


@pytest.fixture(autouse=True)
def alarm_as_before() -> Iterator[None]:
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_what_hangs_gets_an_error() -> None:
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"), Limit(0.05, "no answer"):
        time.sleep(1000)


def test_what_goes_on_gets_it_again_and_at_last_one_that_is_no_exception() -> None:
    got = []

    def go_on() -> None:
        while True:
            try:
                time.sleep(1000)
            except Exception as error:
                got.append(error)

    with pytest.raises(TooLongError), Limit(0.05, "no answer", times=2):
        go_on()
    assert len(got) == 2


def test_a_timer_that_runs_already_goes_on_behind_it() -> None:
    signal.setitimer(signal.ITIMER_REAL, 1000, 7)
    with Limit(60, "no answer"):
        assert signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 900 < left <= 1000
    assert interval == 7


def test_an_alarm_of_somebody_else_that_was_blocked_is_none() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    try:
        signal.pthread_kill(threading.get_ident(), signal.SIGALRM)
        with Limit(60, "no answer"):
            pass
        assert signal.SIGALRM in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
