"""Retry, delete, pause and resume: the one way out of a final state, and what is left of what is gone (I2, I9, I11)."""

from __future__ import annotations

from typing import Any

import pytest
from store_rig import BROKEN, Worker, cancel, get, judge, make, parent, retry, spawn, states, work

from bequest.engine.errors import JobNotFoundError, TransitionError
from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.records import Document, KeyScope, LogEntry, Progress, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

DONE, FAILED, CANCELLED, PENDING, WAITING = (
    State.COMPLETED,
    State.FAILED,
    State.CANCELLED,
    State.PENDING,
    State.WAITING,
)
PERIOD: dict[str, Any] = {"key": "a", "key_scope": KeyScope.PERIOD, "key_period_s": 5.0}
DOCUMENT = Document(
    url="http://h/", url_key="a", status=200, title="", markdown="old", depth=0, auth_id=None, fetched_at=1.0
)


# Retry


def test_retried_job_is_due_with_all_its_attempts(store: Store, clock: ManualClock) -> None:
    """As if it were new, but for its token and the errors that are kept."""
    job_id, worker = make(store, max_attempts=2), Worker(store)
    worker.take()
    with store.group():
        store.jobs.update_progress(job_id, Progress(done=1), token=1)
    worker.fail(job_id)
    clock.advance(5.0)

    with store.group():
        count = store.control.retry(job_id)
        is_told = store.changes.has_due_work

    job = get(store, job_id)
    assert (count, is_told) == (1, True)
    assert (job.state, job.attempts, job.token, job.run_at) == (PENDING, 0, 1, clock.now())
    assert (job.finished_at, job.progress, job.result, job.error) == (None, None, None, BROKEN)
    assert worker.take() == [job_id]
    assert [one.error for one in store.queries.attempt_errors(job_id)] == [BROKEN]


def test_job_that_succeeded_can_be_done_again(store: Store) -> None:
    """Its old result does not pass for that of the new attempt."""
    job_id, worker = make(store), Worker(store)
    worker.end(job_id, result="old")

    count = retry(store, job_id)

    assert (count, get(store, job_id).result) == (1, None)
    worker.fail(job_id)
    assert (get(store, job_id).state, get(store, job_id).result) == (FAILED, None)


@pytest.mark.parametrize("state", ["pending", "running", "waiting"])
def test_job_that_has_not_ended_is_not_retried(store: Store, state: str) -> None:
    """It has attempts of its own, and is told to be cancelled first."""
    job_id = make(store, state=WAITING if state == "waiting" else PENDING)
    if state == "running":
        Worker(store).take()

    with pytest.raises(TransitionError, match="has not ended; cancel it first"):
        retry(store, job_id)


def test_job_that_is_not_there_is_not_retried(store: Store) -> None:
    """The refusal names it."""
    with pytest.raises(JobNotFoundError, match="asked for job 99"):
        retry(store, 99)


def test_job_that_was_out_of_time_has_it_anew(store: Store, clock: ManualClock) -> None:
    """Also one that runs itself, whenever its newest attempt began."""
    job_id, other = make(store, run_timeout_s=30.0, max_attempts=2), make(store)
    worker = Worker(store)
    clock.advance(20.0)
    worker.take()
    clock.advance(10.0)
    with store.group():
        assert store.parents.end_overdue() == [job_id]
    worker.fail(other)

    with store.group():
        store.control.retry(job_id)
        wake_at = store.changes.wake_at
        store.control.retry(other)

    assert get(store, job_id).deadline_at == wake_at == clock.now() + 30.0
    assert states(store, job_id, other) == [PENDING, PENDING]


def test_retried_page_leaves_its_new_document(store: Store) -> None:
    """Also where it led to another URL this time (I15)."""
    root, page = parent(store, work())
    worker = Worker(store)
    worker.end(page, document=DOCUMENT)
    judge(store)
    retry(store, page)
    new = Document(
        url="http://h/b", url_key="b", status=200, title="", markdown="new", depth=0, auth_id=None, fetched_at=2.0
    )

    worker.end(page, document=new)

    (found,) = store.queries.documents(root)
    assert (found.url_key, found.markdown) == ("b", "new")


# Retry and keys


@pytest.mark.parametrize("scope", [KeyScope.UNFINISHED, KeyScope.QUEUED])
def test_retry_of_a_job_whose_key_is_taken_is_refused(store: Store, scope: KeyScope) -> None:
    """Or two jobs would hold it (I11); the refusal names both."""
    first = make(store, key="a", key_scope=scope)
    cancel(store, first)
    second = make(store, key="a", key_scope=scope)

    with pytest.raises(TransitionError, match=f"retry job {first}, found that job {second} has its key by now"):
        retry(store, first)

    assert states(store, first, second) == [CANCELLED, PENDING]


def test_retry_of_a_job_whose_key_was_held_for_a_period_is_free_after_it(store: Store, clock: ManualClock) -> None:
    """The period of the one that took it has passed as well."""
    first = make(store, **{**PERIOD, "key_scope": KeyScope.UNFINISHED, "key_period_s": None})
    cancel(store, first)
    second = make(store, **PERIOD)
    with pytest.raises(TransitionError, match=f"job {second} has its key"):
        retry(store, first)

    clock.advance(5.0)

    assert retry(store, first) == 1


# Delete


def test_deleted_job_leaves_nothing_behind(store: Store) -> None:
    """Neither its descendants nor documents, logs, errors, counters and pauses of any of them."""
    kept = make(store)
    root, page, nested = parent(store, work(), work(state=WAITING))
    spawn(store, nested, work())
    worker = Worker(store)
    worker.end(page, document=DOCUMENT, error=BROKEN)
    with store.group():
        store.logs.add([LogEntry(job_id=page, at=1.0, level="INFO", message="seen")])
        for job_id in (root, nested, kept):
            store.control.pause(Pause(scope=PauseScope.RUN, name=str(job_id)))

    with store.group():
        count = store.control.delete(root)

    assert count == 4
    tables = ("tally", "document", "job_log", "job_error")
    assert [store._database.row(f"SELECT count(*) FROM {table}") for table in tables] == [(0,)] * 4
    assert store._database.rows("SELECT id FROM job") == [(kept,)]
    assert [pause.name for pause in store.control.pauses()] == [str(kept)]


def test_deleted_job_that_runs_is_cancelled_first(store: Store) -> None:
    """Its holder is told, and its late result refused."""
    job_id, worker = make(store), Worker(store)
    worker.take()

    with store.group():
        store.control.delete(job_id)
        lost = set(store.changes.lost_leases)

    assert (lost, worker.end(job_id)) == ({job_id}, [job_id])
    with pytest.raises(JobNotFoundError):
        get(store, job_id)


def test_parent_of_the_last_child_that_is_deleted_can_end(store: Store) -> None:
    """BullMQ: the parent of a child that is removed goes on once the others have ended; so does ours (I9)."""
    root, done, last = parent(store, work(), work())
    Worker(store).end(done)

    with store.group():
        store.control.delete(last)
        ripe = store.parents.ripe(store.changes.parents)

    assert ripe.to_judge == (root,)
    assert judge(store) == {root: DONE}


def test_job_that_is_not_there_is_not_deleted(store: Store) -> None:
    """The refusal names it."""
    with pytest.raises(JobNotFoundError, match="asked for job 99"), store.group():
        store.control.delete(99)


# Pause


def test_pauses_are_listed_with_their_time(store: Store, clock: ManualClock) -> None:
    """The oldest first; to pause twice is to pause once."""
    first, second = Pause(scope=PauseScope.KIND, name="work"), Pause(scope=PauseScope.ALL)
    with store.group():
        store.control.pause(first)
    at = clock.now()
    clock.advance(1.0)
    with store.group():
        store.control.pause(first)
        store.control.pause(second)

    found = [(pause.scope, pause.name, pause.paused_at) for pause in store.control.pauses()]

    assert found == [(PauseScope.KIND, "work", at), (PauseScope.ALL, "", at + 1.0)]


def test_resume_says_whether_anything_was_paused(store: Store) -> None:
    """And wakes who waits for work."""
    pause = Pause(scope=PauseScope.QUEUE, name="default")
    with store.group():
        store.control.pause(pause)
    with store.group():
        was_paused = [store.control.resume(pause), store.control.resume(pause)]
        is_told = store.changes.has_due_work

    assert (was_paused, is_told) == ([True, False], True)


def test_run_that_is_not_there_is_not_paused(store: Store) -> None:
    """Nor is anything kept of it."""
    with pytest.raises(JobNotFoundError, match="asked for job 99"), store.group():
        store.control.pause(Pause(scope=PauseScope.RUN, name="99"))

    assert store.control.pauses() == []
