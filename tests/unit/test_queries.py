"""The reads that list things: complete, in order, page by page, and the same for the owner and for a reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bequest.engine.database_file import open_reader
from bequest.engine.definitions import Definition
from bequest.engine.errors import JobNotFoundError
from bequest.engine.limits import KindTerms
from bequest.engine.queries import FailureCause, Queries
from bequest.engine.records import (
    STATES,
    Completion,
    Counts,
    Document,
    JobError,
    LogEntry,
    NewJob,
    SealedCredential,
    State,
)
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

SEALED = SealedCredential(
    auth_id="wiki", version=1, key_id="k", nonce=b"n", ciphertext=b"c", sites=("h",), updated_at=1.0
)
PAGE = NewJob(kind="page")


@pytest.fixture
def queries(store: Store, tmp_path: Path, clock: ManualClock) -> Iterator[Queries]:
    """Give the reads over a connection of their own, beside the store."""
    database = open_reader(str(tmp_path / "jobs.db"), clock=clock)
    yield Queries(database)
    database.close()


def run(store: Store, *ends: State | JobError) -> tuple[int, list[int]]:
    """Make a run whose pages end so, a ``JobError`` being a failure with that cause; return its parent and pages."""
    with store.group():
        (parent,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING)])
        ids = [job_id or 0 for job_id in store.parents.spawn(parent.job_id, [PAGE] * len(ends))]
        leases = store.claims.claim("default", (KindTerms(kind="page"),), len(ends), 60.0)
        for lease, end in zip(leases, ends, strict=True):
            state, error = (State.FAILED, end) if isinstance(end, JobError) else (end, None)
            waits_for = "wiki" if state is State.WAITING else None
            if state is State.CANCELLED:
                store.parents.cancel(lease.job_id)
            elif state is not State.RUNNING:
                store.completions.complete(
                    [
                        Completion(
                            job_id=lease.job_id,
                            token=lease.token,
                            state=state,
                            error=error,
                            waits_for=waits_for,
                            counts=state is not State.PENDING,
                        )
                    ]
                )
    return parent.job_id, ids


def paged(read: Callable[[int], list[int]]) -> list[int]:
    """Return all that *read* gives, asked for again after the last of each page."""
    found: list[int] = []
    for _ in range(100):
        found += read(found[-1] if found else 0)
    return found


def test_jobs_without_a_parent_are_listed_with_their_children(store: Store, queries: Queries) -> None:
    """A list of runs shows what their children came to, and no child among them."""
    first, _ = run(store, State.COMPLETED, State.FAILED, State.WAITING)
    second, _ = run(store)

    found = queries.jobs()

    assert [(view.job.id, view.children) for view in found] == [
        (first, Counts(completed=1, failed=1, waiting=1)),
        (second, Counts()),
    ]


def test_job_is_seen_as_the_store_has_it(store: Store, queries: Queries) -> None:
    """A job and its children are one picture, the same as the owner's."""
    parent_id, (page,) = run(store, JobError(type="x", message="y"))

    found = queries.job(parent_id), queries.job(page)

    with store.group():
        assert found == (store.queries.job(parent_id), store.queries.job(page))
        assert found[1].job == store.jobs.get(page)
    assert (found[0].children, found[1].children) == (Counts(failed=1), Counts())


def test_job_that_is_not_there_is_an_error(store: Store, queries: Queries) -> None:
    """The error names the id and where to see those that are there."""
    with pytest.raises(JobNotFoundError, match="asked for job 99, found none with that id; `bequest jobs` lists them"):
        queries.job(99)


@pytest.mark.parametrize("state", STATES)
def test_jobs_are_listed_by_state(store: Store, queries: Queries, state: State) -> None:
    """Among a parent's children, and among all jobs, those in one state are found, in every state."""
    parent_id, ids = run(store, *STATES)
    index = STATES.index(state)

    children = [view.job.id for view in queries.jobs(parent_id=parent_id, state=state)]
    everywhere = [view.job.id for view in queries.jobs_in(state)]

    assert children == [ids[index]]
    assert everywhere == ([parent_id] if state is State.WAITING else []) + [ids[index]]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_lists_are_read_page_by_page(store: Store, queries: Queries, limit: int) -> None:
    """From the last of one page the next goes on: nothing is left out, nothing comes twice."""
    parent_id, ids = run(store, *[State.CANCELLED] * 7)

    def children(after: int) -> list[int]:
        return [view.job.id for view in queries.jobs(parent_id=parent_id, after_id=after, limit=limit)]

    def cancelled(after: int) -> list[int]:
        return [view.job.id for view in queries.jobs_in(State.CANCELLED, after_id=after, limit=limit)]

    assert paged(children) == paged(cancelled) == ids


def test_documents_are_those_of_one_run_in_the_order_of_their_pages(store: Store, queries: Queries) -> None:
    """Documents are read page by page too, and another run's are not among them."""
    parent_id, ids = run(store, *[State.COMPLETED] * 5)
    other, other_ids = run(store, State.COMPLETED)
    with store.group():
        for one, job_id in [*((parent_id, job_id) for job_id in reversed(ids)), (other, other_ids[0])]:
            document = Document(
                url=f"http://h/{job_id}",
                url_key=str(job_id),
                status=200,
                title="",
                markdown="",
                depth=0,
                auth_id=None,
                fetched_at=1.0,
            )
            store.documents.insert(job_id, one, document)

    found = paged(lambda after: [one.job_id for one in queries.documents(parent_id, after_id=after, limit=2)])

    assert found == ids
    assert len(queries.documents(parent_id)) == 5


def test_log_of_a_run_is_that_of_its_pages_too_in_one_order(store: Store, queries: Queries) -> None:
    """Lines of the parent and its pages come as they were added, and can be read on from a number."""
    parent_id, (page, _) = run(store, State.COMPLETED, State.COMPLETED)
    other, _ = run(store)
    with store.group():
        for job_id, message in [(parent_id, "a"), (page, "b"), (other, "x"), (parent_id, "c"), (page, "d")]:
            store.logs.add([LogEntry(job_id=job_id, at=1.0, level="INFO", message=message)])

    numbered = queries.logs(parent_id)
    rest = queries.logs(parent_id, after_id=numbered[1][0], limit=1)
    own = queries.logs(page)

    assert [entry.message for _, entry in numbered] == ["a", "b", "c", "d"]
    assert [entry.message for _, entry in rest] == ["c"]
    assert [entry.message for _, entry in own] == ["b", "d"]


def test_failure_causes_come_with_the_most_frequent_first(store: Store, queries: Queries) -> None:
    """Children that failed or wait are counted by their word, each with one message that speaks for all."""
    words = ("timeout", "refused", "rare")
    timeout, refused, rare = (JobError(type=word, message=f"{word} of a page") for word in words)
    parent_id, _ = run(store, timeout, refused, State.COMPLETED, refused, rare, State.RUNNING)

    found = queries.failure_causes(parent_id), queries.failure_causes(parent_id, limit=1)

    assert found[0] == [
        FailureCause(type="refused", message="refused of a page", count=2),
        FailureCause(type="rare", message="rare of a page", count=1),
        FailureCause(type="timeout", message="timeout of a page", count=1),
    ]
    assert found[1] == found[0][:1]


def test_credentials_are_listed_without_what_is_sealed(store: Store, queries: Queries) -> None:
    """A reader sees names, sites and versions, and one record as it is sealed (I16)."""
    with store.group():
        store.credentials.put(SEALED)

    (entry,) = queries.credentials()

    assert (entry.auth_id, entry.sites, entry.version) == ("wiki", ("h",), 1)
    assert not {"nonce", "ciphertext"} & set(entry.__struct_fields__)
    assert (queries.credential("wiki"), queries.credential("x")) == (SEALED, None)


def test_definition_is_found_by_its_id(store: Store, queries: Queries) -> None:
    """A reader finds what the store saved, and None where there is nothing."""
    with store.group():
        stored = store.definitions.save(Definition.crawl("wiki", start_urls=["http://h/"]))

    assert (queries.definition(stored.id), queries.definition(99)) == (stored, None)


def test_database_has_one_id_for_all_who_ask(store: Store, queries: Queries) -> None:
    """Owner and reader name the database alike, for that is what seals are bound to."""
    with store.group():
        assert queries.database_id() == store.queries.database_id()
    assert len(queries.database_id()) == 36
