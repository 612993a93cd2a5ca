"""The time that a job has for all its attempts and all below it, as a program sees it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from handler_rig import PATIENCE_S, Signals

from bequest import Engine, JobCancelledError, JobContext, JobFailedError, JobHandle, Kind, Retry, State, child
from bequest.testing.manual_clock import ManualClock


class Rig:
    """An engine whose clock stands, with a kind that waits until it is told, and one that leaves that to a child."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.engine = Engine(":memory:", clock=clock, queues={"default": 2})
        self.signals = Signals()

        @self.engine.kind("wait", retry=Retry(max_attempts=3))
        def wait(job: JobContext) -> str:
            """Wait, and say something once it is too late."""
            self.signals.say("waiting")
            try:
                job.wait(PATIENCE_S)
            except JobCancelledError:
                self.signals.say("told")
            return "late"

        @self.engine.kind("spawn")
        def spawn(job: JobContext) -> None:
            """Leave the work to a child."""
            job.spawn(wait)

        self.wait: Kind[None, str] = wait
        self.spawn: Kind[None, None] = spawn

    def made(self, how: str) -> JobHandle[None]:
        """Make a job that has ten seconds."""
        match how:
            case "job":
                return self.engine.enqueue("wait", run_timeout_s=10.0)
            case "one of many":
                return self.engine.enqueue_many("spawn", [None], run_timeout_s=10.0)[0]
            case "spawned":
                return self.engine.enqueue("spawn", run_timeout_s=10.0)
        return self.engine.enqueue("wait", children=[child(self.wait)], run_timeout_s=10.0)


@pytest.fixture
def rig(clock: ManualClock) -> Iterator[Rig]:
    rig = Rig(clock)
    with rig.engine:
        yield rig


@pytest.mark.parametrize("how", ["job", "one of many", "spawned", "flow"])
def test_job_that_is_out_of_time_fails_and_its_handlers_are_told(rig: Rig, how: str) -> None:
    """At its time, with what is below it; what a handler returns then is refused, and nothing of it is tried again."""
    made = rig.made(how)
    rig.signals.wait("waiting")

    rig.clock.advance(10.0)

    with pytest.raises(JobFailedError, match="not everything had ended when its time was over"):
        made.result(PATIENCE_S)
    rig.signals.wait("told")
    rig.engine.wait_idle(PATIENCE_S)
    below = rig.engine.jobs(parent_id=made.id)
    assert made.job().state is State.FAILED
    assert [(view.job.state, view.job.result) for view in below] == [(State.CANCELLED, None)] * (how != "job")
    assert made.job().result is None


def test_job_that_ends_within_its_time_is_left_alone(rig: Rig) -> None:
    """Its time means nothing any more."""
    made: JobHandle[None] = rig.engine.enqueue("spawn", run_timeout_s=10.0)
    rig.signals.wait("waiting")
    made.cancel()

    rig.clock.advance(10.0)
    rig.engine.wait_idle(PATIENCE_S)

    assert made.job().state is State.CANCELLED


def test_job_that_is_retried_has_its_time_anew(rig: Rig) -> None:
    """It is not over at once."""
    made = rig.made("flow")
    rig.signals.wait("waiting")
    rig.clock.advance(10.0)
    assert made.wait(PATIENCE_S) is State.FAILED
    rig.signals["waiting"].clear()

    made.retry()

    rig.signals.wait("waiting")
    rig.clock.advance(9.0)
    assert made.job().state is State.WAITING
    rig.clock.advance(1.0)
    assert made.wait(PATIENCE_S) is State.FAILED
