"""What the archive gets of jobs that leave: all of each, in bounded parts, and nothing is lost on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prune_rig import NOTHING, TERMS, complete, create, delete, finished_run, ids, leave, log, parts, prune, rows, spawn

from bequest.engine import prune_queries
from bequest.engine.archive import line_of
from bequest.engine.errors import JobNotFoundError, TransitionError
from bequest.engine.records import Completion, JobError, NewJob, State
from bequest.engine.retention import Retention
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


def test_all_of_a_job_is_archived(store: Store) -> None:
    """Its record, document, errors and logs are what they were in the database, parents before children."""
    root = finished_run(store, 2)
    with store.group():
        before = [store.jobs.get(job_id) for job_id in (root, root + 1, root + 2)]
        logs = store.queries.logs(root)

    archived = [json.loads(line_of(part, 0.0)) for part in prune(store)]

    assert [line["job_id"] for line in archived] == [root, root + 1, root + 2]
    assert [line["job"]["finished_at"] for line in archived] == [job.finished_at for job in before]
    assert [line["job"]["state"] for line in archived] == ["completed"] * 3
    assert [line["document"] and line["document"]["url_key"] for line in archived] == [
        None,
        str(root + 1),
        str(root + 2),
    ]
    assert [[error["error"]["type"] for error in line["errors"]] for line in archived] == [[], ["odd"], ["odd"]]
    assert [log["number"] for line in archived for log in line["logs"]] == [number for number, _ in logs]


def test_long_log_is_archived_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into one line follows in others; none is lost, none is twice, and each part is bounded."""
    monkeypatch.setattr(prune_queries, "ROWS_A_TIME", 10)
    (long, short) = create(store, NewJob(kind="page"), NewJob(kind="page"))
    complete(store, logs=0)
    log(store, long, 34)
    log(store, short, 3)

    archived = prune(store)

    numbers = {
        job_id: [log["number"] for part in archived if part.job_id == job_id for log in part.logs]
        for job_id in (long, short)
    }
    assert numbers == {long: list(range(1, 35)), short: [35, 36, 37]}
    assert [part.job_id for part in archived] == [long] * 4 + [short]
    assert [part.job is not None for part in archived] == [True, False, False, False, True]
    assert max(len(part.logs) for part in archived) == 10
    assert rows(store) == NOTHING


def test_many_errors_are_archived_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that failed again and again has an error for each time, and all of them are kept."""
    monkeypatch.setattr(prune_queries, "ROWS_A_TIME", 4)
    (job_id,) = create(store, NewJob(kind="page", max_attempts=9))
    for number in range(9):
        with store.group():
            (lease,) = store.claims.claim("default", TERMS, 1, 60.0)
            error = JobError(type=f"e{number}", message="again")
            state = State.PENDING if number < 8 else State.COMPLETED
            store.completions.complete([Completion(job_id=job_id, token=lease.token, state=state, error=error)])

    archived = prune(store)

    assert [error.error.type for part in archived for error in part.errors] == [f"e{number}" for number in range(9)]
    assert max(len(part.errors) for part in archived) == 4
    assert rows(store) == NOTHING


def test_large_documents_are_read_a_few_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large they are, what is read at once is bounded, and one is always read."""
    monkeypatch.setattr(prune_queries, "DOCUMENT_BYTES_A_TIME", 25)
    finished_run(store, 5)  # with documents of ten bytes
    batches: list[int] = []

    while True:
        if found := parts(store):
            batches.append(sum(part.document is not None for part in found))
            delete(store, found)
        elif not leave(store):
            break

    assert batches == [0, 2, 2, 1]
    monkeypatch.setattr(prune_queries, "DOCUMENT_BYTES_A_TIME", 5)
    finished_run(store, 2)
    assert [part.document is not None for part in prune(store)] == [False, True, True]


def test_job_knows_the_archive_that_it_was_to_go_to(store: Store) -> None:
    """Whoever goes on with an interrupted pruning, what left goes to the archive that was named then."""
    finished_run(store, 2)
    leave(store, Retention(completed_s=0.0, archive="/first.jsonl"))

    archived = prune(store, Retention(completed_s=0.0, archive="/second.jsonl"))

    assert [part.archive for part in archived] == ["/first.jsonl"] * 3


def test_pruning_goes_on_after_closing_and_opening(store: Store, tmp_path: Path, clock: ManualClock) -> None:
    """Wherever it was interrupted, nothing that left is lost and nothing is left behind (I19)."""
    finished_run(store, 4)
    leave(store, limit=2)
    leave(store, limit=2)
    store.close()

    again = Store.open(tmp_path / "jobs.db", clock=clock)

    assert sorted(part.job_id for part in prune(again)) == [1, 2, 3, 4, 5]
    assert rows(again) == NOTHING
    again.close()


def test_deleting_twice_deletes_nothing_else(store: Store) -> None:
    """A pruning that is repeated after a lost answer does no harm."""
    finished_run(store, 2)
    leave(store, limit=1)
    found = parts(store)

    delete(store, found)
    delete(store, found)

    assert [part.job_id for part in prune(store)] == [2, 3]


# One run


def test_run_is_taken_whenever_it_ended(store: Store) -> None:
    """A run can be archived by its number, with all below it, and no other goes with it."""
    first, second = finished_run(store, 2), finished_run(store, 2)

    with store.loose_group():
        store.prunes.take_run(second, "/one.jsonl")
    archived = prune(store, Retention())

    assert [(part.job_id, part.archive) for part in archived] == [(job_id, "/one.jsonl") for job_id in (second, 5, 6)]
    assert ids(store) == [first, 2, 3]


def test_run_that_goes_on_is_not_taken(store: Store) -> None:
    """What has not ended, is a part of a run or is not there is refused by name."""
    (root,) = create(store, NewJob(kind="crawl", state=State.WAITING))
    (page,) = spawn(store, root, 1)

    with store.loose_group():
        with pytest.raises(TransitionError, match=f"asked to archive job {root}, found it waiting; wait"):
            store.prunes.take_run(root, "/one.jsonl")
        with pytest.raises(TransitionError, match=f"found that it is a part of run {root}"):
            store.prunes.take_run(page, "/one.jsonl")
        with pytest.raises(JobNotFoundError):
            store.prunes.take_run(99, "/one.jsonl")

    assert ids(store) == [root, page]
