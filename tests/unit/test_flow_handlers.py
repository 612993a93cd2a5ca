"""What a parent's own step sees of its children: what BullMQ's parents and the callbacks of Oban's batches are told."""

from __future__ import annotations

from typing import Any

import pytest
from handler_rig import ONCE, PATIENCE_S, Signals, engine_with_slots

from bequest import (
    Discard,
    Engine,
    InvalidJobError,
    JobCancelledError,
    JobContext,
    JobFailedError,
    Kind,
    OnFailure,
    State,
    child,
)
from bequest.testing.manual_clock import ManualClock

COUNT, FAIL, IGNORE, CONTINUE = OnFailure.COUNT, OnFailure.FAIL, OnFailure.IGNORE, OnFailure.CONTINUE


def kinds_of(engine: Engine, signals: Signals | None = None) -> tuple[Kind[int, Any], Kind[Any, Any]]:
    """Register a kind that fails where its config is odd, and a parent whose step says what it sees."""

    @engine.kind("part", retry=ONCE)
    def part(job: JobContext, n: int) -> int:
        if signals is not None and n == 4:
            signals.say("begun")
            job.wait(PATIENCE_S)
        if n % 2:
            raise Discard(f"{n} is odd")
        return n

    @engine.kind("whole", retry=ONCE)
    def whole(job: JobContext) -> dict[str, Any]:
        seen = {
            "results": job.results(part),
            "failures": [one.error.message for one in job.failures() if one.error is not None],
            "cancelled": len(job.children(State.CANCELLED)),
            "children": len(job.children()),
        }
        if signals is not None:
            signals.say("went on")
        return seen

    return part, whole


def test_step_after_the_children_reads_what_each_came_to() -> None:
    """BullMQ, getChildrenValues and getIgnoredChildrenFailures; Oban, batch_exhausted: however they ended."""
    engine = engine_with_slots()
    part, whole = kinds_of(engine)

    with engine:
        children = [child(part, n, on_failure=IGNORE) for n in range(5)]
        seen = engine.enqueue(whole, children=children).result(PATIENCE_S)

    assert seen == {"results": [0, 2, 4], "failures": ["1 is odd", "3 is odd"], "cancelled": 0, "children": 5}


def test_step_that_goes_on_early_sees_why_and_what_is_left() -> None:
    """BullMQ, getFailedChildrenValues: empty unless a child has failed; Oban, batch_discarded: as soon as one has."""
    engine = engine_with_slots(slots=2)
    signals = Signals()
    part, whole = kinds_of(engine, signals)

    with engine:
        job = engine.enqueue(whole, children=[child(part, 4), child(part, 7, on_failure=CONTINUE)])
        signals.wait("begun")
        signals.wait("went on")
        (running,) = engine.jobs(parent_id=job.id, state=State.RUNNING)
        assert engine.find_job(running.job.id).cancel() == 1
        seen = job.result(PATIENCE_S)

    assert seen == {"results": [], "failures": ["7 is odd"], "cancelled": 0, "children": 2}


def test_step_does_not_run_where_a_child_fails_its_parent() -> None:
    """Oban, batch_completed: only where all of them succeeded; the caller is told how many did not."""
    engine = engine_with_slots()
    part, whole = kinds_of(engine)

    with engine:
        job = engine.enqueue(whole, children=[child(part, 2), child(part, 1, on_failure=FAIL)])
        with pytest.raises(JobFailedError, match="1 of 2 children failed"):
            job.result(PATIENCE_S)
        assert job.job().result is None


def test_step_sees_children_that_were_cancelled() -> None:
    """Oban, batch_cancelled: one may be told of them; ours counts none as a failure."""
    engine = engine_with_slots()
    part, whole = kinds_of(engine)

    with engine:
        engine.pause(kind="part")
        job = engine.enqueue(whole, children=[child(part, 1), child(part, 2)])
        first, _ = engine.jobs(parent_id=job.id)
        engine.find_job(first.job.id).cancel()
        engine.resume(kind="part")

        assert job.result(PATIENCE_S) == {"results": [2], "failures": [], "cancelled": 1, "children": 2}


def test_parent_with_no_children_given_runs_at_once() -> None:
    """BullMQ, children as an empty array: the parent is processed."""
    engine = engine_with_slots()
    _, whole = kinds_of(engine)

    with engine:
        assert engine.enqueue(whole, children=[]).result(PATIENCE_S)["children"] == 0


def test_steps_at_run_time_each_wait_for_their_children() -> None:
    """BullMQ, step jobs that move to waiting-children as they go: ours spawn in the handler and after the children."""
    engine = engine_with_slots()
    part, _ = kinds_of(engine)

    @engine.kind("steps", retry=ONCE)
    def steps(job: JobContext) -> None:
        job.spawn(part, 2)

    @steps.after_children
    def more(job: JobContext) -> list[int]:
        before = job.results(part)
        job.spawn(part, 4)
        return before

    with engine:
        job = engine.enqueue(steps)
        assert job.result(PATIENCE_S) == [2]
        assert job.status().pages.completed == 2


def test_parent_that_fails_in_its_step_says_its_own_error() -> None:
    """BullMQ, a parent that failed by itself: with its last error, and its children are those of no success."""
    engine = engine_with_slots()
    part, _ = kinds_of(engine)

    @engine.kind("broken", retry=ONCE)
    def broken(job: JobContext) -> None:
        raise ValueError("broken by itself")

    with engine:
        job = engine.enqueue(broken, children=[child(part, 2)])
        with pytest.raises(JobFailedError, match="broken by itself"):
            job.result(PATIENCE_S)


def test_caller_that_waits_is_told_that_a_flow_was_cancelled() -> None:
    """Oban, Relay: whoever awaits gets the value, or that the job was cancelled, discarded or too late."""
    engine = engine_with_slots()
    part, whole = kinds_of(engine)

    with engine:
        engine.pause(kind="part")
        job = engine.enqueue(whole, children=[child(part, 2)])
        assert job.cancel() == 2
        with pytest.raises(JobCancelledError):
            job.result(PATIENCE_S)


def test_parent_with_a_delay_runs_after_it_and_after_its_children() -> None:
    """BullMQ, a parent with a delay: also where the caller said so in seconds."""
    clock = ManualClock()
    engine = Engine(":memory:", clock=clock)
    part, whole = kinds_of(engine)

    with engine:
        job = engine.enqueue(whole, children=[child(part, 2)], delay_s=60.0)
        engine.wait_idle(PATIENCE_S)
        before = job.job().state, job.status().pages.completed
        clock.advance(60.0)
        seen = job.result(PATIENCE_S)

    assert (before, seen["results"]) == ((State.PENDING, 1), [2])


def test_parent_reads_any_number_of_children() -> None:
    """BullMQ, dependencies by pages: ours are read in pages, oldest first, and given as one list."""
    engine = engine_with_slots()

    @engine.kind("leaf")
    def leaf(job: JobContext, n: int) -> int:
        return n

    @engine.kind("tree")
    def tree(job: JobContext) -> list[int]:
        return job.results(leaf)

    with engine:
        assert engine.enqueue(tree, children=[child(leaf, n) for n in range(1001)]).result(60.0) == [*range(1001)]


def test_job_whose_stored_config_no_longer_fits_fails_at_once() -> None:
    """River retries what it cannot decode; ours gives it up, for it will not fit the next time (I5)."""
    engine = engine_with_slots()

    @engine.kind("changed")
    def changed(job: JobContext, n: int) -> int:
        return n

    changed.config_type = list[int]  # as the program before this one had it
    with engine:
        engine.pause(kind="changed")
        job = engine.enqueue(changed, [1])
        changed.config_type = int
        engine.resume(kind="changed")
        with pytest.raises(JobFailedError, match="config"):
            job.result(PATIENCE_S)
        failed = job.job()

    assert (failed.attempts, failed.error and failed.error.type) == (1, InvalidJobError.__name__)
