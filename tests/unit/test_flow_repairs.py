"""What retrying, deleting or cancelling one job does to the flow that it is in: BullMQ's tests of flows as cases."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from store_rig import LEASE_S, Worker, cancel, counts, get, judge, make, parent, retry, spawn, states, work

from bequest.engine.errors import JobNotFoundError
from bequest.engine.records import Counts, NewJob, OnFailure, OwnStep, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

DONE, FAILED, CANCELLED, PENDING, RUNNING, WAITING = (
    State.COMPLETED,
    State.FAILED,
    State.CANCELLED,
    State.PENDING,
    State.RUNNING,
    State.WAITING,
)
FOLLOWED = OwnStep.AFTER_CHILDREN
COUNT, FAIL, IGNORE, CONTINUE = OnFailure.COUNT, OnFailure.FAIL, OnFailure.IGNORE, OnFailure.CONTINUE


def delete(store: Store, job_id: int) -> int:
    with store.group():
        return store.control.delete(job_id)


def nested(store: Store, depth: int) -> Sequence[int]:
    """Make a line of parents, each with one child, above one job; return their ids from the root down."""
    flow = NewJob(kind="flow", state=WAITING, own_step=FOLLOWED, max_child_failures=0)
    ids = [make(store, "flow", state=WAITING, own_step=FOLLOWED, max_child_failures=0)]
    for _ in range(depth):
        ids += spawn(store, ids[-1], flow)
    return [*ids, *spawn(store, ids[-1], work())]


# BullMQ: .retry of a child


@pytest.mark.parametrize("on_failure", [COUNT, IGNORE])
def test_failed_child_that_is_retried_is_waited_for_again(store: Store, on_failure: OnFailure) -> None:
    """BullMQ, retrying a failed child, ignored or not: it is back among what its parent depends on."""
    root, bad, other = parent(store, work(on_failure=on_failure), work(), own_step=FOLLOWED, max_child_failures=1)
    worker = Worker(store)
    worker.fail(bad)

    retry(store, bad)
    worker.end(other)

    assert (counts(store, root), judge(store)) == (Counts(pending=1, completed=1), {})
    worker.end(bad)
    assert judge(store) == {root: PENDING}


def test_completed_child_that_is_retried_is_waited_for_again(store: Store) -> None:
    """BullMQ, retrying a completed child: its parent, which waits for others, waits for it too."""
    root, again, other = parent(store, work(), work(), own_step=FOLLOWED)
    worker = Worker(store)
    worker.end(again, result=1)
    retry(store, again)
    worker.end(other)
    assert judge(store) == {}

    worker.end(again, result=2)

    assert (judge(store), get(store, again).result) == ({root: PENDING}, 2)


def test_retried_child_that_let_its_parent_go_on_holds_its_end_up_and_not_its_step(store: Store) -> None:
    """BullMQ, retrying a child with continueParentOnFailure: it is a dependency again; ours ends after it (I9)."""
    root, bad = parent(store, work(on_failure=CONTINUE), own_step=FOLLOWED)
    worker = Worker(store)
    worker.fail(bad)
    judge(store)
    retry(store, bad)

    worker.end(root)
    between = judge(store), get(store, root).state
    worker.end(bad)

    assert (between, judge(store)) == (({}, WAITING), {root: DONE})


def test_retry_of_the_child_that_failed_its_parent_lets_that_live_again(store: Store) -> None:
    """Ours alone: with whatever ended since; what was cancelled with the parent comes back by a retry of that."""
    root, bad, other = parent(store, work(on_failure=FAIL), work(kind="mail"), own_step=FOLLOWED)
    worker = Worker(store)
    worker.fail(bad)
    judge(store)
    assert states(store, root, other) == [FAILED, CANCELLED]

    retry(store, bad)
    worker.end(bad)

    assert states(store, root, other) == [WAITING, CANCELLED]
    assert judge(store) == {root: PENDING}


def test_retry_of_a_parent_brings_back_what_was_cancelled_with_it(store: Store) -> None:
    """Beside the child that failed it."""
    root, bad, other = parent(store, work(on_failure=FAIL), work(kind="mail"), own_step=FOLLOWED)
    Worker(store).fail(bad)
    judge(store)

    assert retry(store, root) == 2
    assert states(store, root, bad, other) == [WAITING, PENDING, PENDING]


def test_retry_of_a_leaf_that_failed_all_above_it_lets_all_of_them_live_again(store: Store) -> None:
    """BullMQ, failParentOnFailure up to the root: and back, at any depth (I9)."""
    *above, leaf = nested(store, 5)
    Worker(store).fail(leaf)
    assert judge(store) == dict.fromkeys(above, FAILED)

    retry(store, leaf)

    assert states(store, *above, leaf) == [*[WAITING] * len(above), PENDING]
    assert [get(store, one).error for one in above] == [None] * len(above)


# BullMQ: .remove


def test_children_deleted_from_the_deepest_on_let_each_parent_go_on(store: Store) -> None:
    """BullMQ, removing from the deepest child upwards: each parent has its turn once it has none that is unfinished."""
    *above, leaf = nested(store, 2)

    for one, below in zip(above[::-1], [leaf, *above[::-1]], strict=False):
        assert (get(store, one).state, judge(store)) == (WAITING, {})
        assert delete(store, below) == 1
        assert judge(store) == {one: PENDING}


def test_parent_goes_on_when_all_its_children_are_deleted_and_not_before(store: Store) -> None:
    """BullMQ, removing children: only when all of them are gone."""
    root, first, second = parent(store, work(), work(), own_step=FOLLOWED)

    delete(store, first)
    assert judge(store) == {}
    delete(store, second)

    assert judge(store) == {root: PENDING}


@pytest.mark.parametrize("end", [DONE, FAILED, CANCELLED])
def test_deleted_parent_takes_its_children_along_and_nothing_above_it(store: Store, end: State) -> None:
    """BullMQ, removing a parent: processed and unsuccessful children go too, the grandparent stays."""
    root, middle, other = parent(store, work(kind="flow", state=WAITING), work(), own_step=FOLLOWED)
    below = spawn(store, middle, work(on_failure=IGNORE), work(kind="mail"))
    worker = Worker(store)
    if end is CANCELLED:
        cancel(store, below[0])
    else:
        worker.end(below[0], state=end)

    assert delete(store, middle) == 3

    with store.group():
        for one in (middle, *below):
            with pytest.raises(JobNotFoundError):
                store.jobs.get(one)
    assert (counts(store, root).total, judge(store)) == (1, {})
    worker.end(other)
    assert judge(store) == {root: PENDING}


def test_running_job_in_the_tree_keeps_nothing_from_being_deleted(store: Store) -> None:
    """BullMQ deletes nothing while one of the jobs is locked; ours tells its worker, and refuses the result (I4)."""
    root, running, _ = parent(store, work(), work(kind="mail"), own_step=FOLLOWED)
    worker = Worker(store)
    worker.take()

    with store.group():
        count = store.control.delete(root)
        told = set(store.changes.lost_leases)

    assert (count, told, worker.end(running)) == (3, {running}, [running])


def test_child_that_fails_after_its_parent_is_gone_changes_nothing(store: Store, clock: ManualClock) -> None:
    """BullMQ, a parent that is missing: the child may be reported by its worker, or be rescued, in vain."""
    root, middle, other = parent(store, work(kind="flow", state=WAITING), work(kind="mail"), max_child_failures=0)
    running, _ = spawn(store, middle, work(on_failure=FAIL), work(on_failure=FAIL))
    worker = Worker(store)
    worker.take()
    delete(store, middle)

    refused = worker.end(running, state=FAILED)
    clock.advance(LEASE_S)
    with store.group():
        rescued = store.leases.expire()

    assert (refused, rescued, judge(store)) == ([running], 0, {})
    assert states(store, root, other) == [WAITING, PENDING]


def test_child_that_fails_after_its_parent_was_cancelled_changes_nothing(store: Store) -> None:
    """Its lease ended with the parent (I4, I10)."""
    root, bad = parent(store, work(on_failure=FAIL), own_step=FOLLOWED)
    worker = Worker(store)
    worker.take()
    cancel(store, root)

    assert worker.end(bad, state=FAILED) == [bad]
    assert states(store, root, bad) == [CANCELLED, CANCELLED]


@pytest.mark.parametrize("on_failure", [COUNT, FAIL])
def test_failed_child_that_is_deleted_counts_no_more(store: Store, on_failure: OnFailure) -> None:
    """BullMQ, removeOnFail, and Oban's pruner: what is gone holds nobody up and fails nobody (I13)."""
    root, first, second, last = parent(
        store, work(on_failure=on_failure), work(), work(), own_step=FOLLOWED, max_child_failures=1
    )
    worker = Worker(store)
    worker.fail(first)
    delete(store, first)
    worker.fail(second)
    worker.end(last)

    assert judge(store) == {root: PENDING}


# BullMQ: removeChildDependency, removeUnprocessedChildren


def test_last_unfinished_child_that_is_cancelled_lets_its_parent_go_on(store: Store) -> None:
    """BullMQ, removeChildDependency: the parent waits for that child no more, and for the others still."""
    root, first, second = parent(store, work(), work(), own_step=FOLLOWED, max_child_failures=0)

    cancel(store, first)
    assert judge(store) == {}
    cancel(store, second)

    assert judge(store) == {root: PENDING}


def test_cancelling_what_is_unfinished_below_a_parent_leaves_what_has_ended(store: Store) -> None:
    """BullMQ, removeUnprocessedChildren: completed and failed ones stay; ours ends also those that run."""
    root, done, bad, running, middle = parent(
        store, work(), work(on_failure=CONTINUE), work(), work(kind="flow", state=WAITING), own_step=FOLLOWED
    )
    (leaf,) = spawn(store, middle, work(kind="mail"))
    worker = Worker(store)
    worker.take()
    worker.end(done)
    worker.fail(bad)
    judge(store)

    with store.group():
        count = store.parents.cancel_below(root)

    assert count == 3
    assert states(store, root, done, bad, running, middle, leaf) == [PENDING, DONE, FAILED, *[CANCELLED] * 3]
