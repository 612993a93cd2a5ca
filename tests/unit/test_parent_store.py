"""Parents: how children come, what they inherit, and how a parent ends, in every order of events (I6, I9, I10, I14)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from store_rig import BROKEN, Worker, counts, get, judge, make, parent, spawn, states, work

from bequest.engine.database import Row, Value
from bequest.engine.errors import JobNotFoundError, TransitionError
from bequest.engine.parent_store import RUN_TIMED_OUT
from bequest.engine.records import Counts, JobError, KeyScope, NewJob, OnFailure, OwnStep, State
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


# Its own step


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


# Cancelled, and out of time


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


def test_run_that_is_out_of_time_fails_with_all_below_it_cancelled(store: Store, clock: ManualClock) -> None:
    """At its time, not before; what has ended stays as it ended."""
    job_id, done, running = parent(store, work(), work(), run_timeout_s=30.0)
    worker = Worker(store)
    worker.take()
    worker.end(done)
    overdue = []

    for seconds in (29.0, 1.0, 30.0):
        clock.advance(seconds)
        with store.group():
            overdue.append(store.parents.end_overdue())

    assert overdue == [[], [job_id], []]
    assert states(store, job_id, done, running) == [FAILED, DONE, CANCELLED]
    assert get(store, job_id).error == RUN_TIMED_OUT


def test_run_and_a_crawl_of_it_may_be_out_of_time_at_once(store: Store, clock: ManualClock) -> None:
    """Both fail; neither stands in the other's way."""
    job_id, nested = parent(store, work(state=State.WAITING, run_timeout_s=5.0), run_timeout_s=5.0)
    spawn(store, nested, work())
    clock.advance(5.0)

    with store.group():
        overdue = store.parents.end_overdue()

    assert sorted(overdue) == [job_id, nested]
    assert states(store, job_id, nested) == [FAILED, FAILED]


@pytest.mark.parametrize("moment", ["due", "later", "running", "own step due", "own step running", "page"])
def test_job_that_is_out_of_time_fails_wherever_it_stands(store: Store, clock: ManualClock, moment: str) -> None:
    """Before its first attempt, in one, in its own step or waiting for a credential; who waits for a place is told."""
    fields: dict[str, Any] = {"run_timeout_s": 30.0, "max_attempts": 3}
    worker = Worker(store)
    if "own step" in moment:
        job_id, child = parent(store, work(), own_step=OwnStep.AFTER_CHILDREN, **fields)
        worker.end(child)
        judge(store)
    else:
        job_id = make(store, **fields)
    match moment:
        case "later":
            worker.end(job_id, state=State.PENDING, run_at=clock.now() + 99.0)
        case "running" | "own step running":
            worker.take()
        case "page":
            worker.end(job_id, state=State.WAITING, waits_for="wiki")
    clock.advance(30.0)

    with store.group():
        overdue = store.parents.end_overdue()
        told = store.changes.lost_leases, store.changes.has_due_work

    job = get(store, job_id)
    assert (overdue, told) == ([job_id], ({job_id} if "running" in moment else set(), True))
    assert (job.state, job.error, job.finished_at, job.waits_for) == (FAILED, RUN_TIMED_OUT, clock.now(), None)
    if "running" in moment:
        assert worker.end(job_id, result=1) == [job_id]
        assert get(store, job_id).result is None


def test_flow_that_is_out_of_time_in_the_middle_cancels_what_is_left(store: Store, clock: ManualClock) -> None:
    """Also where a failure has made its own step due beside children that go on; counters stay right (I13)."""
    job_id, broken, running, due = parent(
        store,
        work(on_failure=OnFailure.CONTINUE, priority=2),
        work(priority=1),
        work(),
        own_step=OwnStep.AFTER_CHILDREN,
        run_timeout_s=30.0,
    )
    worker = Worker(store)
    worker.take(2)
    worker.fail(broken)
    assert judge(store) == {job_id: State.PENDING}
    clock.advance(30.0)

    with store.group():
        store.parents.end_overdue()
        lost = store.changes.lost_leases

    assert (states(store, job_id, broken, running, due), lost) == ([FAILED, FAILED, CANCELLED, CANCELLED], {running})
    assert counts(store, job_id) == Counts(failed=1, cancelled=2, passed=1)


def test_many_that_are_out_of_time_take_no_more_statements_than_few(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one gives up the GIL, beside a busy thread for 5 ms."""
    statements: list[str] = []
    taken: list[int] = []
    rows = store._database.rows

    def counted(sql: str, values: Iterable[Value] = ()) -> list[Row]:
        statements.append(sql)
        return rows(sql, values)

    monkeypatch.setattr(store._database, "rows", counted)

    for jobs in (2, 20):
        with store.group():
            store.jobs.create([NewJob(kind="work", run_timeout_s=5.0) for _ in range(jobs)])
        clock.advance(5.0)
        statements.clear()
        with store.group():
            assert len(store.parents.end_overdue()) == jobs
            taken.append(len(statements))

    assert taken[0] == taken[1]


def test_child_that_is_out_of_time_fails_its_parent(store: Store, clock: ManualClock) -> None:
    """As by any other failure."""
    job_id, child = parent(store, work(run_timeout_s=5.0), max_child_failures=0)
    clock.advance(5.0)

    with store.group():
        overdue, concerned = store.parents.end_overdue(), set(store.changes.parents)

    assert (overdue, concerned) == ([child], {job_id})
    assert judge(store) == {job_id: FAILED}


def test_time_of_a_job_begins_when_it_may_start(store: Store, clock: ManualClock) -> None:
    """One that is to start later has as much time."""
    later = make(store, run_at=clock.now() + 60.0, run_timeout_s=30.0)
    earlier = make(store, run_at=clock.now() - 60.0, run_timeout_s=30.0)
    flow = make(store, run_at=clock.now() + 60.0, run_timeout_s=30.0, state=State.WAITING)

    found = [get(store, one).deadline_at for one in (later, earlier, flow)]

    assert found == [clock.now() + 90.0, clock.now() + 30.0, clock.now() + 30.0]


def test_time_of_a_run_is_a_time_to_wake(store: Store, clock: ManualClock) -> None:
    """When it is made, and whenever it is asked what falls due next."""
    with store.group():
        store.jobs.create([NewJob(kind="flow", state=State.WAITING, run_timeout_s=30.0)])
        wake_at = store.changes.wake_at
    with store.group():
        next_wake = store.leases.next_wake()

    assert wake_at == next_wake == clock.now() + 30.0


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
