"""Owns what a handler holds of the job that it runs.

What it writes carries the lease's token, so a handler that was given up changes nothing. Children that it spawns appear
in the transaction that ends the attempt: an attempt that fails leaves none, and a retry doubles none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, Unpack

import msgspec

from ..engine.clock import Clock
from ..engine.errors import JobCancelledError, JobNotFoundError, MetadataError
from ..engine.number_rules import is_whole
from ..engine.queries import JobView
from ..engine.records import Inheritance, Job, Json, Lease, LeaseRef, NewJob, OnFailure, State
from .address import Address
from .given import check_place, check_timeout
from .job_interface import JobOptions, checked
from .job_words import child_job, log_entry, on_failure_of, progress_of
from .kinds import Kind, as_kind
from .messages import (
    AddJobLog,
    GetJob,
    GetParentMetadata,
    IncrementJobMetadata,
    RenewLeases,
    UpdateJobMetadata,
    UpdateJobProgress,
)
from .query_messages import ListJobs
from .threads import Event

R = TypeVar("R")
CHILDREN_A_TIME = 1000


class JobContext:
    """The job that runs; made by the engine and given to the handler. Used by the handler's thread or task."""

    def __init__(self, lease: Lease, manager: Address, clock: Clock, *, lease_s: float) -> None:
        self.id = lease.job_id
        self.kind = lease.kind
        self.attempt = lease.attempts  # 1 for the first
        self.max_attempts = lease.max_attempts
        self.parent_id = lease.parent_id
        self.metadata: dict[str, Json] = lease.metadata  # as it was at the claim
        self.spawned: list[NewJob] = []
        self._lease = lease
        self._lease_s = lease_s
        self._manager = manager
        self._clock = clock
        self._is_lost = False
        self._lost: Event | None = None  # made by who waits for it: most jobs never do
        self._when_lost: Callable[[bool], None] | None = None
        self._ending = threading.Lock()  # held while the handler is told, so that nobody is who comes after it

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled, timed out or passed to somebody else: what it does counts no more."""
        return self._is_lost

    def check(self) -> None:
        """Raise ``JobCancelledError`` if the job is ``cancelled``."""
        if self.cancelled:
            raise JobCancelledError(f"job {self.id} was cancelled or its lease has ended; stop here")

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the job is cancelled; raises ``JobCancelledError`` then."""
        check_timeout(seconds)
        self._losing().wait(seconds)
        self.check()

    def heartbeat(self) -> None:
        """Let the lease last anew; raises ``JobCancelledError`` if it is lost. The engine renews it by itself too."""
        lost: list[int] = self._manager.ask(RenewLeases(leases=(self.ref,), lease_s=self._lease_s))
        if lost:
            with self._ending:
                self._note_lost()
        self.check()

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Note how far the job is; durable soon after, nobody waits for it. Raises ``InvalidJobError``."""
        progress = progress_of(self.id, done, total, message)
        self._manager.tell(UpdateJobProgress(job_id=self.id, progress=progress, token=self._lease.token))

    def log(self, message: str, *, level: str = "INFO", **fields: Json) -> None:
        """Add a line to the job's log: a fixed sentence, with what varies in *fields*; nobody waits for it.

        Raises ``LogLevelError``, and ``MetadataError`` for fields that JSON cannot hold.
        """
        entry = log_entry(self.id, self._clock.now(), message, level, fields)
        self._manager.tell(AddJobLog(entries=(entry,), token=self._lease.token))

    def update_metadata(self, **changes: Json) -> None:
        """Merge keys into the job's metadata, which its children inherit; durable on return.

        Raises ``MetadataError``, and ``LeaseLostError`` when the job has passed to somebody else.
        """
        self._manager.ask(UpdateJobMetadata(job_id=self.id, metadata=changes, token=self._lease.token))
        self.metadata = {**self.metadata, **changes}

    def increment(self, key: str, by: int = 1) -> int:
        """Add to a counter in the job's metadata and return the sum; durable on return."""
        if not is_whole(by):
            raise MetadataError(f"asked to add {by!r} to {key!r} of job {self.id}; a counter grows by whole numbers")
        message = IncrementJobMetadata(job_id=self.id, key=key, by=by, token=self._lease.token)
        total: int = self._manager.ask(message)
        return total

    def parent_metadata(self) -> dict[str, Json]:
        """Return what the parent leaves its children, as acknowledged last; empty without a parent (I7)."""
        if self.parent_id is None:
            return {}
        found: Inheritance = self._manager.ask(GetParentMetadata(parent_id=self.parent_id))
        return found.metadata

    def spawn(
        self,
        kind: Kind[Any, Any],
        config: Any = None,
        *,
        on_failure: OnFailure | str = OnFailure.COUNT,
        **options: Unpack[JobOptions],
    ) -> None:
        """Make a child of this job, once this attempt has succeeded; the options are those of ``Engine.enqueue``.

        A child whose key another child of this job has is left out. Raises ``InvalidJobError`` and ``MetadataError``
        at once.
        """
        fields = checked(options, self._clock.now())
        self.spawn_job(as_kind(kind).new_job(config, on_failure=on_failure_of(on_failure), **fields))

    def children(self, state: State | None = None) -> list[Job]:
        """Return the job's children, oldest first; meant for its own step after them."""
        check_place(state=state, parent_id=self.id, after_id=0, limit=CHILDREN_A_TIME)
        found: list[Job] = []
        while True:
            after_id = found[-1].id if found else 0
            query = ListJobs(state=state, parent_id=self.id, after_id=after_id, limit=CHILDREN_A_TIME)
            views: list[JobView] = self._manager.ask(query)
            found += [view.job for view in views]
            if len(views) < CHILDREN_A_TIME:
                return found

    def results(self, kind: Kind[Any, R]) -> list[R]:
        """Return what the completed children of that kind returned, oldest first."""
        completed = [job for job in self.children(State.COMPLETED) if job.kind == kind.name]
        return [kind.read_result(job.result) for job in completed]

    def failures(self) -> list[Job]:
        """Return the children that failed, with their ``error``."""
        return self.children(State.FAILED)

    def result_of(self, job_id: int, type_: type[R] | None = None) -> R | Json:
        """Return what another job returned, as *type_* where that is given; raises ``JobNotFoundError``."""
        job: Job = self._manager.ask(GetJob(job_id=job_id))
        if job.state is not State.COMPLETED:
            raise JobNotFoundError(f"asked for the result of job {job_id}, found it {job.state}")
        return job.result if type_ is None else msgspec.convert(job.result, type_)

    def spawn_job(self, job: NewJob, *, delay_s: float | None = None) -> None:
        """Make *job* a child of this job, once this attempt has succeeded; due *delay_s* seconds from now."""
        if delay_s is not None:
            job = msgspec.structs.replace(job, run_at=self._clock.now() + delay_s)
        self.spawned.append(child_job(job, self.id))

    def is_cancelled(self) -> bool:
        """Return ``cancelled``; for a handler that asks from another process."""
        return self.cancelled

    def lose(self, *, is_given_up: bool = False) -> None:
        """Note that the lease is lost, or even that nobody waits for the handler any more; for the engine."""
        with self._ending:
            self._note_lost()
            if self._when_lost is not None:
                self._when_lost(is_given_up)

    def on_lost(self, act: Callable[[bool], None] | None) -> None:
        """Have *act* called as ``lose`` is, at once if it was by now; it must not wait. For the engine."""
        with self._ending:
            self._when_lost = act
            if act is not None and self.cancelled:
                act(False)

    def _losing(self) -> Event:
        """Return the event of it being lost."""
        with self._ending:
            if self._lost is None:
                self._lost = self._manager.threads.event()
                if self._is_lost:
                    self._lost.set()
            return self._lost

    def _note_lost(self) -> None:
        self._is_lost = True
        if self._lost is not None:
            self._lost.set()

    @property
    def ref(self) -> LeaseRef:
        """The name of the lease."""
        return LeaseRef(job_id=self.id, token=self._lease.token)
