"""When a parent runs that has a time, a priority or a pause of its own: BullMQ's tests of flows as cases."""

from __future__ import annotations

import pytest
from store_rig import Worker, get, judge, make, parent, spawn, states, work

from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.records import NewJob, OnFailure, OwnStep, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

PENDING, WAITING = State.PENDING, State.WAITING
FOLLOWED = OwnStep.AFTER_CHILDREN
HOUR_S = 3600.0


def promote(store: Store) -> None:
    """Make claimable what has fallen due, as the alarm does."""
    with store.group():
        store.claims.promote()


def test_own_step_of_a_parent_with_a_time_does_not_run_before_it(store: Store, clock: ManualClock) -> None:
    """BullMQ, a parent with a delay: it is delayed when its children are done; ours until its time, not anew."""
    later = clock.now() + HOUR_S
    root, only = parent(store, work(), own_step=FOLLOWED, run_at=later)
    worker = Worker(store)
    worker.end(only)

    assert judge(store) == {root: PENDING}
    assert (worker.take(), get(store, root).run_at) == ([], later)
    clock.advance(HOUR_S)
    promote(store)
    assert worker.take() == [root]


def test_own_step_that_is_to_wait_for_its_time_sets_the_alarm(store: Store, clock: ManualClock) -> None:
    """Or nobody would look when it has come."""
    root, only = parent(store, work(), own_step=FOLLOWED, run_at=clock.now() + HOUR_S)
    Worker(store).end(only)

    with store.group():
        store.changes.clear()
        store.parents.judge([root])
        woken = store.changes.wake_at, store.changes.has_due_work

    assert woken == (clock.now() + HOUR_S, False)


def test_own_step_whose_time_has_passed_runs_when_the_children_have_ended(store: Store, clock: ManualClock) -> None:
    """The children took longer than that."""
    root, only = parent(store, work(), own_step=FOLLOWED, run_at=clock.now() + 1.0)
    worker = Worker(store)
    worker.take()
    clock.advance(2.0)
    worker.end(only)
    judge(store)

    assert (worker.take(), get(store, root).run_at) == ([root], clock.now())


def test_own_step_of_a_parent_without_a_time_is_due_also_when_the_clock_was_set_back(
    store: Store, clock: ManualClock
) -> None:
    """The time of its making is none to wait for, nor that of an attempt before its children (I20)."""
    root, only = parent(store, work(), own_step=FOLLOWED)
    begun, worker = make(store), Worker(store)
    worker.take()
    worker.end(begun, state=PENDING, counts=False, run_at=clock.now() + 1.0)
    clock.advance(1.0)
    promote(store)
    worker.end(begun, own_step=FOLLOWED, children=(work(parent_id=begun),))
    worker.end(only)
    clock.jump(clock.now() - HOUR_S)

    assert judge(store) == {root: PENDING}
    assert sorted(worker.take()) == [root, begun + 1]
    worker.end(begun + 1)
    assert judge(store) == {begun: PENDING}
    assert worker.take() == [begun]


def test_parent_with_a_time_that_may_go_on_waits_for_it(store: Store, clock: ManualClock) -> None:
    """BullMQ, continueParentOnFailure of a parent with a delay: it is delayed, and runs beside its other children."""
    root, bad, slow = parent(
        store, work(on_failure=OnFailure.CONTINUE), work(), own_step=FOLLOWED, run_at=clock.now() + HOUR_S
    )
    worker = Worker(store)
    worker.take()
    worker.fail(bad)
    judge(store)
    assert worker.take() == []

    clock.advance(HOUR_S)
    promote(store)

    assert worker.take() == [root]
    assert get(store, slow).state is State.RUNNING


def test_parent_that_is_retried_waits_for_no_time_any_more(store: Store, clock: ManualClock) -> None:
    """As any job that is retried: it was asked for now."""
    root, only = parent(store, work(), own_step=FOLLOWED, run_at=clock.now() + HOUR_S)
    worker = Worker(store)
    with store.group():
        store.parents.cancel(root)
        store.control.retry(root)
    worker.end(only)

    judge(store)

    assert worker.take() == [root]


def test_child_with_a_time_keeps_its_parent_waiting(store: Store, clock: ManualClock) -> None:
    """BullMQ, children with a delay: they are delayed, and the parent waits for them."""
    root, soon, later = parent(store, work(), work(run_at=clock.now() + HOUR_S), own_step=FOLLOWED)
    worker = Worker(store)
    worker.end(soon)
    assert (judge(store), worker.take(), get(store, root).state) == ({}, [], WAITING)

    clock.advance(HOUR_S)
    promote(store)
    worker.end(later)

    assert judge(store) == {root: PENDING}


def test_children_of_one_parent_run_in_the_order_of_their_priorities(store: Store) -> None:
    """BullMQ, priorities of a flow: and none lets a parent pass its children."""
    root, low, high, middle = parent(
        store, work(priority=1), work(priority=9), work(priority=5), own_step=FOLLOWED, priority=99
    )
    worker, order = Worker(store), []

    while taken := worker.take(1):
        order += taken
        worker.end(*taken)
        judge(store)

    assert order == [high, middle, low, root]


def test_parent_that_may_go_on_has_its_priority(store: Store) -> None:
    """BullMQ, continueParentOnFailure of a parent with a priority: among others without a parent it comes by that."""
    root, bad = parent(store, work(on_failure=OnFailure.CONTINUE), own_step=FOLLOWED, priority=5)
    worker = Worker(store)
    worker.fail(bad)
    judge(store)
    low, high = make(store, "flow", priority=1), make(store, "flow", priority=9)

    assert worker.take() == [high, root, low]


@pytest.mark.parametrize(
    "pause", [Pause(scope=PauseScope.KIND, name="flow"), Pause(scope=PauseScope.QUEUE, name="parents")]
)
def test_own_step_does_not_run_while_its_kind_or_queue_is_paused(store: Store, pause: Pause) -> None:
    """BullMQ, a parent whose queue is paused: its children are done, and it runs when that is resumed."""
    root, only = parent(store, work(), own_step=FOLLOWED, queue="parents")
    worker, of_parents = Worker(store), Worker(store, queue="parents")
    with store.group():
        store.control.pause(pause)
    worker.end(only)
    judge(store)
    assert of_parents.take() == []

    with store.group():
        store.control.resume(pause)

    assert of_parents.take() == [root]


def test_chain_of_any_depth_runs_from_its_end(store: Store) -> None:
    """BullMQ, a chain of jobs: each has one child, and none runs before it."""
    ids = list(parent(store, flow(), own_step=FOLLOWED))
    for _ in range(50):
        ids += spawn(store, ids[-1], flow())
    ids += spawn(store, ids[-1], work())
    worker, order = Worker(store), []

    while taken := worker.take():
        order += taken
        worker.end(*taken)
        judge(store)

    assert order == ids[::-1]
    assert set(states(store, *ids)) == {State.COMPLETED}


def flow() -> NewJob:
    """Return a parent that is a child."""
    return work(kind="flow", state=WAITING, own_step=FOLLOWED)
