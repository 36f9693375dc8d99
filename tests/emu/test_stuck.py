"""The limit in host time: it strikes, it strikes what swallows it, and it leaves timers as they were."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from emu.stuck import Stuck, limited


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGALRM)
    yield
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def for_ever() -> None:
    while True:
        pass


def swallowing() -> None:
    while True:
        try:
            assert sum(range(50)) == 0
            break
        except:  # noqa: E722 - that is the point
            pass


@pytest.mark.parametrize("code", [for_ever, swallowing])
def test_it_strikes(code: object) -> None:
    assert callable(code)
    with pytest.raises(Stuck, match=r"does not come back: 0.05 s of host time are up \(stuck_after_s\)"):
        limited(0.05, code)


def test_what_comes_back_is_returned_and_what_it_raises_goes_on() -> None:
    assert limited(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        limited(5, lambda: 1 // 0)
    assert limited(0, lambda: signal.getitimer(signal.ITIMER_REAL)) == (0, 0)


def test_an_earlier_timer_of_somebody_elses_stays_in_force() -> None:
    class Theirs(Exception):
        pass

    def strike(number: int, frame: object) -> None:
        raise Theirs

    before = signal.signal(signal.SIGALRM, strike)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Theirs):
            limited(30, for_ever)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_outside_of_the_main_thread_there_is_no_limit() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(limited(0.01, lambda: sum(range(10)))))
    thread.start()
    thread.join()
    assert found == [45]
