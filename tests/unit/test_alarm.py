"""The one timer: it rings when the earliest time has come, at every sweep, and not once it was stopped."""

from __future__ import annotations

import itertools
import math
import queue
import threading
from collections.abc import Callable, Iterator

import pytest
from actor_rig import PATIENCE_S

from bequest.actors.alarm import SWEEP_S, Alarm
from bequest.engine.clock import SystemClock
from bequest.testing.manual_clock import ManualClock

LATER = 1e12  # a time that no test comes to


class Bell:
    """Notes when it was rung."""

    def __init__(self, clock: ManualClock) -> None:
        self.rung: queue.SimpleQueue[float] = queue.SimpleQueue()
        self.alarm = Alarm(clock, lambda: self.rung.put(clock.now()))
        self.alarm.start()

    def wait(self) -> float:
        """Wait until it is rung, and return the time of that."""
        return self.rung.get(timeout=PATIENCE_S)

    def settle(self) -> None:
        """Let the alarm look at its clock once more: it is set and rings for that, then for nothing else."""
        self.alarm.set(-math.inf)
        self.wait()


@pytest.fixture
def bell(clock: ManualClock) -> Iterator[Bell]:
    """Give an alarm over a clock that stands still."""
    made = Bell(clock)
    yield made
    made.alarm.stop()


def test_alarm_rings_for_a_time_that_has_come(bell: Bell, clock: ManualClock) -> None:
    """What is due already rings at once."""
    bell.alarm.set(clock.now())

    assert bell.wait() == clock.now()


def test_alarm_rings_at_its_time_and_not_before(bell: Bell, clock: ManualClock) -> None:
    """Looking at the clock before the time has come changes nothing."""
    at = clock.now() + 10.0
    bell.alarm.set(at)
    clock.advance(9.0)
    bell.alarm.set(at - 0.5)
    was_rung = not bell.rung.empty()

    clock.advance(1.0)
    bell.alarm.set(at - 0.75)

    assert not was_rung
    assert bell.wait() == at


def test_alarm_rings_once_for_each_time(bell: Bell, clock: ManualClock) -> None:
    """After it has rung it is set to nothing."""
    bell.alarm.set(clock.now())
    bell.wait()

    bell.settle()

    assert bell.rung.empty()


def test_alarm_rings_at_every_sweep(bell: Bell, clock: ManualClock) -> None:
    """Without anything to ring for it rings all the same, so that no jump of the clock loses a job for good (I20)."""
    bell.settle()
    rung = []

    for _ in range(3):
        clock.advance(SWEEP_S)
        bell.alarm.set(LATER)
        rung.append(bell.wait())

    assert [later - sooner for sooner, later in itertools.pairwise(rung)] == [SWEEP_S, SWEEP_S]


@pytest.mark.parametrize("by", [-1e6, 1e6])
def test_sweep_does_not_depend_on_the_wall_clock(bell: Bell, clock: ManualClock, by: float) -> None:
    """A wall clock that is put forwards or back neither makes a sweep nor takes one away (I20)."""
    bell.settle()
    clock.jump(clock.now() + by)
    bell.alarm.set(LATER)
    was_rung = not bell.rung.empty()

    clock.advance(SWEEP_S)
    bell.alarm.set(LATER - 1.0)

    assert not was_rung
    assert bell.wait() == clock.now()


def test_alarm_that_is_stopped_rings_no_more(clock: ManualClock) -> None:
    """Its thread has ended when the stop returns, also in the middle of a wait."""
    bell = Bell(clock)
    bell.alarm.set(clock.now() + 30.0)

    bell.alarm.stop()

    clock.advance(30.0)
    bell.alarm.set(clock.now() - 1.0)
    assert bell.rung.empty()
    assert "bequest-alarm" not in [thread.name for thread in threading.enumerate()]


def test_alarm_that_was_never_started_stops(clock: ManualClock) -> None:
    """A start of the engine that was refused early has nothing to wait for."""
    Alarm(clock, lambda: None).stop()


def test_alarm_can_be_set_from_many_threads(bell: Bell, clock: ManualClock) -> None:
    """Of times that several threads set at once the earliest rings."""
    times = [clock.now() + 1000.0 - number for number in range(100)]
    threads = [threading.Thread(target=set_each, args=(bell.alarm.set, times[number::4])) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    clock.advance(1.0 + (min(times) - clock.now()))
    bell.alarm.set(min(times) - 0.5)

    assert bell.wait() == min(times) + 1.0


@pytest.mark.parametrize("later_s", [None, 1000.0])
def test_alarm_rings_for_the_earliest_time_by_itself(later_s: float | None) -> None:
    """Over the machine's own clock it rings when the time has come, and a later one that is set too keeps it not."""
    clock = SystemClock()
    rung = threading.Event()
    alarm = Alarm(clock, rung.set)
    alarm.start()

    alarm.set(clock.now() + 0.01)
    if later_s is not None:
        alarm.set(clock.now() + later_s)

    assert rung.wait(PATIENCE_S)
    alarm.stop()


def set_each(set_alarm: Callable[[float], None], times: list[float]) -> None:
    for at in times:
        set_alarm(at)
