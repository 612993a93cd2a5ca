"""Tests of the one timer, on a clock that only the test moves."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bequest.actors.alarm import SWEEP_S, Alarm
from bequest.testing.manual_clock import ManualClock


class Bell:
    """An alarm on a clock, and what it rang."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.rung: list[float] = []
        self.alarm = Alarm(clock, lambda: self.rung.append(clock.now()))


@pytest.fixture
def bell(clock: ManualClock) -> Iterator[Bell]:
    """Give an alarm that is running."""
    made = Bell(clock)
    made.alarm.start()
    yield made
    made.alarm.stop()


def test_alarm_rings_before_the_move_that_reaches_its_time_is_over(bell: Bell) -> None:
    """Whoever moves the clock past the time finds that it has rung."""
    at = bell.clock.now() + 3600
    bell.alarm.set(at)

    bell.clock.advance(3600)

    assert at in bell.rung


@pytest.mark.parametrize("to", [0.0, 5e9])
def test_alarm_rings_when_the_clock_is_set(bell: Bell, to: float) -> None:
    """A jump, also a backward one, may have made anything due, so it rings without having been set (I20)."""
    bell.clock.jump(to)

    assert bell.rung[-1] == to


def test_alarm_sweeps_also_when_the_wall_clock_stands_still(bell: Bell) -> None:
    """A sweep comes with time that passes, whatever the wall clock says."""
    bell.clock.jump(bell.clock.now() - 1e6)
    before = len(bell.rung)

    bell.clock.advance(SWEEP_S)

    assert len(bell.rung) > before


def test_alarm_that_has_stopped_rings_no_more(clock: ManualClock) -> None:
    """After ``stop`` no thread is left, and moving the clock calls nobody."""
    bell = Bell(clock)
    threads = threading.active_count()
    bell.alarm.start()
    bell.alarm.set(clock.now() + 1)

    bell.alarm.stop()
    clock.advance(10)

    assert bell.rung == []
    assert threading.active_count() == threads


def test_alarm_that_was_never_started_stops(clock: ManualClock) -> None:
    """A start of the engine that was refused early has nothing to wait for."""
    Alarm(clock, lambda: None).stop()
