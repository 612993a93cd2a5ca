"""What the tests of pruning as rows share: runs that have ended, and how one message and the whole of a pruning go."""

from __future__ import annotations

from bequest.engine.archive import Archived, Part
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Document, JobError, LogEntry, NewJob, State
from bequest.engine.retention import Retention
from bequest.engine.store import Store

ALL = Retention(completed_s=0.0, failed_s=0.0, cancelled_s=0.0)
DAY = Retention(completed_s=86_400.0)
TABLES = ("job", "tally", "job_error", "job_log", "document", "pause", "pruned")
TERMS = (KindTerms(kind="page"), KindTerms(kind="step"))
NOTHING = dict.fromkeys(TABLES, 0)


def create(store: Store, *jobs: NewJob) -> list[int]:
    with store.group():
        return [created.job_id for created in store.jobs.create(jobs)]


def spawn(store: Store, parent_id: int, count: int, *, kind: str = "page", state: State = State.PENDING) -> list[int]:
    with store.group():
        ids = store.parents.spawn(parent_id, [NewJob(kind=kind, state=state)] * count, seal=True)
    return [job_id for job_id in ids if job_id is not None]


def log(store: Store, job_id: int, count: int) -> None:
    with store.group():
        store.logs.add([LogEntry(job_id=job_id, at=1.0, level="INFO", message=str(n)) for n in range(count)])


def complete(store: Store, *, logs: int = 2) -> None:
    """End every due job, with a document where it has a parent, an error of an earlier attempt, and some logs."""
    with store.group():
        leases = store.claims.claim("default", TERMS, 1_000, 60.0)
        store.completions.complete(
            [
                Completion(
                    job_id=lease.job_id,
                    token=lease.token,
                    state=State.COMPLETED,
                    error=JobError(type="odd", message="though it went well"),
                    document=None if lease.parent_id is None else document(lease.job_id),
                    logs=tuple(
                        LogEntry(job_id=lease.job_id, at=1.0, level="INFO", message=str(n)) for n in range(logs)
                    ),
                )
                for lease in leases
            ]
        )


def document(job_id: int, size: int = 10) -> Document:
    return Document(
        url="https://h/",
        url_key=str(job_id),
        status=200,
        title="T",
        markdown="x" * size,
        depth=0,
        auth_id=None,
        fetched_at=1.0,
    )


def finished_run(store: Store, pages: int, *, logs: int = 2) -> int:
    """Make a run whose pages are completed, and which has ended."""
    (root,) = create(store, NewJob(kind="crawl", state=State.WAITING))
    spawn(store, root, pages)
    complete(store, logs=logs)
    with store.group():
        store.parents.judge([root])
    return root


def leave(store: Store, retention: Retention = ALL, limit: int = 1_000) -> int:
    """Have jobs leave as one message has them."""
    with store.loose_group():
        return store.prunes.take_below(limit) or store.prunes.take_over(retention, store.now, limit)


def parts(store: Store) -> list[Part]:
    with store.group():
        return store.queries.prunes.parts()


def delete(store: Store, found: list[Part]) -> None:
    with store.loose_group():
        store.prunes.delete(
            [
                Archived(job_id=part.job_id, last_error_id=part.last_error_id, last_log_id=part.last_log_id)
                for part in found
            ]
        )


def prune(store: Store, retention: Retention = ALL, limit: int = 1_000) -> list[Part]:
    """Prune to the end and return all that was to be archived, looking for faults after every transaction."""
    archived: list[Part] = []
    while True:
        check(store)
        if found := parts(store):
            archived += found
            delete(store, found)
        elif not leave(store, retention, limit):
            return archived


def check(store: Store) -> None:
    """All invariants hold in the state that is committed."""
    with store.group():
        assert store.queries.integrity() == []


def rows(store: Store) -> dict[str, int]:
    """Return how many rows each table has."""
    with store.group():
        return {table: store._database.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


def ids(store: Store) -> list[int]:
    with store.group():
        return [job_id for (job_id,) in store._database.rows("SELECT id FROM job ORDER BY id")]
