"""Owns what people ask to be done to jobs that exist: retry, delete, pause and resume."""

from __future__ import annotations

from ..engine.filters import JobFilter
from ..engine.pauses import Pause
from ..engine.queries import Queries
from ..engine.records import AttemptError, KindCounts, Record
from ..engine.store import Store
from .messages import Request
from .query_messages import Query


class RetryJob(Request, frozen=True, kw_only=True):
    """Make a final job due again, or what failed below it; reply how many jobs are due."""

    job_id: int

    def apply(self, store: Store) -> int:
        """Make it due."""
        return store.control.retry(self.job_id)


class DeleteJob(Request, frozen=True, kw_only=True):
    """Delete a job with its descendants and all that belongs to them; reply how many jobs."""

    job_id: int

    def apply(self, store: Store) -> int:
        """Delete it."""
        return store.control.delete(self.job_id)


class Cancelled(Record, frozen=True, kw_only=True):
    """What was cancelled in one go."""

    jobs: int  # with their descendants
    go_on_after: int | None  # the id of the last that matched; None where there is no more


class CancelJobs(Request, frozen=True, kw_only=True):
    """Cancel up to *limit* unfinished jobs that match, with their descendants; reply ``Cancelled``."""

    filter: JobFilter
    after_id: int = 0
    limit: int

    def apply(self, store: Store) -> Cancelled:
        """Cancel them."""
        found = store.control.matching(self.filter, self.limit, after_id=self.after_id)
        jobs = sum(store.parents.cancel(job_id) for job_id in found)
        return Cancelled(jobs=jobs, go_on_after=found[-1] if len(found) == self.limit else None)


class PauseJobs(Request, frozen=True, kw_only=True):
    """Start no job of that scope until it is resumed."""

    pause: Pause

    def apply(self, store: Store) -> None:
        """Pause it."""
        store.control.pause(self.pause)


class ResumeJobs(Request, frozen=True, kw_only=True):
    """Let jobs of that scope start again; reply whether it was paused."""

    pause: Pause

    def apply(self, store: Store) -> bool:
        """Resume it."""
        return store.control.resume(self.pause)


class ListPauses(Request, frozen=True, kw_only=True):
    """Reply what is paused, as ``Pause`` records."""

    def apply(self, store: Store) -> list[Pause]:
        """Read it."""
        return store.control.pauses()


class StopClaims(Request, frozen=True, kw_only=True):
    """Give out no job any more, until the engine is started again."""

    def apply(self, store: Store) -> None:
        """Note it."""
        store.claims.close()


class TakeOver(Request, frozen=True, kw_only=True):
    """Put back all that a former owner of the database was running when its program ended; reply how many jobs."""

    def apply(self, store: Store) -> int:
        """Put it back."""
        return store.leases.take_over()


class CountJobs(Request, frozen=True, kw_only=True):
    """Reply how many jobs there are by queue, kind and state, from counters, as ``KindCounts`` records."""

    def apply(self, store: Store) -> list[KindCounts]:
        """Read them."""
        return store.stats.counts()


class ListAttemptErrors(Query, frozen=True, kw_only=True):
    """Reply why a job's attempts did not succeed, as ``AttemptError`` records, oldest first; it must be there."""

    job_id: int

    def read(self, queries: Queries) -> list[AttemptError]:
        """Read them."""
        queries.job(self.job_id)
        return queries.attempt_errors(self.job_id)
