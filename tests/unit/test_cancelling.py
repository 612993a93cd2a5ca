"""Tests of cancelling by filter: what matches when it is asked for, all of it and nothing else."""

from __future__ import annotations

import pytest
from handler_rig import PATIENCE_S, Signals

from bequest import Engine, JobContext, JobFilter, State


def test_cancelling_what_runs_leaves_what_begins_in_its_place() -> None:
    """A filter by state means the jobs that are in it; those that come into it by the cancelling go on."""
    signals = Signals()
    engine = Engine(":memory:", queues={"default": 1})

    @engine.kind("held")
    def held(job: JobContext, number: int) -> int:
        signals.say(f"begun {number}")
        if number == 0:
            job.wait(PATIENCE_S)
        return number

    with engine:
        jobs = engine.enqueue_many(held, range(4))
        signals.wait("begun 0")

        count = engine.cancel_jobs(JobFilter(state=State.RUNNING))

        assert [job.wait(PATIENCE_S) for job in jobs] == ["cancelled", *["completed"] * 3]
    assert count == 1


@pytest.mark.parametrize("jobs", [4, 5])
def test_more_jobs_than_are_cancelled_at_once_are_cancelled(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What matches is cancelled in groups, to the last of it."""
    monkeypatch.setattr("bequest.actors.job_interface.CANCELLED_AT_ONCE", 2)
    engine = Engine(":memory:")

    @engine.kind("later")
    def later(job: JobContext) -> None: ...

    with engine:
        made = [engine.enqueue(later, delay_s=3600.0, tags=["weekly"]) for _ in range(jobs)]
        other = engine.enqueue(later, delay_s=3600.0)

        count = engine.cancel_jobs(JobFilter(tag="weekly"))

        assert {job.wait(PATIENCE_S) for job in made} == {"cancelled"}
        assert other.job().state is State.PENDING
    assert count == jobs
