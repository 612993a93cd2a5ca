"""Parents: how children come, what they inherit, and how a parent ends, in every order of events (I6, I9, I10, I14)."""

from __future__ import annotations

import pytest
from store_rig import Worker, counts, get, judge, make, parent, spawn, states, work

from bequest.engine.errors import JobNotFoundError, TransitionError
from bequest.engine.records import JobError, KeyScope, OwnStep, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

DONE, FAILED, CANCELLED = State.COMPLETED, State.FAILED, State.CANCELLED
FOLLOWED = OwnStep.AFTER_CHILDREN


# How children come


def test_children_come_in_order_with_what_they_inherit(store: Store) -> None:
    """The parent's metadata and their own, their root, and a note that the parent is concerned."""
    root, middle = parent(store, work(state=State.WAITING), metadata={"a": 1, "b": 1})

    with store.group():
        ids = store.parents.spawn(middle, [work(metadata={"b": 2, "c": 2}), work()], seal=True)
        noted = set(store.changes.parents)

    children = [get(store, job_id or 0) for job_id in ids]
    assert [child.metadata for child in children] == [{"a": 1, "b": 2, "c": 2}, {"a": 1, "b": 1}]
    assert [(child.parent_id, child.root_id) for child in children] == [(middle, root)] * 2
    assert (get(store, middle).sealed, noted) == (True, {middle})


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("sealed", "is sealed"),
        ("cancelled", "is sealed"),
        ("pending", "is pending and does not wait for children"),
        ("running", "is running and does not wait for children"),
        ("credential", "is waiting and does not wait for children"),
    ],
)
def test_closed_parent_gets_no_child(store: Store, end: str, said: str) -> None:
    """One to which no more come, or that runs itself; nothing is written (I9, I12)."""
    if end in ("sealed", "cancelled"):
        job_id, *_ = parent(store, seal=end == "sealed")
    else:
        job_id = make(store)
    worker = Worker(store)
    if end == "cancelled":
        with store.group():
            store.parents.cancel(job_id)
    if end in ("running", "credential"):
        worker.take()
    if end == "credential":
        worker.end(job_id, state=State.WAITING, waits_for="wiki")

    with (
        pytest.raises(TransitionError, match=f"children of job {job_id}, found that it {said}"),
        store.group(),
    ):
        store.parents.spawn(job_id, [work(key="a")])

    assert counts(store, job_id).total == 0


def test_closed_parent_is_asked_again_in_vain_and_without_an_error(store: Store) -> None:
    """Spawning what is there already does nothing: after a crash the step is taken again (I11)."""
    job_id, _ = parent(store, work(key="a"))

    assert spawn(store, job_id, work(key="a"), work(key="a")) == ()
    with pytest.raises(TransitionError):
        spawn(store, job_id, work(key="a"), work(key="b"))
    assert counts(store, job_id).total == 1


def test_closed_parent_gets_no_child_under_a_key_whose_period_has_passed(store: Store, clock: ManualClock) -> None:
    """Also not when every key that is asked for is there, but free again (I9)."""
    period = {"key_scope": KeyScope.PERIOD, "key_period_s": 5.0}
    job_id, child = parent(store, work(key="a", **period))
    Worker(store).end(child)
    judge(store)
    clock.advance(10.0)

    assert spawn(store, job_id, work(key="a", **period)) == ()
    assert counts(store, job_id).total == 1


def test_child_of_a_job_that_is_not_there_is_refused(store: Store) -> None:
    """The refusal names what was asked for."""
    with pytest.raises(JobNotFoundError, match="asked for job 99"):
        spawn(store, 99, work())


def test_children_stop_at_the_limit_of_their_parent(store: Store) -> None:
    """Over several calls, with those whose key is taken counted once (I14)."""
    job_id, *first = parent(store, work(key="a"), seal=False, child_limit=3)

    second = spawn(store, job_id, work(key="a"), work(key="b"), work(key="c"), work(key="d"), seal=False)
    third = spawn(store, job_id, work(key="e"))

    assert (len(first), len(second), len(third)) == (1, 2, 0)
    assert counts(store, job_id).total == 3


def test_inheritance_is_the_parents_with_the_session_of_the_root(store: Store) -> None:
    """Its metadata as it is now, the root's auth_id, and the definition that is nearest (I7)."""
    root, middle = parent(store, work(state=State.WAITING), metadata={"auth_id": "old", "a": 1})
    with store.group():
        store.jobs.update_metadata(root, {"auth_id": "new", "later": True})
        found = store.parents.inheritance(middle)

    assert (found.parent_id, found.root_id, found.definition_id) == (middle, root, None)
    assert found.metadata == {"auth_id": "new", "a": 1}
    with pytest.raises(JobNotFoundError), store.group():
        store.parents.inheritance(99)


# How a parent ends


def test_parent_ends_when_it_is_sealed_and_its_children_have_ended(store: Store, clock: ManualClock) -> None:
    """Not a moment before (I9)."""
    job_id, first, second = parent(store, work(), work(), seal=False)
    worker = Worker(store)

    worker.end(first)
    early = judge(store)
    worker.end(second)
    unsealed = judge(store)
    spawn(store, job_id)
    clock.advance(1.0)

    assert (early, unsealed, judge(store)) == ({}, {}, {job_id: DONE})
    assert get(store, job_id).finished_at == clock.now()


def test_parent_without_children_ends_when_it_is_sealed(store: Store) -> None:
    """Zero children are all children."""
    job_id, *_ = parent(store)

    assert judge(store) == {job_id: DONE}


def test_ripe_parents_are_those_with_something_to_do(store: Store) -> None:
    """Sealed ones are judged, others take their next step; those that wait for a child do neither."""
    empty, open_, busy = parent(store)[0], parent(store, seal=False)[0], parent(store, work())[0]
    ended = parent(store)[0]
    with store.group():
        store.parents.cancel(ended)
        ripe = store.parents.ripe({empty, open_, busy, ended, 99})
        nothing = store.parents.ripe(set())

    assert (ripe.to_judge, ripe.to_go_on) == ((empty,), (open_,))
    assert not any(nothing)


@pytest.mark.parametrize(("max_failures", "state"), [(None, DONE), (1, DONE), (0, FAILED), (0.5, DONE), (0.4, FAILED)])
def test_parent_fails_when_more_children_failed_than_it_allows(
    store: Store, max_failures: float | None, state: State
) -> None:
    """A count or a share; the reason says how many."""
    job_id, first, second = parent(store, work(), work(), max_child_failures=max_failures)
    worker = Worker(store)
    worker.end(first)
    worker.fail(second)

    assert judge(store) == {job_id: state}
    error = JobError(type="children_failed", message="1 of 2 children failed") if state is FAILED else None
    assert get(store, job_id).error == error


def test_parent_that_fails_early_takes_all_below_it_along(store: Store) -> None:
    """Whoever runs is told, and whatever waits is not started (I10)."""
    job_id, bad, running, nested = parent(
        store, work(), work(), work(kind="flow", state=State.WAITING), max_child_failures=0
    )
    (below,) = spawn(store, nested, work(kind="mail"))
    worker = Worker(store)
    worker.take()
    worker.fail(bad)

    with store.group():
        moved = store.parents.judge([job_id])
        lost = set(store.changes.lost_leases)

    assert (moved, lost) == ({job_id: FAILED}, {running})
    assert states(store, running, nested, below) == [CANCELLED] * 3


def test_parent_that_is_taken_along_is_not_judged(store: Store) -> None:
    """Also when it was ripe itself, in the same call: a final state is never overwritten (I2)."""
    job_id, bad, nested, followed = parent(
        store,
        work(),
        work(state=State.WAITING),
        work(state=State.WAITING, own_step=FOLLOWED),
        max_child_failures=0,
    )
    spawn(store, nested)
    spawn(store, followed)
    Worker(store).fail(bad)

    with store.group():
        moved = store.parents.judge([job_id, nested, followed])

    assert moved == {job_id: FAILED}
    assert states(store, nested, followed) == [CANCELLED] * 2


def test_parents_end_from_below_to_above(store: Store) -> None:
    """Each is ripe once the one below it has ended."""
    root, middle = parent(store, work(state=State.WAITING))
    (leaf,) = spawn(store, middle, work())
    Worker(store).end(leaf)

    assert judge(store) == {middle: DONE, root: DONE}


# Cancelled


def test_cancel_ends_all_that_is_unfinished_below(store: Store, clock: ManualClock) -> None:
    """What has ended stays as it ended; a second cancel finds nothing (I10)."""
    job_id, done, running, nested = parent(store, work(), work(), work(state=State.WAITING))
    (below,) = spawn(store, nested, work(kind="mail"))
    worker = Worker(store)
    worker.take()
    worker.end(done)
    clock.advance(2.0)

    with store.group():
        count = store.parents.cancel(job_id)
        told = set(store.changes.lost_leases), store.changes.has_due_work
    with store.group():
        again = store.parents.cancel(job_id)

    assert (count, again, told) == (4, 0, ({running}, True))
    assert states(store, job_id, done, running, nested, below) == [CANCELLED, DONE, CANCELLED, CANCELLED, CANCELLED]
    assert get(store, below).finished_at == clock.now()
    with pytest.raises(JobNotFoundError), store.group():
        store.parents.cancel(99)


def test_late_result_of_a_cancelled_job_is_refused(store: Store) -> None:
    """Its lease ended with it (I4)."""
    job_id, worker = make(store), Worker(store)
    worker.take()
    with store.group():
        store.parents.cancel(job_id)

    assert worker.end(job_id, result=1) == [job_id]
    assert (get(store, job_id).state, get(store, job_id).result) == (CANCELLED, None)


# Those that are open


def test_open_parents_are_unfinished_and_have_none_themselves(store: Store) -> None:
    """Of the kinds asked for, the oldest first."""
    first, _ = parent(store, work(kind="flow", state=State.WAITING))
    second = make(store, "crawl", state=State.WAITING)
    third = make(store, "other", state=State.WAITING)
    ended, *_ = parent(store)
    judge(store)
    with store.group():
        found = store.parents.open_parents(["flow", "crawl"])
        waiting = store.parents.waiting()

    assert [job.id for job in found] == [first, second]
    assert {third, second, first} < set(waiting)
    assert ended not in waiting
