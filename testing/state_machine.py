"""Owns the state machine by which users test handlers of their own: jobs in any order, crashes, kills and time.

    class Transfers(EngineStateMachine):
        def register(self, engine): ...         # the kinds
        def submissions(self): ...              # what is enqueued
        def check_end(self): ...                # what must be true once every job has ended

    TestTransfers = Transfers.TestCase

Everything happens on one thread; Hypothesis looks for the order that breaks it, and shrinks that.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ..actors.job_handle import JobHandle
from ..engine.errors import EngineError, EngineStoppedError
from .inline_engine import InlineEngine, drain
from .invariants import assert_invariants
from .manual_clock import ManualClock
from .order_strategies import crashes, schedules
from .patience import patiently
from .schedule import Schedule
from .strand_threads import Crash
from .strands import Interrupted

T = TypeVar("T")
BEAT_S = 20.0  # between two renewals of leases
LEAST_REST_S = 1_000.0  # that all jobs have to end, once nothing more is submitted


class Submission(NamedTuple):
    """What is enqueued: the name of a kind, its config, and options of ``Engine.enqueue`` other than the key."""

    kind: str
    config: Any = None
    options: dict[str, Any] = {}  # noqa: RUF012 - not changed


def submission(
    kind: str, config: st.SearchStrategy[Any] | None = None, **options: st.SearchStrategy[Any]
) -> st.SearchStrategy[Submission]:
    """Give submissions of one kind: configs of *config*, and *options* of ``enqueue``, each drawn from its strategy."""
    configs = st.none() if config is None else config
    return st.builds(Submission, st.just(kind), configs, st.fixed_dictionaries(options))


class EngineStateMachine(RuleBasedStateMachine):
    """Submits jobs, lets them run and time pass, crashes actors, and kills and restarts the engine.

    ``jobs`` has the handle of each acknowledged job by its key; it is a new one after each restart.
    """

    jobs: dict[str, JobHandle[Any]]
    engine: InlineEngine

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="bequest-test-")
        self._schedule = Schedule()
        self.clock = ManualClock()
        self.jobs = {}

    # What a subclass says

    def register(self, engine: InlineEngine) -> None:
        """Register the kinds with a new engine; called before it starts."""
        raise NotImplementedError

    def submissions(self) -> st.SearchStrategy[Submission]:
        """Return what may be enqueued."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise ``AssertionError`` for what must not be; called whenever nothing more can be done without time."""

    def check_end(self) -> None:
        """Raise ``AssertionError`` for what must not be once every job has ended."""

    # What happens

    @initialize(schedule=schedules())
    def begin(self, schedule: Schedule) -> None:
        """Start the engine, in an order of events that Hypothesis chooses."""
        self._schedule = schedule
        self._open()

    @rule(data=st.data())
    def submit(self, data: st.DataObject) -> None:
        """Enqueue a job, as often as it takes to be told that it is stored."""
        kind, config, options = data.draw(self.submissions())
        key = f"job {len(self.jobs) + 1}"
        self.jobs[key] = self._patiently(lambda: self.engine.enqueue(kind, config, key=key, **options))

    @rule()
    def work(self) -> None:
        """Run all that is due."""
        self._patiently(lambda: drain(self.engine))
        self._check()

    @rule(seconds=st.sampled_from([1.0, 30.0, 300.0]))
    def let_time_pass(self, seconds: float) -> None:
        """Let time pass, and run what falls due; not so much at once that a lease would end that is held."""
        self.work()
        while seconds > 0:
            step = min(seconds, BEAT_S)
            seconds -= step
            self.clock.advance(step)
            self.work()

    @rule(crash=crashes())
    def crash(self, crash: Crash) -> None:
        """Have an actor die at one of its next messages."""
        self.engine.in_line.plant(crash)

    @rule(steps=st.integers(0, 15) | st.integers(0, 100))  # most handlers run soon
    def kill(self, steps: int) -> None:
        """Kill the engine in the middle of its work, and start another one on the file."""
        self.engine.in_line.strands.interrupt_after(steps)
        with suppress(Interrupted, EngineStoppedError, EngineError):
            drain(self.engine)
        self.engine.kill()
        self._open()
        self._check()

    @rule()
    def restart(self) -> None:
        """Stop the engine in order, and start another one on the file."""
        self.engine.stop()
        self._open()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel a job."""
        key = data.draw(st.sampled_from(sorted(self.jobs)))
        self._patiently(lambda: self._job(key).cancel())

    def teardown(self) -> None:
        """Let every job come to its end."""
        try:
            if hasattr(self, "engine"):
                self._finish()
        finally:
            self._folder.cleanup()

    def _finish(self) -> None:
        try:
            self.engine.in_line.disarm()
            for key in self.jobs:
                self._patiently(lambda key=key: self._job(key).wait(math.inf))  # type: ignore[misc]
            self._patiently(lambda: self.engine.wait_idle(LEAST_REST_S))
            self._check()
            self.check_end()
        finally:
            self.engine.stop()

    def _job(self, key: str) -> JobHandle[Any]:
        return self.engine.find_job(self.jobs[key].id)

    def _open(self) -> None:
        engine = InlineEngine(f"{self._folder.name}/jobs.db", clock=self.clock, schedule=self._schedule)
        self.register(engine)
        engine.start()
        self.engine = engine

    def _check(self) -> None:
        self._patiently(lambda: assert_invariants(self.engine))
        self.check()

    def _patiently(self, ask: Callable[[], T]) -> T:
        return patiently(self.engine, ask)
