"""The own step of a parent: when it is due, how it ends, and what becomes of the children beside it (I9, I10)."""

from __future__ import annotations

import pytest
from store_rig import BROKEN, Worker, get, judge, parent, states, work

from bequest.engine.errors import TransitionError
from bequest.engine.records import OwnStep, State
from bequest.engine.store import Store

DONE, FAILED, CANCELLED = State.COMPLETED, State.FAILED, State.CANCELLED
FOLLOWED = OwnStep.AFTER_CHILDREN


def test_parent_takes_its_own_step_once_its_children_have_ended(store: Store) -> None:
    """With all its attempts; it completes with its own result."""
    job_id, child = parent(store, work(), own_step=FOLLOWED, max_attempts=2)
    worker = Worker(store)
    worker.end(child)

    with store.group():
        moved = store.parents.judge([job_id])
        is_told = store.changes.has_due_work
    worker.end(job_id, result="sum")

    job = get(store, job_id)
    assert (moved, is_told) == ({job_id: State.PENDING}, True)
    assert (job.state, job.result, job.own_step, job.attempts) == (DONE, "sum", OwnStep.DONE, 1)


def test_lease_of_an_own_step_says_so(store: Store) -> None:
    """So that the right handler is called."""
    job_id, child = parent(store, work(), own_step=FOLLOWED)
    worker = Worker(store)
    worker.take()
    before = worker.leases[child].own_step
    worker.end(child)
    judge(store)
    worker.take()

    assert (before, worker.leases[job_id].own_step) == (OwnStep.NONE, OwnStep.RELEASED)


def test_parent_with_an_own_step_does_not_complete_without_it(store: Store) -> None:
    """Nobody can move it past its step (I9)."""
    job_id, *_ = parent(store, own_step=FOLLOWED)

    with pytest.raises(TransitionError, match="found that its own step is still to come"), store.group():
        store.jobs.update_status(job_id, DONE)


def test_own_step_that_fails_takes_children_that_still_run_along(store: Store) -> None:
    """Such as those that a failed sibling let it go on without (I10)."""
    job_id, bad, slow = parent(store, work(on_failure="continue"), work(), own_step=FOLLOWED)
    worker = Worker(store)
    worker.take()
    worker.fail(bad)
    judge(store)

    worker.fail(job_id)

    assert states(store, job_id, slow) == [FAILED, CANCELLED]
    assert get(store, job_id).error == BROKEN


def test_own_step_that_is_done_waits_for_children_that_are_not(store: Store) -> None:
    """The job is final with the last of them (I9), and keeps its result."""
    job_id, bad, slow = parent(store, work(on_failure="continue"), work(), own_step=FOLLOWED)
    worker = Worker(store)
    worker.take()
    worker.fail(bad)
    judge(store)
    worker.end(job_id, result=7)
    between = get(store, job_id)
    worker.end(slow)

    assert (between.state, between.own_step) == (State.WAITING, OwnStep.DONE)
    assert judge(store) == {job_id: DONE}
    assert get(store, job_id).result == 7


def test_own_step_that_is_done_waits_for_a_child_that_waits_for_a_credential(store: Store) -> None:
    """One that needs a session has not ended, however little it runs (I9)."""
    job_id, bad, page = parent(store, work(on_failure="continue"), work(), own_step=FOLLOWED)
    worker = Worker(store)
    worker.take()
    worker.fail(bad)
    worker.end(page, state=State.WAITING, waits_for="wiki")
    judge(store)

    worker.end(job_id)

    assert states(store, job_id, page) == [State.WAITING, State.WAITING]
    assert judge(store) == {}


@pytest.mark.parametrize("on_failure", ["fail", "count"])
def test_child_that_fails_during_the_own_step_still_counts(store: Store, on_failure: str) -> None:
    """The parent is judged by it once its step is done."""
    job_id, bad, late = parent(
        store, work(on_failure="continue"), work(on_failure=on_failure), own_step=FOLLOWED, max_child_failures=0
    )
    worker = Worker(store)
    worker.take()
    worker.fail(bad)
    judge(store)
    worker.take()
    worker.fail(late)
    worker.end(job_id)

    assert judge(store) == {job_id: FAILED}


def test_own_step_can_have_children_of_its_own(store: Store) -> None:
    """The job ends with them, and its step is not taken twice."""
    job_id, child = parent(store, work(), own_step=FOLLOWED)
    worker = Worker(store)
    worker.end(child)
    judge(store)
    worker.end(job_id, children=(work(kind="mail"),))
    before, mailer = get(store, job_id), Worker(store, "mail")
    mailer.end(*mailer.take())

    assert (before.state, before.own_step) == (State.WAITING, OwnStep.DONE)
    assert judge(store) == {job_id: DONE}
