"""Pruning as rows: what is over leaves whole, from its root down and a bounded number at a time; all else stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bequest.engine import prune_queries
from bequest.engine.archive import Archived, Part, line_of
from bequest.engine.errors import JobNotFoundError, TransitionError
from bequest.engine.limits import KindTerms
from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.prune_queries import Prunable
from bequest.engine.records import (
    Completion,
    Document,
    JobError,
    KeyScope,
    LogEntry,
    NewJob,
    State,
)
from bequest.engine.retention import Keep, Retention
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

ALL = Retention(completed_s=0.0, failed_s=0.0, cancelled_s=0.0)
DAY = Retention(completed_s=86_400.0)
TABLES = ("job", "tally", "job_error", "job_log", "document", "pause", "pruned")
TERMS = (KindTerms(kind="page"), KindTerms(kind="step"))


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


NOTHING = dict.fromkeys(TABLES, 0)


def test_finished_run_leaves_with_all_that_belongs_to_it(store: Store) -> None:
    """Jobs, tallies, errors, logs, documents and pauses all go, and the counters with them (I13)."""
    root = finished_run(store, 5)
    log(store, root, 3)
    with store.group():
        store.control.pause(Pause(scope=PauseScope.RUN, name=str(root)))
    before = rows(store)

    prune(store)

    assert before == {"job": 6, "tally": 1, "job_error": 5, "job_log": 13, "document": 5, "pause": 1, "pruned": 0}
    assert rows(store) == NOTHING
    with store.group():
        assert all(not counted.jobs.total for counted in store.stats.counts())


def test_pruned_bytes_are_not_in_the_file(store: Store, tmp_path: Path) -> None:
    """What was pruned is overwritten, not only unlinked: nothing of a text is found in file or WAL."""
    (root,) = create(store, NewJob(kind="crawl", state=State.WAITING))
    with store.group():
        store.parents.spawn(root, [NewJob(kind="page", config={"note": "canary"})] * 50, seal=True)
        store.logs.add([LogEntry(job_id=root, at=1.0, level="INFO", message="canary")])
        store.parents.cancel(root)

    prune(store)
    store.truncate_wal()

    assert b"canary" not in (tmp_path / "jobs.db").read_bytes() + (tmp_path / "jobs.db-wal").read_bytes()


def test_freed_pages_are_used_again(store: Store) -> None:
    """A database that is pruned as fast as it fills does not grow: what was freed is filled again."""
    sizes = []
    for _ in range(6):
        finished_run(store, 300)
        prune(store)
        with store.group():
            sizes.append(store._database.rows("PRAGMA page_count")[0][0])

    assert max(sizes[2:]) <= sizes[1] * 1.05


def test_unfinished_run_stays(store: Store) -> None:
    """What has not ended is over for no retention, whatever its children came to."""
    (root,) = create(store, NewJob(kind="crawl", state=State.WAITING))
    spawn(store, root, 3)
    complete(store)

    archived = prune(store)

    assert archived == []
    assert rows(store)["job"] == 4


def test_run_stays_until_its_time_has_passed(store: Store, clock: ManualClock) -> None:
    """It is the end of the root that counts, to the second."""
    finished_run(store, 2)

    clock.advance(86_399.0)
    assert prune(store, DAY) == []
    clock.advance(1.0)
    assert len(prune(store, DAY)) == 3


@pytest.mark.parametrize(
    ("retention", "left"),
    [
        (Retention(completed_s=0.0), ["crawl failed", "job cancelled", "page failed"]),
        (Retention(failed_s=0.0), ["crawl completed", "job cancelled", "page completed"]),
        (Retention(cancelled_s=0.0), ["crawl completed", "crawl failed", "page completed", "page failed"]),
        (
            Retention(completed_s=0.0, failed_s=0.0, kinds={"crawl": Keep(failed_s=9.0)}),
            ["crawl failed", "job cancelled", "page failed"],
        ),
        (
            Retention(kinds={"crawl": Keep(completed_s=0.0), "page": Keep(failed_s=0.0, completed_s=0.0)}),
            ["crawl failed", "job cancelled", "page failed"],
        ),
    ],
)
def test_kind_and_state_of_the_root_decide(store: Store, retention: Retention, left: list[str]) -> None:
    """A run goes or stays whole by its root's rule; the rule of a page's kind is for pages that are roots."""
    finished_run(store, 1)
    (failed, cancelled) = create(store, NewJob(kind="crawl", state=State.WAITING), NewJob(kind="job"))
    spawn(store, failed, 1)
    with store.group():
        (lease,) = store.claims.claim("default", TERMS, 1, 60.0)
        store.completions.complete([Completion(job_id=lease.job_id, token=lease.token, state=State.FAILED)])
        store.jobs.update_status(failed, State.FAILED)
        store.parents.cancel(cancelled)

    prune(store, retention)

    with store.group():
        found = [store.jobs.get(job_id) for (job_id,) in store._database.rows("SELECT id FROM job")]
    assert sorted(f"{job.kind} {job.state}" for job in found) == left


def test_root_leaves_first_and_no_transaction_takes_more_than_asked(store: Store) -> None:
    """The run is gone for everybody with the first transaction; what was below follows, a bounded number at a time."""
    root = finished_run(store, 10)

    taken = [leave(store, limit=4) for _ in range(5)]

    assert taken == [1, 4, 4, 2, 0]
    assert ids(store) == []
    with store.group(), pytest.raises(JobNotFoundError):
        store.jobs.get(root)
    check(store)


def test_deep_runs_leave_from_the_top_down(store: Store) -> None:
    """Children leave after their parent at every depth, and few parents wait for theirs at once."""
    (root,) = create(store, NewJob(kind="run", state=State.WAITING))
    steps = spawn(store, root, 20, kind="step", state=State.WAITING)
    pages = {page: step for step in steps for page in spawn(store, step, 5)}
    complete(store)
    with store.group():
        store.parents.judge(steps)
    with store.group():
        store.parents.judge([root])
    order: list[int] = []
    most_waiting = 0

    while taken := leave(store, limit=4):
        order += [part.job_id for part in parts(store)]
        delete(store, parts(store))
        most_waiting = max(most_waiting, rows(store)["pruned"])
        assert taken <= 4

    place = {job_id: index for index, job_id in enumerate(order)}
    assert len(order) == len(place) == 121
    assert all(place[root] < place[step] for step in steps)
    assert all(place[step] < place[page] for page, step in pages.items())
    assert most_waiting <= 6
    assert rows(store) == NOTHING


def test_what_is_below_a_pruned_root_can_be_neither_retried_nor_deleted(store: Store) -> None:
    """For a person a run that is being pruned is gone with its root."""
    root = finished_run(store, 3)
    leave(store, limit=1)

    with store.group():
        for act in (store.control.retry, store.control.delete):
            for job_id in (root, root + 1):
                with pytest.raises(JobNotFoundError):
                    act(job_id)
        with pytest.raises(JobNotFoundError):
            store.control.pause(Pause(scope=PauseScope.RUN, name=str(root + 1)))

    assert len(prune(store)) == 4


def test_late_log_of_a_job_that_has_left_is_left_out(store: Store) -> None:
    """Nothing about a job changes any more once it has left, so what is archived is all of it."""
    root = finished_run(store, 1)
    leave(store, limit=1)

    log(store, root, 1)

    (part,) = parts(store)
    assert part.logs == ()


def test_key_that_is_held_for_a_period_keeps_its_job(store: Store, clock: ManualClock) -> None:
    """A job stays as long as its key keeps others out; a key that is held for ever goes with its job (I11)."""
    held = NewJob(kind="page", key="a", key_scope=KeyScope.PERIOD, key_period_s=600.0)
    create(store, held, NewJob(kind="page", key="b"))
    complete(store)

    prune(store)
    assert ids(store) == [1]
    clock.advance(601.0)
    prune(store)

    assert ids(store) == []
    assert create(store, NewJob(kind="page", key="b")) == [3]


def test_number_of_a_pruned_job_is_never_given_again(store: Store) -> None:
    """Also when the newest job was pruned, and the file opened again."""
    create(store, NewJob(kind="page"))
    complete(store)
    prune(store)

    assert create(store, NewJob(kind="page")) == [2]


def test_leaving_is_told_and_counted(store: Store) -> None:
    """Each job that leaves is a move to no state, and no job is left in its counters (I13)."""
    root = finished_run(store, 2)

    with store.loose_group():
        store.prunes.take_over(ALL, store.now, 10)
    first = list(store.changes.moves)
    with store.loose_group():
        store.prunes.take_below(10)

    moves = [*first, *store.changes.moves]
    assert [(move.job_id, move.parent_id, move.old, move.new) for move in moves] == [
        (root, None, 3, None),
        (root + 1, root, 3, None),
        (root + 2, root, 3, None),
    ]


# What is archived


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


# What would be pruned


def test_prunable_is_what_prune_prunes(store: Store, clock: ManualClock) -> None:
    """The count by kind and state is of the very jobs that leave afterwards."""
    finished_run(store, 3)
    create(store, NewJob(kind="page"))
    complete(store)
    clock.advance(100.0)
    finished_run(store, 2)
    retention = Retention(completed_s=50.0)

    with store.group():
        found = store.queries.prunes.prunable(retention, clock.now())

    assert found == [
        Prunable(kind="crawl", state=State.COMPLETED, runs=1, jobs=4),
        Prunable(kind="page", state=State.COMPLETED, runs=1, jobs=1),
    ]
    assert len(prune(store, retention)) == 5
