"""Owns what the manager is asked; each message carries its own verb.

``apply(store)`` runs inside the manager's transaction and its result is the reply, sent once that is durable. Where
neighbours of one type are cheaper together, ``apply_all`` does them in one statement and returns their results in
order. A new operation is one message here and one verb of the store.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from ..engine.definitions import Definition
from ..engine.limits import KindTerms
from ..engine.records import (
    Completion,
    Created,
    Inheritance,
    Job,
    JobError,
    Json,
    Lease,
    LeaseRef,
    LogEntry,
    NewJob,
    Progress,
    Record,
    State,
    StoredDefinition,
)
from ..engine.run_status import RunStatus, status_of
from ..engine.store import Store


class Footing(enum.Enum):
    """On what the manager does a message."""

    GROUP = enum.auto()  # a transaction, with others
    LOOSE = enum.auto()  # a transaction of its own, in which foreign keys are neither looked at nor followed
    NONE = enum.auto()  # none: it comes between two transactions


class Request(Record, frozen=True, kw_only=True):
    """A message to the manager."""

    footing: ClassVar[Footing] = Footing.GROUP
    is_coalesced: ClassVar[bool] = False  # whether neighbours go through ``apply_all``
    is_repeatable: ClassVar[bool] = False  # whether twice is as once, because all that it writes carries tokens

    def apply(self, store: Store) -> Any:  # Any: each message has its own reply
        """Do it and return the reply."""
        raise NotImplementedError

    @classmethod
    def apply_all(cls, store: Store, messages: Sequence[Any]) -> list[Any]:  # Any: messages of this very class
        """Do all of *messages* and return their replies in order."""
        return [message.apply(store) for message in messages]


class CreateJob(Request, frozen=True, kw_only=True):
    """Make a job without a parent; reply ``Created``. With a definition, that is kept and named in the same write."""

    is_coalesced: ClassVar[bool] = True
    job: NewJob
    definition: Definition | None = None

    def apply(self, store: Store) -> Created:
        """Make it."""
        return self.apply_all(store, [self])[0]

    @classmethod
    def apply_all(cls, store: Store, messages: Sequence[Any]) -> list[Created]:
        """Make all of them in one statement."""
        own: Sequence[CreateJob] = messages
        return store.jobs.create([message._named(store) for message in own])

    def _named(self, store: Store) -> NewJob:
        if self.definition is None:
            return self.job
        return msgspec.structs.replace(self.job, definition_id=store.definitions.save(self.definition).id)


class CreateAlike(Request, frozen=True, kw_only=True):
    """Make many jobs that differ in their configs alone, all or none (I12); reply the range of their ids."""

    job: NewJob
    configs: tuple[Json, ...]

    def apply(self, store: Store) -> range:
        """Make them."""
        return store.jobs.create_alike(self.job, self.configs)


class SpawnChildren(Request, frozen=True, kw_only=True):
    """Make children of a job visible; reply their ids, None where a key is taken or the limit is reached."""

    parent_id: int
    jobs: tuple[NewJob, ...]
    seal: bool = False  # whether these are the last that the parent's steps make

    def apply(self, store: Store) -> list[int | None]:
        """Make them."""
        return store.parents.spawn(self.parent_id, self.jobs, seal=self.seal)


class UpdateJobStatus(Request, frozen=True, kw_only=True):
    """Move a job that nobody runs to another state."""

    job_id: int
    state: State
    error: JobError | None = None

    def apply(self, store: Store) -> None:
        """Move it."""
        store.jobs.update_status(self.job_id, self.state, error=self.error)


class UpdateJobProgress(Request, frozen=True, kw_only=True):
    """Note how far a job is."""

    job_id: int
    progress: Progress
    token: int | None = None  # of the lease, where the job is running

    def apply(self, store: Store) -> None:
        """Note it."""
        store.jobs.update_progress(self.job_id, self.progress, token=self.token)


class UpdateJobConfig(Request, frozen=True, kw_only=True):
    """Replace the config of a job that was never claimed and has no child."""

    job_id: int
    config: Json

    def apply(self, store: Store) -> None:
        """Replace it."""
        store.jobs.update_config(self.job_id, self.config)


class UpdateJobMetadata(Request, frozen=True, kw_only=True):
    """Merge keys into a job's metadata; acknowledged means that every child reads them from now on (I6, I7)."""

    is_coalesced: ClassVar[bool] = True
    job_id: int
    metadata: dict[str, Json]
    token: int | None = None  # of the lease, where its holder asks

    def apply(self, store: Store) -> None:
        """Merge them."""
        store.jobs.update_metadata(self.job_id, self.metadata, token=self.token)

    @classmethod
    def apply_all(cls, store: Store, messages: Sequence[Any]) -> list[None]:
        """Merge all, and write each job once."""
        store.jobs.merge_metadata([(one.job_id, one.metadata, one.token) for one in messages])
        return [None] * len(messages)


class IncrementJobMetadata(Request, frozen=True, kw_only=True):
    """Add to a counter in a job's metadata; reply the sum."""

    job_id: int
    key: str
    by: int = 1
    token: int | None = None  # of the lease, where its holder asks

    def apply(self, store: Store) -> int:
        """Add it."""
        return store.jobs.increment_metadata(self.job_id, self.key, self.by, token=self.token)


class GetJob(Request, frozen=True, kw_only=True):
    """Reply one ``Job``."""

    job_id: int

    def apply(self, store: Store) -> Job:
        """Read it."""
        return store.jobs.get(self.job_id)


class GetRunStatus(Request, frozen=True, kw_only=True):
    """Reply the ``RunStatus`` of a job."""

    job_id: int

    def apply(self, store: Store) -> RunStatus:
        """Read it."""
        return status_of(store.queries.job(self.job_id))


class GetParentMetadata(Request, frozen=True, kw_only=True):
    """Reply the ``Inheritance`` that a child of that parent has."""

    is_coalesced: ClassVar[bool] = True
    parent_id: int

    def apply(self, store: Store) -> Inheritance:
        """Read it."""
        return store.parents.inheritance(self.parent_id)

    @classmethod
    def apply_all(cls, store: Store, messages: Sequence[Any]) -> list[Inheritance]:
        """Read each parent once, and make a record of its own for each who asks."""
        return store.parents.inheritances([one.parent_id for one in messages])


class ListOpenRuns(Request, frozen=True, kw_only=True):
    """Reply the unfinished jobs of those kinds that have no parent and wait for children."""

    kinds: tuple[str, ...]

    def apply(self, store: Store) -> list[Job]:
        """Read them."""
        return store.parents.open_parents(self.kinds)


class AddJobLog(Request, frozen=True, kw_only=True):
    """Add lines to the logs of jobs; of a lease's holder nothing once its *token* is stale (I4)."""

    is_coalesced: ClassVar[bool] = True
    entries: tuple[LogEntry, ...]
    token: int | None = None  # None for what the engine itself says

    def apply(self, store: Store) -> None:
        """Add them."""
        store.logs.add_under([(entry, self.token) for entry in self.entries])

    @classmethod
    def apply_all(cls, store: Store, messages: Sequence[Any]) -> list[None]:
        """Add all of them in one statement."""
        own: Sequence[AddJobLog] = messages
        store.logs.add_under([(entry, message.token) for message in own for entry in message.entries])
        return [None] * len(own)


class ClaimJobs(Request, frozen=True, kw_only=True):
    """Claim up to *limit* due jobs of a queue, of the kinds in *terms*; reply ``Lease`` records, perhaps none."""

    queue: str
    terms: tuple[KindTerms, ...]
    limit: int
    lease_s: float

    def apply(self, store: Store) -> list[Lease]:
        """Claim them."""
        return store.claims.claim(self.queue, self.terms, self.limit, self.lease_s)


class OfferOnly(Request, frozen=True, kw_only=True):
    """Give out children of these parents and no other job, until the engine has stopped."""

    parent_ids: tuple[int, ...]

    def apply(self, store: Store) -> None:
        """Note it."""
        store.claims.offer_only(self.parent_ids)


class CompleteJobs(Request, frozen=True, kw_only=True):
    """End attempts, with all that they left; reply the ids of the jobs whose lease was lost."""

    is_coalesced: ClassVar[bool] = True
    is_repeatable: ClassVar[bool] = True
    completions: tuple[Completion, ...]

    def apply(self, store: Store) -> list[int]:
        """End them."""
        return store.completions.complete(self.completions)

    @classmethod
    def apply_all(cls, store: Store, messages: Sequence[Any]) -> list[list[int]]:
        """End all of them in one statement."""
        own: Sequence[CompleteJobs] = messages
        completions = [one for message in own for one in message.completions]
        if len({one.job_id for one in completions}) < len(completions):  # the reply names jobs, not their leases
            return [message.apply(store) for message in own]
        refused = set(store.completions.complete(completions))
        return [[one.job_id for one in message.completions if one.job_id in refused] for message in own]


class RenewLeases(Request, frozen=True, kw_only=True):
    """Let leases last so many seconds from now; reply the ids of the jobs whose lease was lost."""

    leases: tuple[LeaseRef, ...]
    lease_s: float

    def apply(self, store: Store) -> list[int]:
        """Renew them."""
        return store.leases.renew(self.leases, self.lease_s)


class ReleaseLeases(Request, frozen=True, kw_only=True):
    """Give leases back unused; reply the ids of the jobs whose lease was lost."""

    is_repeatable: ClassVar[bool] = True
    leases: tuple[LeaseRef, ...]

    def apply(self, store: Store) -> list[int]:
        """Give them back."""
        return store.leases.release(self.leases)


class ReclaimLeases(Request, frozen=True, kw_only=True):
    """Put back all that runs, because who runs it is being ended; reply how many jobs."""

    def apply(self, store: Store) -> int:
        """Put them back."""
        return store.leases.reclaim()


class FallDue(Request, frozen=True, kw_only=True):
    """End what has run out of time, fire schedules, make claimable what is due, and see when the next falls due."""

    def apply(self, store: Store) -> None:
        """Do it."""
        store.leases.expire()
        store.parents.end_overdue()
        store.schedules.fire_due()
        store.claims.promote()
        next_wakes = (store.leases.next_wake(), store.schedules.next_wake())
        store.changes.wake_at = min(store.changes.wake_at, *(at or math.inf for at in next_wakes))


class JudgeParents(Request, frozen=True, kw_only=True):
    """End the parents that are to end, or make their own step due; reply what each came to."""

    parent_ids: tuple[int, ...] | None = None  # None: all that wait

    def apply(self, store: Store) -> dict[int, State]:
        """Judge them."""
        return store.parents.judge(store.parents.waiting() if self.parent_ids is None else self.parent_ids)


class CancelRun(Request, frozen=True, kw_only=True):
    """Cancel a job with all its descendants; reply how many jobs."""

    job_id: int

    def apply(self, store: Store) -> int:
        """Cancel them."""
        return store.parents.cancel(self.job_id)


class SaveDefinition(Request, frozen=True, kw_only=True):
    """Keep a definition; reply the ``StoredDefinition``, an older equal one where there is one."""

    definition: Definition

    def apply(self, store: Store) -> StoredDefinition:
        """Keep it."""
        return store.definitions.save(self.definition)


class GetDefinition(Request, frozen=True, kw_only=True):
    """Reply one ``StoredDefinition``."""

    definition_id: int

    def apply(self, store: Store) -> StoredDefinition:
        """Read it."""
        return store.definitions.get(self.definition_id)
