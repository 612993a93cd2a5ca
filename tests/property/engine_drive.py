"""An engine on a real file beside its model: what both are told to do is done, and then they are compared."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

from engine_handlers import PATIENCE_S, SLOTS, Desk, Handled, register
from engine_model import EngineJobs, new_job
from engine_watch import Watch
from hypothesis.stateful import RuleBasedStateMachine

from bequest import Engine, EngineState, EventsMissed, Job, JobHandle
from bequest.actors.event_hub import Subscription
from bequest.engine.records import STATES, KindCounts, NewJob, State
from bequest.testing.invariants import assert_invariants
from bequest.testing.manual_clock import ManualClock

TICK_S = 1.0  # so long every handler takes at least, or its jobs would be leased ahead as quick ones are
BEAT_S = 20.0  # between two renewals of a lease that lasts three times as long
SLOW_BUFFER = 5
LOOKS = 5_000  # at a lease, before nobody renews it
EVERY_S = 100.0  # of the schedule


class PauseOptions(TypedDict, total=False):
    """What ``Engine.pause`` takes."""

    queue: str
    kind: str
    run: int


class EngineDrive(RuleBasedStateMachine):
    """Holds both; the rules are a subclass's."""

    has_process = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="bequest-engine-"))
        self.clock = ManualClock()
        self.threads = set(threading.enumerate())
        self.jobs = EngineJobs()
        self.watch = Watch(self.jobs)
        self.schedule: NewJob | None = None
        self.fires_at = 0.0
        self.is_schedule_paused = False
        self.restarts = 0
        self.renewed_at = self.now
        self.make_engine()
        self.engine.start()

    def make_engine(self) -> None:
        """Make an engine on the file, with the kinds, and listen to it from its start on."""
        self.engine = Engine(self.folder / "jobs.db", queues=SLOTS, clock=self.clock, durability="relaxed")
        self.handled: Handled = register(self.engine, has_process=self.has_process)
        self.watch.number = self.slow_number = 0
        self.listen()

    def listen(self) -> None:
        """Subscribe, with one that reads at once and one that mostly reads too late."""
        self.events: Subscription = self.engine.events()
        self.slow: Subscription = self.engine.events(buffer=SLOW_BUFFER)

    def teardown(self) -> None:
        """Let everything come to its end, and leave no thread."""
        try:
            self.let_all_end()
        finally:
            for job_id in self.jobs.of_state(State.RUNNING):
                self.desk.dismiss((job_id, self.jobs[job_id].token))
            self.engine.stop()
            shutil.rmtree(self.folder)
        assert set(threading.enumerate()) <= self.threads

    def let_all_end(self) -> None:
        """Resume what is paused and let every handler go, until the engine says that it is idle."""
        for scope, name in [*self.jobs.pauses]:
            self.engine.resume(**pause_named(scope, name))
            self.jobs.pauses.discard((scope, name))
            self.settle()
        while running := self.jobs.of_state(State.RUNNING):
            self.tick()
            if running[0] in self.jobs.of_state(State.RUNNING):
                self.let_go(running[0])
        self.engine.wait_idle(PATIENCE_S)
        self.settle()
        self.compare_all()
        assert_invariants(self.engine)

    @property
    def desk(self) -> Desk:
        """Where the handlers are."""
        return self.handled.desk

    @property
    def now(self) -> float:
        """The time."""
        return self.clock.now()

    # What happens

    def settle(self) -> None:
        """Have all come that is to come, and compare."""
        self.pump()
        self.compare()
        assert self.events.get(timeout_s=0.0) is None

    def pump(self) -> None:
        """Read events until there is nothing to come: nothing is expected, and nothing may be started."""
        while not self.jobs.is_all_told or self.jobs.failing() or self.watch.startable(self.now):
            self.take(PATIENCE_S)
        for job_id in self.jobs.of_state(State.RUNNING):
            if self.jobs[job_id].kind != "apart":
                self.desk.visit((job_id, self.jobs[job_id].token))
        self.wait_for_renewals()

    def take(self, timeout_s: float) -> None:
        """Take one event; what runs apart ends by itself."""
        event = self.events.get(timeout_s)
        self.watch.take(event, self.now, self.desk)
        for job_id in self.jobs.of_state(State.RUNNING):
            if self.jobs[job_id].kind == "apart":
                self.jobs.finish(job_id, self.now)

    def tick(self, seconds: float = TICK_S) -> None:
        """Let time pass, no more at once than a lease can bear."""
        while seconds > 0:
            step = min(seconds, BEAT_S)
            seconds -= step
            self.clock.advance(step)
            self.fire()
            late = [self.desk.visit((one, self.jobs[one].token)) for one in self.time_out()]
            self.pump()
            for visit in late:
                visit.thread.join(PATIENCE_S)

    def time_out(self) -> list[int]:
        """Give up what takes too long."""
        late = [
            job_id
            for job_id in self.jobs.of_state(State.RUNNING)
            if self.jobs[job_id].began + (self.jobs[job_id].timeout_s or self.now) <= self.now
        ]
        for job_id in late:
            self.jobs.time_out(job_id, self.now)
        return late

    def fire(self) -> None:
        """Have the schedule make its job: one for all times that have passed."""
        if self.schedule is not None and not self.is_schedule_paused and self.fires_at <= self.now:
            missed = (self.now - self.fires_at) // EVERY_S
            metadata = {"schedule": "often", "fire_at": self.fires_at + missed * EVERY_S}
            self.jobs.expect_birth(new_job("work", self.schedule.config, metadata=metadata))
            self.fires_at += (missed + 1) * EVERY_S

    def let_go(self, job_id: int) -> None:
        """Let the handler of a job go on to its end."""
        visit = self.desk.visit((job_id, self.jobs[job_id].token))
        self.jobs.finish(job_id, self.now)
        visit.let_go()
        self.settle()

    def stop(self, *, gap_s: float, is_new: bool, last: Callable[[], None], grace_s: float = 0.0) -> None:
        """Stop the engine, let time pass, and start it or another one on the same file."""
        self.restarts += 1
        self.watch.may_begin = False
        last()
        self.engine.stop(grace_s)
        while (event := self.events.get()) is not None:
            self.watch.take(event, self.now, self.desk)
        assert self.engine.health().state is EngineState.STOPPED
        assert set(threading.enumerate()) <= self.threads
        self.read_slow()
        self.clock.advance(gap_s)
        self.watch.may_begin = True
        if is_new:
            self.make_engine()
        else:
            self.listen()
        self.engine.start()
        self.fire()
        self.settle()

    def read_slow(self) -> None:
        """Have the slow reader read: it is told how many events it has lost, and has the newest."""
        while (event := self.slow.get(timeout_s=0.0)) is not None:
            missed = event.count - 1 if isinstance(event, EventsMissed) else 0
            assert event.number == self.slow_number + 1 + missed
            self.slow_number = event.number
        assert self.slow_number == self.watch.number

    # What is compared

    def compare(self) -> None:
        """I1, I2, I4, I5, I9, I13: the rows, the counters and the health are as the model has them."""
        parents = {job.parent for job in self.jobs.values()}
        found = [view.job for parent in parents for view in self.engine.jobs(parent_id=parent, limit=1000)]
        assert sorted(job.id for job in found) == sorted(self.jobs)
        for job in found:
            self.compare_row(job)
        counted = {(one.queue, one.kind, state): getattr(one.jobs, state) for one in self.stats() for state in STATES}
        for (queue, kind, state), count in counted.items():
            assert count == self.jobs.count(queue, kind, state)
        assert sum(counted.values()) == len(self.jobs)
        health = self.engine.health()
        assert (health.state, health.restarts, health.cause) == (EngineState.RUNNING, 0, None)

    def stats(self) -> list[KindCounts]:
        """Return the counters."""
        return self.engine.stats()

    def compare_row(self, row: Job) -> None:
        """Compare one row."""
        job = self.jobs[row.id]
        assert (row.state, row.attempts, row.token) == (job.state, job.attempts, job.token), row
        assert row.lease_until is None or row.lease_until > self.now + BEAT_S, row
        assert (row.result, row.error and row.error.type) == (job.result, job.error), row
        assert (row.progress, row.metadata, row.priority) == (job.progress, job.metadata, job.priority), row
        assert (row.parent_id, row.kind, row.queue, row.tags) == (job.parent, job.kind, job.queue, job.tags), row
        assert row.run_at == job.run_at or job.state is not State.PENDING, (row, job.run_at)

    def wait_for_renewals(self) -> None:
        """Wait until the leases of what runs last on, without anybody's asking."""
        if self.now < self.renewed_at + BEAT_S:
            return
        self.renewed_at = self.now
        for job_id in self.jobs.of_state(State.RUNNING):
            looks = (self.engine.find_job(job_id).job().lease_until or 0.0 for _ in range(LOOKS))
            assert any(until > self.now + 2 * BEAT_S for until in looks), f"the lease of {job_id} is not renewed"

    def compare_all(self) -> None:
        """Compare what is kept beside the rows: errors, logs, results, and children by state."""
        for job_id, job in self.jobs.items():
            handle: JobHandle[Any] = self.engine.find_job(job_id)
            assert [(one.attempt, one.error.type) for one in handle.errors()] == self.jobs[job_id].errors
            line = self.jobs.line_below(job_id)
            said = [(one.job_id, one.message) for one in handle.logs()]
            assert said == [(one, text) for one, text in self.jobs.log if one in line]
            assert handle.status().pages == self.jobs.counts(job_id)
            if job.state.is_final:
                assert handle.wait(PATIENCE_S) is job.state
            if job.state is State.COMPLETED:
                assert handle.result(PATIENCE_S) == self.jobs[job_id].result


def pause_named(scope: str, name: str) -> PauseOptions:
    """Return what ``Engine.pause`` takes."""
    match scope:
        case "queue":
            return {"queue": name}
        case "kind":
            return {"kind": name}
        case "run":
            return {"run": int(name)}
    return {}
