"""Tests of how many jobs a worker is given: no more than it has slots for, however its reports and its jobs cross."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from handler_rig import PATIENCE_S, Hold, Signals

from bequest import Engine, JobContext
from bequest.testing.manual_clock import ManualClock


def wait_for_rest(engine: Engine, left: int) -> None:
    """Wait until no more than *left* handlers have not reported."""
    working = engine._working
    with working._changed:
        assert working._changed.wait_for(lambda: len(working._working) == left, PATIENCE_S)


def test_jobs_that_end_together_make_no_more_leases_than_slots(clock: ManualClock) -> None:
    """Two reports in one group, each of which counts the same free slot, get one job for it."""
    signals = Signals()
    engine = Engine(":memory:", queues={"default": 2}, clock=clock)

    @engine.kind("slow")
    def slow(job: JobContext, number: int) -> None:
        signals.say(f"begun {number}")
        signals.wait(f"end {number}")

    with engine, ThreadPoolExecutor(1) as pool:
        engine.enqueue_many(slow, range(6))
        for number in (0, 1):
            signals.wait(f"begun {number}")
        clock.advance(1.0)  # so that nothing is leased ahead
        held = pool.submit(engine.manager.ask, Hold(signals=signals))
        signals.wait("held")
        for number in (0, 1):
            signals.say(f"end {number}")
            wait_for_rest(engine, 1 - number)

        signals.say("may go")

        held.result(PATIENCE_S)
        for number in (2, 3):
            signals.wait(f"begun {number}")
        (counted,) = engine.stats()
        for number in range(2, 6):
            signals.say(f"end {number}")
        engine.wait_idle(PATIENCE_S)
    assert (counted.jobs.completed, counted.jobs.running, counted.jobs.pending) == (2, 2, 2)
