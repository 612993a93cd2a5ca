"""Owns the reads that list things; the reader serves them, or the manager where the database is in memory."""

from __future__ import annotations

from typing import Any

from ..engine.log_queries import LogLine
from ..engine.queries import FailureCause, JobView, Queries
from ..engine.records import LogEntry, State, StoredDocument
from ..engine.store import Store
from .address import Address
from .messages import Request

PAGE_OF_LOGS = 5000


class Query(Request, frozen=True, kw_only=True):
    """A read over one connection, whosever that is."""

    def read(self, queries: Queries) -> Any:  # Any: each query has its own reply
        """Read it."""
        raise NotImplementedError

    def apply(self, store: Store) -> Any:
        """Read it in the manager."""
        return self.read(store.queries)


class ListJobs(Query, frozen=True, kw_only=True):
    """Reply up to *limit* ``JobView`` records: jobs without a parent, or a parent's children."""

    state: State | None = None
    parent_id: int | None = None
    after_id: int = 0
    limit: int = 100

    def read(self, queries: Queries) -> list[JobView]:
        """Read them."""
        return queries.jobs(state=self.state, parent_id=self.parent_id, after_id=self.after_id, limit=self.limit)


class ListDocuments(Query, frozen=True, kw_only=True):
    """Reply up to *limit* ``StoredDocument`` records of a run."""

    parent_id: int
    after_id: int = 0
    limit: int = 100

    def read(self, queries: Queries) -> list[StoredDocument]:
        """Read them."""
        return queries.documents(self.parent_id, after_id=self.after_id, limit=self.limit)


class ListFailureCauses(Query, frozen=True, kw_only=True):
    """Reply why a run's pages failed or wait, as ``FailureCause`` records, the most frequent first."""

    parent_id: int

    def read(self, queries: Queries) -> list[FailureCause]:
        """Read them."""
        return queries.failure_causes(self.parent_id)


class GetStallCause(Query, frozen=True, kw_only=True):
    """Reply the credential that a page below a job waits for and what is said of that, None where none waits."""

    job_id: int

    def read(self, queries: Queries) -> tuple[str, str] | None:
        """Read it."""
        return queries.why_stalled(self.job_id)


class ListLogs(Query, frozen=True, kw_only=True):
    """Reply lines of the log of a job and all below it, as ``LogLine``; a job that is not there is an error."""

    job_id: int
    level: str = "DEBUG"  # the least
    after_id: int = 0
    limit: int = 1000

    def read(self, queries: Queries) -> list[LogLine]:
        """Read it."""
        queries.job(self.job_id)
        return queries.logs(self.job_id, level=self.level, after_id=self.after_id, limit=self.limit)


def all_entries(reader: Address, job_id: int) -> list[LogEntry]:
    """Return the whole log of a job and all below it, asked for page by page."""
    entries: list[LogEntry] = []
    after_id = 0
    while True:
        lines: list[LogLine] = reader.ask(ListLogs(job_id=job_id, after_id=after_id, limit=PAGE_OF_LOGS))
        entries += [line.entry for line in lines]
        if len(lines) < PAGE_OF_LOGS:
            return entries
        after_id = lines[-1].number
