"""What the tests of how attempts end share: a run with pages, their leases, and what ends them."""

from __future__ import annotations

from typing import Any

from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Document, JobError, Lease, LogEntry, NewJob, State
from bequest.engine.store import Store

REASON = JobError(type="http_500", message="h/ answered with status 500")
DOCUMENT = Document(
    url="http://h/a", url_key="a", status=200, title="A", markdown="# A", depth=0, auth_id=None, fetched_at=1.0
)


def run(
    store: Store, count: int = 1, *, max_attempts: int = 2, limit: int | None = None, concurrency: int | None = None
) -> int:
    """Make a parent with so many pages and return its id."""
    with store.group():
        (parent,) = store.jobs.create(
            [NewJob(kind="crawl", state=State.WAITING, child_limit=limit, child_concurrency=concurrency)]
        )
        store.parents.spawn(parent.job_id, [NewJob(kind="page", max_attempts=max_attempts)] * count)
    return parent.job_id


def claim(store: Store, limit: int = 9) -> list[Lease]:
    with store.group():
        return store.claims.claim("default", (KindTerms(kind="page"),), limit, 60.0)


def ended(lease: Lease, state: State, **fields: Any) -> Completion:  # Any: the other fields of the record
    return Completion(job_id=lease.job_id, token=lease.token, state=state, **fields)


def complete(store: Store, *completions: Completion) -> list[int]:
    with store.group():
        return store.completions.complete(completions)


def everything(lease: Lease) -> Completion:
    """Return an end with all that can come with one."""
    log = LogEntry(job_id=lease.job_id, at=1.0, level="INFO", message="stored")
    link = NewJob(kind="page", key="link")
    return ended(lease, State.COMPLETED, document=DOCUMENT, links=(link,), logs=(log,))


def left_behind(store: Store, parent_id: int) -> tuple[int, int, int]:
    """Return how many documents, children and lines of log a run has."""
    with store.group():
        return (
            len(store.queries.documents(parent_id)),
            store.parents.counts(parent_id).total,
            len(store.queries.logs(parent_id)),
        )
