"""Tests of the clock that tests move."""

from __future__ import annotations

import threading

import pytest

from bequest.engine.clock import Clock, SystemClock
from bequest.testing.manual_clock import ManualClock


def test_manual_clock_stands_still() -> None:
    """Reading the clock does not move it."""
    clock: Clock = ManualClock(start=50.0)

    assert [clock.now(), clock.now()] == [50.0, 50.0]
    assert clock.monotonic() == clock.monotonic()


def test_advance_moves_both_readings() -> None:
    """Time that passes is seen on the wall and by the monotonic reading."""
    clock = ManualClock(start=50.0)
    before = clock.monotonic()

    clock.advance(2.5)

    assert clock.now() == 52.5
    assert clock.monotonic() - before == 2.5


@pytest.mark.parametrize("to", [10.0, 90.0])
def test_jump_moves_the_wall_clock_alone(to: float) -> None:
    """Setting the wall clock, forwards or backwards, leaves the monotonic reading."""
    clock = ManualClock(start=50.0)
    before = clock.monotonic()

    clock.jump(to)

    assert clock.now() == to
    assert clock.monotonic() == before


def test_advance_refuses_to_go_backwards() -> None:
    """A negative advance is an error and moves nothing."""
    clock = ManualClock(start=50.0)

    with pytest.raises(ValueError, match="time cannot pass backwards, got -1 seconds"):
        clock.advance(-1)

    assert clock.now() == 50.0


def test_advance_from_many_threads_loses_nothing() -> None:
    """Every advance counts, whichever thread made it."""
    clock = ManualClock(start=0.0)

    def advance_often() -> None:
        for _ in range(500):
            clock.advance(1)

    threads = [threading.Thread(target=advance_often) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (clock.now(), clock.monotonic()) == (2000.0, 2000.0)


def test_moves_call_who_asked_for_it_on_the_movers_thread() -> None:
    """Each move calls whoever asked, after the time has changed and before the move returns; reading calls nobody."""
    clock = ManualClock(start=50.0)
    seen: list[tuple[float, threading.Thread]] = []
    clock.on_set(lambda: seen.append((clock.now(), threading.current_thread())))

    clock.advance(5)
    clock.jump(10.0)
    clock.now()

    here = threading.current_thread()
    assert seen == [(55.0, here), (10.0, here)]


def test_moves_call_nobody_who_has_ended_it() -> None:
    """What ``on_set`` returned ends the calls, and doing it again does nothing; others are still called."""
    clock = ManualClock()
    calls: list[str] = []
    forget = clock.on_set(lambda: calls.append("first"))
    clock.on_set(lambda: calls.append("second"))

    forget()
    forget()
    clock.advance(1)

    assert calls == ["second"]


def test_system_clock_calls_nobody() -> None:
    """The machine's clock is moved by nobody who would say so; what ends the calls can be called all the same."""
    calls: list[str] = []

    SystemClock().on_set(lambda: calls.append("moved"))()

    assert calls == []
