"""What the tests of disks have a whole engine do: keyed jobs, a flow, metadata, reads; and what it was told of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bequest import Engine, EngineState, JobContext, JobHandle, Retry, State, child
from bequest.engine.errors import BequestError, CommitInDoubtError, DeadlineError, EngineError, StoreError
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

T = TypeVar("T")

MOMENT_S = 0.05  # in which what is due is mostly done
MOMENTS = 400  # until a test is given up
LATER_S = 5.0  # that pass in a moment
TRIES = 3
JOBS = 3


class EngineWorkload:
    """One engine over the database at *path*; what it acknowledged, and the errors that it answered with instead."""

    def __init__(self, path: Path, vfs: str) -> None:
        self.acknowledged: dict[str, int] = {}  # ids of jobs by their keys
        self.ended: set[int] = set()  # jobs that it said were completed
        self.errors: list[BequestError] = []
        self.clock = ManualClock()
        self.engine = Engine(path, vfs=vfs, clock=self.clock, queues={"default": 2})
        self._add_kinds()

    def start(self) -> bool:
        """Start it, twice if need be; return whether it runs."""
        for _ in range(TRIES):
            self.attempt(self.engine.start)
            if self.is_running:
                return True
        return False

    @property
    def is_running(self) -> bool:
        """Whether it says so."""
        return self.engine.health().state is EngineState.RUNNING

    def enqueue_all(self) -> None:
        """Make all jobs, each under its key, and again under the same where that fails."""
        for number in range(JOBS):
            self._enqueue(f"job {number}", lambda key: self.engine.enqueue(self.work, key=key))
        children = [child(self.work, key=f"child {number}") for number in range(2)]
        self._enqueue("flow", lambda key: self.engine.enqueue(self.gather, key=key, children=children))
        self.attempt(self.engine.jobs)

    def go_on(self, moments: int = MOMENTS) -> bool:
        """Let time pass until no job is left to do; return whether that came, or the engine has failed."""
        for _ in range(moments):
            if not self.is_running or (self.attempt(self._is_idle) and self._have_all_ended()):
                return True
        return False

    def attempt(self, act: Callable[[], T]) -> T | None:
        """Return what *act* returns, or None and note its error."""
        try:
            return act()
        except BequestError as error:
            self.errors.append(error)
            return None

    def _is_idle(self) -> bool:
        """Wait a moment for it to be idle, having let time pass."""
        self.clock.advance(LATER_S)
        try:
            self.engine.wait_idle(MOMENT_S)
        except DeadlineError:
            return False
        return True

    def _have_all_ended(self) -> bool:
        states = {key: self.attempt(self.engine.find_job(job_id).status) for key, job_id in self.acknowledged.items()}
        self.ended |= {status.job_id for status in states.values() if status and status.state is State.COMPLETED}
        return self.ended >= set(self.acknowledged.values())

    def _enqueue(self, key: str, make: Callable[[str], JobHandle[int]]) -> None:
        for _ in range(TRIES):
            handle = self.attempt(lambda: make(key))
            if handle is not None:
                self.acknowledged[key] = handle.id
                return

    def _add_kinds(self) -> None:
        retry = Retry(max_attempts=9)

        @self.engine.kind("work", retry=retry)
        def work(job: JobContext) -> int:
            job.update_metadata(label="seen")
            return job.increment("count")

        @self.engine.kind("gather", retry=retry)
        def gather(job: JobContext) -> int:
            return len(job.results(work))

        self.work, self.gather = work, gather


def is_true_cause(error: BequestError) -> bool:
    """Whether an error that a failing disk led to says so, or is of an engine that has stopped for it."""
    if isinstance(error, StoreError):
        return any(words in str(error) for words in ("disk I/O error", "disk is full", "unable to open database file"))
    return isinstance(error, EngineError)


def faults_after(path: Path, workload: EngineWorkload) -> list[str]:
    """Return what of that which was acknowledged the database at *path* does not have, or has twice."""
    store = Store.open(path, clock=workload.clock)
    try:
        with store.group():
            faults = [str(finding) for finding in store.queries.integrity()]
            keyed = store._database.rows("SELECT key, id, state FROM job WHERE key IS NOT NULL AND parent_id IS NULL")
    finally:
        store.close()
    if len({key for key, _, _ in keyed}) < len(keyed):
        faults.append("a key has two jobs")
    found = {key: job_id for key, job_id, _ in keyed}
    completed = {job_id for _, job_id, state in keyed if state == 3}
    faults += [f"{key} was lost" for key, job_id in workload.acknowledged.items() if found.get(key) != job_id]
    return faults + [f"the end of job {job_id} was lost" for job_id in workload.ended - completed]


def is_doubt(error: BequestError) -> bool:
    """Whether *error* leaves open whether the write is stored."""
    return isinstance(error, CommitInDoubtError)
