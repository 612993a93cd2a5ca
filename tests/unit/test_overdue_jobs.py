"""The time of a job and of all below it: when it begins, and what ends once it is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from store_rig import Worker, counts, get, judge, make, parent, spawn, states, work

from bequest.engine.database import Row, Value
from bequest.engine.parent_store import RUN_TIMED_OUT
from bequest.engine.records import Counts, NewJob, OnFailure, OwnStep, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

DONE, FAILED, CANCELLED = State.COMPLETED, State.FAILED, State.CANCELLED


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
