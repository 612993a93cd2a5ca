"""What a failed child does to its parent: the policies of BullMQ and Oban as cases, and where ours differ on purpose.

The rules are those of BullMQ's guide to flows (fail, continue, ignore and remove) and its issues, and of Oban's options
of workflows; each test names its own.
"""

from __future__ import annotations

import pytest
from store_rig import LEASE_S, Worker, get, judge, make, parent, spawn, states, work

from bequest.engine.records import NewJob, OnFailure, OwnStep, State
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
FAIL, IGNORE, CONTINUE = OnFailure.FAIL, OnFailure.IGNORE, OnFailure.CONTINUE


def flow(**fields: object) -> NewJob:
    """Return a parent that is itself a child, with a handler for after its children."""
    return work(**{"kind": "flow", "state": WAITING, "own_step": FOLLOWED, "max_child_failures": None, **fields})


# BullMQ: failParentOnFailure


def test_child_that_fails_its_parent_does_so_at_once(store: Store) -> None:
    """BullMQ, failParentOnFailure: the parent fails as soon as the child does, though others have not ended."""
    root, bad, other = parent(store, work(on_failure=FAIL), work(), own_step=FOLLOWED, max_child_failures=None)
    Worker(store).fail(bad)

    assert judge(store) == {root: FAILED}
    assert get(store, other).finished_at is not None


def test_siblings_of_a_child_that_fails_its_parent_are_cancelled(store: Store) -> None:
    """BullMQ lets the siblings run on below a parent that has failed; ours end with it, for nobody reads them (I10)."""
    root, bad, running, waiting = parent(store, work(on_failure=FAIL), work(), work(kind="mail"))
    worker = Worker(store)
    worker.take()
    worker.fail(bad)

    judge(store)

    assert states(store, root, running, waiting) == [FAILED, CANCELLED, CANCELLED]
    assert worker.end(running) == [running]


def test_parent_that_is_not_sealed_has_no_next_step_while_a_child_is_unfinished(store: Store) -> None:
    """A child that fails its parent ends it once nothing more comes; until then nobody is told to go on with it."""
    root, bad, _ = parent(store, work(on_failure=FAIL), work(), seal=False)
    Worker(store).fail(bad)

    with store.group():
        before = store.parents.ripe([root])
    spawn(store, root)
    with store.group():
        after = store.parents.ripe([root])

    assert (before, after) == (((), ()), ((root,), ()))


def test_failure_goes_up_to_a_grandparent_where_the_parent_fails_it_too(store: Store) -> None:
    """BullMQ, failParentOnFailure: looked at again at each level, up to grandparents and beyond."""
    root, middle = parent(store, flow(on_failure=FAIL), own_step=FOLLOWED, max_child_failures=None)
    (inner,) = spawn(store, middle, flow(on_failure=FAIL))
    (leaf,) = spawn(store, inner, work(on_failure=FAIL))
    Worker(store).fail(leaf)

    assert judge(store) == {inner: FAILED, middle: FAILED, root: FAILED}


def test_failure_stops_at_a_parent_that_does_not_fail_its_own(store: Store) -> None:
    """BullMQ, failParentOnFailure: a parent without the option ends the propagation, and the grandparent goes on."""
    root, middle, other = parent(store, flow(), work(), own_step=FOLLOWED, max_child_failures=None)
    (leaf,) = spawn(store, middle, work(on_failure=FAIL))
    worker = Worker(store)
    worker.fail(leaf)
    assert judge(store) == {middle: FAILED}

    worker.end(other)

    assert judge(store) == {root: PENDING}


def test_child_without_the_option_does_not_fail_its_parent_at_once(store: Store) -> None:
    """BullMQ, failParentOnFailure: selective; a sibling without it leaves the parent waiting for the others."""
    root, plain, fatal = parent(store, work(), work(on_failure=FAIL), own_step=FOLLOWED, max_child_failures=None)
    worker = Worker(store)
    worker.fail(plain)

    assert judge(store) == {}
    worker.end(fatal)
    assert judge(store) == {root: PENDING}


def test_child_that_is_tried_again_has_not_failed(store: Store, clock: ManualClock) -> None:
    """BullMQ: only when the attempts are used up does a child fail its parent."""
    root, child = parent(store, work(on_failure=FAIL, max_attempts=2))
    worker = Worker(store)
    worker.end(child, state=PENDING)

    assert (judge(store), get(store, child).state) == ({}, PENDING)
    worker.end(child, state=PENDING)
    assert (judge(store), get(store, child).state) == ({root: FAILED}, FAILED)


def test_child_whose_lease_ended_at_its_last_attempt_fails_its_parent(store: Store, clock: ManualClock) -> None:
    """BullMQ, pull request 2526: a stalled child that is given up fails its parent as any other does."""
    root, *_ = parent(store, work(on_failure=FAIL), work(kind="mail"))
    Worker(store).take()
    clock.advance(LEASE_S)

    with store.group():
        store.leases.expire()
        ripe = store.parents.ripe(store.changes.parents)

    assert ripe.to_judge == (root,)
    assert judge(store) == {root: FAILED}


def test_child_that_fails_while_its_parent_runs_fails_it_in_the_end(store: Store) -> None:
    """BullMQ, pull request 3098: a parent that is active fails by its child too; ours when its step has ended."""
    root, passed, fatal = parent(store, work(on_failure=CONTINUE), work(on_failure=FAIL), own_step=FOLLOWED)
    worker = Worker(store)
    worker.take()
    worker.fail(passed)
    judge(store)
    worker.take()

    worker.fail(fatal)
    during = judge(store)
    worker.end(root)

    assert (during, judge(store)) == ({}, {root: FAILED})


@pytest.mark.parametrize("fatal", [FAIL, OnFailure.COUNT])
@pytest.mark.parametrize("is_put_back", [False, True])
def test_child_that_fails_before_the_own_step_of_its_parent_begins_fails_it_at_once(
    store: Store, fatal: OnFailure, *, is_put_back: bool
) -> None:
    """BullMQ: a parent that is delayed or prioritized fails by its child too; its step does not begin in vain (I9)."""
    root, passed, bad, other = parent(
        store,
        work(on_failure=CONTINUE),
        work(on_failure=fatal),
        work(kind="mail"),
        own_step=FOLLOWED,
        max_attempts=2,
        max_child_failures=0,
    )
    worker = Worker(store)
    worker.take()
    worker.fail(passed)
    judge(store)
    if is_put_back:
        worker.end(root, state=PENDING, run_at=9e9)
    worker.fail(bad)

    with store.group():
        assert store.parents.ripe([root]).to_judge == (root,)
        assert store.parents.judge([root]) == {root: FAILED}
    assert states(store, root, other) == [FAILED, CANCELLED]
    assert worker.take() == []


def test_failures_below_what_is_tolerated_leave_an_own_step_that_is_due_alone(store: Store) -> None:
    """Ours alone: nor does one that is ignored or lets it go on, nor a share before the step has ended."""
    root, *bad, _ = parent(
        store,
        work(on_failure=CONTINUE),
        work(on_failure=CONTINUE),
        work(on_failure=IGNORE),
        work(),
        work(),
        own_step=FOLLOWED,
        max_child_failures=1,
    )
    worker = Worker(store)
    worker.take()
    worker.fail(bad[0])
    judge(store)
    worker.fail(*bad[1:])

    with store.group():
        assert (store.parents.ripe([root]), store.parents.judge([root])) == (((), ()), {})
    assert worker.take() == [root]


# BullMQ: ignoreDependencyOnFailure, removeDependencyOnFailure


def test_ignored_failure_lets_the_parent_go_on_only_after_its_last_child(store: Store) -> None:
    """BullMQ, ignoreDependencyOnFailure and removeDependencyOnFailure: once there are no more pending children."""
    root, ignored, other = parent(store, work(on_failure=IGNORE), work(), own_step=FOLLOWED, max_child_failures=0)
    worker = Worker(store)
    worker.fail(ignored)

    assert judge(store) == {}
    worker.end(other)
    assert judge(store) == {root: PENDING}


def test_ignored_failure_of_the_last_child_lets_the_parent_go_on(store: Store) -> None:
    """BullMQ, ignoreDependencyOnFailure: also where it is the child that the parent waited for."""
    root, ignored = parent(store, work(on_failure=IGNORE), own_step=FOLLOWED, max_child_failures=0)
    Worker(store).fail(ignored)

    assert judge(store) == {root: PENDING}


def test_ignored_failure_can_be_read_by_the_parent(store: Store) -> None:
    """BullMQ keeps ignored failures (getIgnoredChildrenFailures) and forgets removed ones; ours are always kept."""
    root, ignored = parent(store, work(on_failure=IGNORE), own_step=FOLLOWED, max_child_failures=0)
    Worker(store).fail(ignored)

    (view,) = store.queries.jobs(parent_id=root, state=FAILED)

    assert (view.job.id, view.job.error) == (ignored, get(store, ignored).error)


def test_ignored_failures_are_no_part_of_a_share(store: Store) -> None:
    """Ours alone: what is ignored counts neither as a number nor as a share of failures."""
    root, *children = parent(
        store, work(on_failure=IGNORE), work(on_failure=IGNORE), work(), max_child_failures=0.0, own_step=FOLLOWED
    )
    worker = Worker(store)
    worker.fail(*children[:2])
    worker.end(children[2])

    assert judge(store) == {root: PENDING}


# BullMQ: continueParentOnFailure


def test_parent_goes_on_at_once_where_a_failed_child_lets_it(store: Store) -> None:
    """BullMQ, continueParentOnFailure: the parent is processed while other children run or wait."""
    root, bad, running, waiting = parent(
        store, work(on_failure=CONTINUE), work(), work(kind="mail"), own_step=FOLLOWED, max_child_failures=0
    )
    worker = Worker(store)
    worker.take()
    worker.fail(bad)

    assert judge(store) == {root: PENDING}
    assert states(store, running, waiting) == [RUNNING, PENDING]
    assert worker.take() == [root]


def test_children_that_did_not_start_can_be_cancelled_by_the_parent(store: Store) -> None:
    """BullMQ, removeUnprocessedChildren: the parent that goes on can be rid of those; ours by cancelling them."""
    root, bad, waiting = parent(store, work(on_failure=CONTINUE), work(kind="mail"), own_step=FOLLOWED)
    worker = Worker(store)
    worker.fail(bad)
    judge(store)

    with store.group():
        store.parents.cancel(waiting)
    worker.end(root)

    assert states(store, root, waiting) == [DONE, CANCELLED]


def test_parent_that_went_on_ends_after_all_its_children(store: Store) -> None:
    """Ours alone: a parent that cancels none of those that are left is final with the last of them (I9)."""
    root, bad, slow = parent(store, work(on_failure=CONTINUE), work(), own_step=FOLLOWED)
    worker = Worker(store)
    worker.take()
    worker.fail(bad)
    judge(store)

    worker.end(root)
    between = get(store, root).state
    worker.end(slow)

    assert (between, judge(store)) == (WAITING, {root: DONE})


def test_parent_without_a_step_of_its_own_has_nothing_to_go_on_with(store: Store) -> None:
    """Ours alone: a parent that has no handler waits for the others, and the failure does not count."""
    root, bad, other = parent(store, work(on_failure=CONTINUE), work(), max_child_failures=0)
    worker = Worker(store)
    worker.fail(bad)

    assert judge(store) == {}
    worker.end(other)
    assert judge(store) == {root: DONE}


def test_second_child_that_lets_it_go_on_does_not_start_the_parent_twice(store: Store) -> None:
    """Ours alone: its step is taken once, whatever its children come to meanwhile."""
    root, first, second = parent(store, work(on_failure=CONTINUE), work(on_failure=CONTINUE), own_step=FOLLOWED)
    worker = Worker(store)
    worker.take()
    worker.fail(first)
    judge(store)
    worker.end(root)
    worker.fail(second)

    assert judge(store) == {root: DONE}
    assert get(store, root).attempts == 1


# BullMQ without any option


def test_parent_does_not_wait_for_ever_for_a_child_that_failed(store: Store) -> None:
    """BullMQ, issue 3362: without an option its parent stays in waiting-children; ours is judged by how many failed."""
    root, bad, good = parent(store, work(), work(), max_child_failures=1, own_step=FOLLOWED)
    worker = Worker(store)
    worker.fail(bad)
    worker.end(good)

    assert judge(store) == {root: PENDING}


def test_parent_that_allows_no_failure_fails_with_the_first(store: Store) -> None:
    """Ours alone: the default of a kind, as a function that calls others fails when one of them raises."""
    root, bad, _ = parent(store, work(), work(), max_child_failures=0, own_step=FOLLOWED)
    Worker(store).fail(bad)

    assert judge(store) == {root: FAILED}


# Oban: what a dependent job does after one that was cancelled or discarded


def test_cancelled_child_does_not_fail_its_parent(store: Store) -> None:
    """Oban cancels what depends on a cancelled job unless ignore_cancelled is set; ours goes on as with it set.

    Who cancels one child wants it gone; to end the whole flow is to cancel the parent.
    """
    root, gone, other = parent(store, work(on_failure=FAIL), work(), max_child_failures=0, own_step=FOLLOWED)
    worker = Worker(store)
    with store.group():
        store.parents.cancel(gone)
    worker.end(other)

    assert judge(store) == {root: PENDING}


def test_parent_of_cancelled_children_alone_goes_on(store: Store) -> None:
    """Oban, ignore_cancelled: the job runs although nothing that it depends on was done."""
    root, first, second = parent(store, work(), work(), max_child_failures=0, own_step=FOLLOWED)
    with store.group():
        store.parents.cancel(first)
        store.parents.cancel(second)

    assert judge(store) == {root: PENDING}


@pytest.mark.parametrize(("on_failure", "state"), [(OnFailure.COUNT, FAILED), (IGNORE, PENDING)])
def test_discarded_child_ends_its_parent_unless_it_is_ignored(
    store: Store, on_failure: OnFailure, state: State
) -> None:
    """Oban, ignore_discarded: without it what depends on a discarded job is cancelled; ours says failed, and why."""
    root, bad = parent(store, work(on_failure=on_failure), max_child_failures=0, own_step=FOLLOWED)
    Worker(store).fail(bad)

    assert judge(store) == {root: state}


def test_deleted_child_holds_nobody_up(store: Store) -> None:
    """Oban, ignore_deleted: without it what depends on a deleted job is cancelled; ours goes on without it."""
    root, gone = parent(store, work(), max_child_failures=0, own_step=FOLLOWED)
    with store.group():
        store.control.delete(gone)

    assert judge(store) == {root: PENDING}


def test_cancelled_parent_takes_all_that_is_left_of_the_flow_along(store: Store) -> None:
    """Oban, cancel_jobs of a workflow: whatever has not ended is cancelled, what has ended stays (I10)."""
    root, done, running, middle = parent(store, work(), work(), flow())
    (leaf,) = spawn(store, middle, work(kind="mail"))
    worker = Worker(store)
    worker.take()
    worker.end(done)

    with store.group():
        store.parents.cancel(root)

    assert states(store, root, done, running, middle, leaf) == [CANCELLED, DONE, CANCELLED, CANCELLED, CANCELLED]
    assert make(store) > leaf
