"""Strands: threads of an engine that take turns on one thread, and what is said when they cannot go on."""

from __future__ import annotations

import threading

import pytest

from bequest import EngineError
from bequest.testing.manual_clock import ManualClock
from bequest.testing.schedule import PREEMPT_ONE_IN, Chooser, Schedule
from bequest.testing.strand_threads import StrandThreads
from bequest.testing.strands import Interrupted, StrandError


@pytest.fixture
def threads(clock: ManualClock) -> StrandThreads:
    """Give threads in their usual order."""
    return StrandThreads(clock, Schedule())


def test_strands_that_wait_for_each_other_are_told_to(threads: StrandThreads) -> None:
    """Who can never go on is named, with what it waits for and how to have it again, instead of a hang (I18)."""
    first, second = threads.lock(), threads.lock()
    has_first = threads.event()

    def take_both() -> None:
        with first:
            has_first.set()
            with second:
                pass

    def take_both_the_other_way() -> None:
        with second:
            has_first.wait()
            with first:
                pass

    threads.thread(take_both, "the other").start()

    with pytest.raises(StrandError, match="for ever") as told:
        take_both_the_other_way()

    assert "the other waits for a lock" in str(told.value)
    assert "the caller waits for a lock" in str(told.value)
    assert "replay: Schedule()" in str(told.value)


def test_strands_that_never_rest_are_told_to(threads: StrandThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that waits for what goes on without end is told so, not kept."""
    monkeypatch.setattr("bequest.testing.strands.MAX_STEPS", 50)
    turns = threads.calls()

    def spin() -> None:
        while True:
            turns.put(1)
            turns.get()
            threads.strands.wait_until(lambda: True, what="nothing")

    threads.thread(spin, "the spinner").start()

    with pytest.raises(StrandError, match="do not come to rest"):
        threads.strands.settle()
    threads.end()


def test_time_passes_while_nobody_can_go_on(threads: StrandThreads, clock: ManualClock) -> None:
    """A wait with a time ends at just that time, at once, and others that fall due earlier come first."""
    woken: list[float] = []
    threads.thread(lambda: woken.append(threads.event().wait(7.0) or clock.monotonic()), "a sleeper").start()

    assert not threads.event().wait(10.0)
    assert woken == [7.0]
    assert clock.monotonic() == 10.0


def test_settle_lets_no_time_pass(threads: StrandThreads, clock: ManualClock) -> None:
    """What is due is done, and what only time can bring stays."""
    done: list[str] = []
    threads.thread(lambda: done.append("now"), "one").start()

    def be_late() -> None:
        threads.event().wait(1.0)
        done.append("later")

    threads.thread(be_late, "two").start()

    threads.strands.settle()

    assert (done, clock.monotonic()) == (["now"], 0.0)


def test_error_of_a_strand_is_raised_in_the_caller(threads: StrandThreads) -> None:
    """What a thread would only have printed is not lost on the caller."""

    def fail() -> None:
        raise ValueError("of the strand")

    threads.thread(fail, "one").start()

    with pytest.raises(ValueError, match="of the strand"):
        threads.strands.settle()
    threads.strands.settle()


def test_caller_is_interrupted_after_some_steps(threads: StrandThreads) -> None:
    """Strands can be left wherever they are, as a kill does; ended there they run none of what is left."""
    begun: list[int] = []
    ended: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        threads.event().wait()
        ended.append(number)

    for number in range(5):
        threads.thread(lambda number=number: work(number), "worker").start()  # type: ignore[misc]
    threads.strands.interrupt_after(3)

    with pytest.raises(Interrupted):
        threads.strands.settle()
    threads.end()

    assert (begun, ended) == ([0, 1, 2], [])


def test_condition_wakes_as_many_as_it_is_told(threads: StrandThreads) -> None:
    """A condition of strands is one of ``threading``: the lock is free meanwhile, and held again afterwards."""
    condition = threads.condition()
    woken: list[int] = []

    def wait(number: int) -> None:
        with condition:
            assert condition.wait(5.0) == (number < 2)
            woken.append(number)

    for number in range(3):
        threads.thread(lambda number=number: wait(number), "waiter").start()  # type: ignore[misc]
    threads.strands.settle()
    with condition:
        condition.notify(2)
        assert woken == []
    threads.strands.settle()

    assert woken == [0, 1]
    with condition:
        assert condition.wait_for(lambda: len(woken) == 3, 10.0)
        assert not condition.wait_for(lambda: False, 1.0)


def test_strands_are_used_on_one_thread(threads: StrandThreads) -> None:
    """Another thread is refused, for strands cannot go there."""
    refused: list[BaseException] = []

    def use() -> None:
        try:
            threads.strands.settle()
        except EngineError as error:
            refused.append(error)

    other = threading.Thread(target=use)
    other.start()
    other.join()

    assert "another thread" in str(refused[0])


@pytest.mark.parametrize("schedule", [Schedule(), Schedule(seed=7), Schedule(turns={2: 1, 5: 2})])
def test_repr_of_a_schedule_makes_the_same_choices(schedule: Schedule) -> None:
    """What a failure prints is enough to have the same order again."""
    again: Schedule = eval(repr(schedule))  # noqa: S307 - our own
    choosers = [Chooser(one) for one in (schedule, again)]

    choices = [[chooser.choose(1 + number % 4) for number in range(40)] for chooser in choosers]

    assert choices[0] == choices[1]
    assert Chooser(schedule).preempts() == (Chooser(again).choose(PREEMPT_ONE_IN) == 1)
