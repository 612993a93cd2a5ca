"""Pruning as rows: what is over leaves whole, from its root down and a bounded number at a time; all else stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from prune_rig import (
    ALL,
    DAY,
    NOTHING,
    TERMS,
    check,
    complete,
    create,
    delete,
    finished_run,
    ids,
    leave,
    log,
    parts,
    prune,
    rows,
    spawn,
)

from bequest.engine.errors import JobNotFoundError
from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.prune_queries import Prunable
from bequest.engine.records import Completion, KeyScope, LogEntry, NewJob, State
from bequest.engine.retention import Keep, Retention
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


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
    """It is the end of the root that counts, to the second, and neither its beginning nor an end below it."""
    (root,) = create(store, NewJob(kind="crawl", state=State.WAITING))
    clock.advance(86_400.0)
    spawn(store, root, 2)
    complete(store)
    clock.advance(86_400.0)
    with store.group():
        store.parents.judge([root])
    assert prune(store, DAY) == []

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
