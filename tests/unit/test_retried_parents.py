"""Retry of a parent, of a run or of what is below one: what is done again, and what waits for it anew (I9, I12)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from store_rig import Worker, cancel, get, judge, make, parent, retry, spawn, states, work

from bequest import Definition
from bequest.engine.crawl_jobs import parent_job, run_job
from bequest.engine.errors import TransitionError
from bequest.engine.records import JobError, KeyScope, NewJob, OwnStep, State
from bequest.engine.run_steps import RETRIES_USED
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

DONE, FAILED, CANCELLED, PENDING, WAITING = (
    State.COMPLETED,
    State.FAILED,
    State.CANCELLED,
    State.PENDING,
    State.WAITING,
)
FOLLOWED = OwnStep.AFTER_CHILDREN


# Parents


def test_error_of_a_parent_is_kept_until_it_is_retried(store: Store) -> None:
    """A person reads why it failed."""
    root, child = parent(store, work(), max_child_failures=0)
    Worker(store).fail(child)
    judge(store)

    assert get(store, root).error == JobError(type="children_failed", message="1 of 1 children failed")


def test_retry_of_a_parent_does_what_failed_below_it_again(store: Store) -> None:
    """At any depth; it and those between wait again, what succeeded stays, and then all ends well."""
    root, done, bad, middle = parent(store, work(), work(), work(state=WAITING), max_child_failures=None)
    (leaf,) = spawn(store, middle, work())
    worker = Worker(store)
    worker.end(done)
    worker.fail(bad, leaf)
    assert judge(store) == {middle: DONE, root: DONE}

    count = retry(store, root)

    assert count == 2
    assert states(store, root, done, bad, middle, leaf) == [WAITING, DONE, PENDING, WAITING, PENDING]
    assert get(store, root).finished_at is None
    worker.end(bad, leaf)
    assert judge(store) == {middle: DONE, root: DONE}


def test_retry_of_a_child_opens_what_is_above_it(store: Store) -> None:
    """No parent is final above a job that is not (I9); its reason for failing is gone."""
    root, middle = parent(store, work(state=WAITING, max_child_failures=0), max_child_failures=0)
    (leaf,) = spawn(store, middle, work())
    worker = Worker(store)
    worker.fail(leaf)
    assert judge(store) == {middle: FAILED, root: FAILED}

    retry(store, leaf)

    assert states(store, root, middle, leaf) == [WAITING, WAITING, PENDING]
    assert get(store, root).error is None
    worker.end(leaf)
    assert judge(store) == {middle: DONE, root: DONE}


def test_retry_of_a_child_opens_parents_that_were_completed_too(store: Store) -> None:
    """Those bore its failure, and are final above it no more than others (I9)."""
    root, middle = parent(store, work(state=WAITING))
    (leaf,) = spawn(store, middle, work())
    worker = Worker(store)
    worker.fail(leaf)
    assert judge(store) == {middle: DONE, root: DONE}

    retry(store, leaf)

    assert states(store, root, middle, leaf) == [WAITING, WAITING, PENDING]
    worker.end(leaf)
    assert judge(store) == {middle: DONE, root: DONE}


def test_retry_of_a_child_whose_parent_would_fail_at_once_is_refused(store: Store) -> None:
    """For the parent would take it along: the refusal says what to retry instead, and writes nothing (I12)."""
    root, first, second = parent(store, work(), work(), max_child_failures=0)
    worker = Worker(store)
    worker.fail(first, second)
    judge(store)

    with pytest.raises(TransitionError, match=f"parent {root} would fail again at once, for other.* retry job {root},"):
        retry(store, first)

    assert states(store, root, first, second) == [FAILED] * 3
    assert retry(store, root) == 2


@pytest.mark.parametrize("ended", ["failed", "cancelled", "before its step"])
def test_retry_of_a_parent_takes_its_own_step_again(store: Store, ended: str) -> None:
    """Where nothing below it failed: one that failed in it, or was cancelled in or before it."""
    root, child = parent(store, work(), own_step=FOLLOWED)
    worker = Worker(store)
    worker.end(child)
    if ended != "before its step":
        judge(store)
        worker.take()
    if ended == "failed":
        worker.fail(root)
    else:
        cancel(store, root)

    assert retry(store, root) == 1
    assert states(store, root, child) == [PENDING, DONE]
    assert get(store, root).own_step is OwnStep.RELEASED
    Worker(store).end(root, result=5)
    assert (get(store, root).state, get(store, root).result) == (DONE, 5)


def test_retry_of_a_flow_takes_a_nested_own_step_again(store: Store) -> None:
    """A parent in the middle that failed by itself is what failed below."""
    root, middle = parent(store, work(state=WAITING, own_step=FOLLOWED), own_step=FOLLOWED, max_child_failures=0)
    (leaf,) = spawn(store, middle, work())
    worker = Worker(store)
    worker.end(leaf)
    judge(store)
    worker.fail(middle)
    assert judge(store) == {root: FAILED}

    assert retry(store, root) == 1
    assert states(store, root, middle, leaf) == [WAITING, PENDING, DONE]
    worker.end(middle)
    assert judge(store) == {root: PENDING}


def test_retry_of_a_parent_with_nothing_to_retry_is_refused(store: Store) -> None:
    """Everything below it succeeded, and it does nothing itself."""
    root, child = parent(store, work())
    Worker(store).end(child)
    judge(store)

    with pytest.raises(TransitionError, match="found that nothing below it failed"):
        retry(store, root)


def test_retry_of_a_parent_whose_children_are_deleted_judges_it_anew(store: Store) -> None:
    """It has none left that failed."""
    root, child = parent(store, work(), max_child_failures=0)
    Worker(store).fail(child)
    judge(store)
    with store.group():
        store.control.delete(child)

    with store.group():
        count = store.control.retry(root)
        concerned = set(store.changes.parents)

    assert (count, concerned) == (1, {root})
    assert judge(store) == {root: DONE}


def test_retry_of_a_parent_whose_childs_key_is_taken_is_refused(store: Store) -> None:
    """None of its children is retried then (I12)."""
    unfinished: dict[str, Any] = {"key": "a", "key_scope": KeyScope.UNFINISHED}
    root, first, other = parent(store, work(**unfinished), work(), seal=False)
    Worker(store).fail(first, other)
    (second,) = spawn(store, root, work(**unfinished))
    cancel(store, root)

    with pytest.raises(TransitionError, match=f"retry job {first}, found that job {second} has its key"):
        retry(store, root)

    assert states(store, first, second, other) == [FAILED, CANCELLED, FAILED]


# Runs


def test_run_that_was_out_of_time_has_it_anew(store: Store, clock: ManualClock) -> None:
    """Or it would fail again at once; so each time it is retried, and the alarm knows."""
    root, _ = parent(store, work(), run_timeout_s=30.0)
    for _ in range(2):
        clock.advance(30.0)
        with store.group():
            assert store.parents.end_overdue() == [root]
        clock.advance(100.0)

        with store.group():
            store.control.retry(root)
            wake_at = store.changes.wake_at

        assert get(store, root).deadline_at == wake_at == clock.now() + 30.0
        with store.group():
            assert store.parents.end_overdue() == []


def test_retried_run_has_all_the_retries_of_its_steps_again(store: Store) -> None:
    """As a job has all its attempts; the first step that failed is done again, and may be as often as at first."""
    steps = Definition.crawl("d", steps=[{"kind": "work", "on_error": "retry"}])
    run_id = make(store, **msgspec.structs.asdict(run_job(steps, key=None)))
    (step_id,) = spawn(store, run_id, work(metadata={RETRIES_USED: 1, "kept": 2}))
    Worker(store).fail(step_id)
    judge(store)

    retry(store, run_id)

    assert get(store, step_id).metadata == {"kept": 2}


def run_with_steps(store: Store) -> tuple[int, int, int, int]:
    """Make a run whose second step failed and whose last rites ran; return it, its steps and the post-job."""
    definition = Definition.crawl("d", steps=[{"kind": "work"}] * 3, post_jobs=[{"kind": "work"}])
    with store.group():
        (created,) = store.jobs.create([run_job(definition, key=None)])
    worker, ids = Worker(store), []
    for key in ("step:0", "step:1", "post:0"):
        (job_id,) = spawn(store, created.job_id, work(key=key), seal=False)
        ids.append(job_id)
        worker.end(job_id, state=FAILED if key == "step:1" else DONE)
    spawn(store, created.job_id)
    assert judge(store) == {created.job_id: FAILED}
    return created.job_id, ids[0], ids[1], ids[2]


def test_retried_run_goes_on_with_its_steps(store: Store) -> None:
    """It is not sealed, so that what was skipped after the failed step comes once that has succeeded."""
    run_id, first, second, post = run_with_steps(store)

    count = retry(store, run_id)

    assert (count, get(store, run_id).sealed) == (1, False)
    assert states(store, run_id, first, second, post) == [WAITING, DONE, PENDING, DONE]
    Worker(store).end(second)
    with store.group():
        ripe = store.parents.ripe({run_id})
    assert (ripe.to_judge, ripe.to_go_on) == ((), (run_id,))


def test_retried_step_lets_its_run_go_on(store: Store) -> None:
    """As the run itself does when it is retried."""
    run_id, _, second, _ = run_with_steps(store)

    retry(store, second)

    assert (get(store, run_id).state, get(store, run_id).sealed) == (WAITING, False)


@pytest.mark.parametrize("has_seeds", [True, False])
def test_retried_crawl_gets_its_seeds_where_it_never_had_them(store: Store, has_seeds: bool) -> None:
    """One that was cancelled before goes on unsealed, and its next step is due at once."""
    definition = Definition.crawl("d", start_urls=["http://h/"])
    with store.group():
        (created,) = store.jobs.create([parent_job(definition, key=None)])
    if has_seeds:
        spawn(store, created.job_id, NewJob(kind="page", queue="crawl", key="a"))
    cancel(store, created.job_id)

    with store.group():
        store.control.retry(created.job_id)
        ripe = store.parents.ripe(store.changes.parents)

    assert get(store, created.job_id).sealed is has_seeds
    assert ripe.to_go_on == (() if has_seeds else (created.job_id,))
