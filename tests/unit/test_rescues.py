"""Jobs whose worker is gone: the cases of River's rescuer, and where ours differ on purpose.

River's rescuer looks for jobs that have been running for an hour. Ours looks at the lease: a live worker renews it, so
a long job is never taken for a stuck one, and a dead one's job is due again as soon as its lease has ended.
"""

from __future__ import annotations

import pytest
from store_rig import LEASE_S, Worker, counts, get, judge, make, parent, states, work

from bequest.engine.lease_store import ENDS_FORGIVEN, LEASE_EXPIRED, PROGRAM_ENDED
from bequest.engine.records import LeaseRef, NewJob, OnFailure, OwnStep, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

DONE, FAILED, CANCELLED, PENDING, RUNNING = (
    State.COMPLETED,
    State.FAILED,
    State.CANCELLED,
    State.PENDING,
    State.RUNNING,
)


def expire(store: Store) -> int:
    with store.group():
        return store.leases.expire()


def renew(store: Store, worker: Worker, job_id: int) -> list[int]:
    with store.group():
        ref = LeaseRef(job_id=job_id, token=worker.leases[job_id].token)
        return store.leases.renew([ref], LEASE_S)


def test_stuck_job_with_attempts_left_is_due_again(store: Store, clock: ManualClock) -> None:
    """River, RescuesStuckJobs: it is retryable; ours at once, for its worker has already been gone for the lease."""
    job_id, worker = make(store, max_attempts=5), Worker(store)
    worker.take()
    clock.advance(LEASE_S)

    count = expire(store)

    job = get(store, job_id)
    assert (count, job.state, job.run_at, job.attempts) == (1, PENDING, clock.now(), 1)
    assert (job.error, job.finished_at) == (LEASE_EXPIRED, None)
    assert worker.take() == [job_id]


def test_stuck_job_at_its_last_attempt_is_given_up(store: Store, clock: ManualClock) -> None:
    """River, RescuesStuckJobs: it is discarded, with its time and one error more."""
    job_id, worker = make(store, max_attempts=1), Worker(store)
    worker.take()
    clock.advance(LEASE_S)

    expire(store)

    job = get(store, job_id)
    assert (job.state, job.finished_at, job.error) == (FAILED, clock.now(), LEASE_EXPIRED)
    assert [(one.attempt, one.at, one.error) for one in store.queries.attempt_errors(job_id)] == [
        (1, clock.now(), LEASE_EXPIRED)
    ]


def test_job_is_not_stuck_before_its_lease_has_ended(store: Store, clock: ManualClock) -> None:
    """River, RescuesStuckJobs: one that runs for less than the horizon stays as it is, at any attempt."""
    first, last, worker = make(store, max_attempts=5), make(store), Worker(store)
    worker.take()
    clock.advance(LEASE_S - 0.001)

    assert expire(store) == 0
    assert states(store, first, last) == [RUNNING, RUNNING]


def test_job_with_a_running_heartbeat_is_never_stuck(store: Store, clock: ManualClock) -> None:
    """River, longTimeOutJob: a kind with a longer timeout is given longer; ours needs none, whoever lives renews."""
    job_id, worker = make(store), Worker(store)
    worker.take()

    for _ in range(20):
        clock.advance(LEASE_S - 1.0)
        assert renew(store, worker, job_id) == []
        assert expire(store) == 0

    assert (get(store, job_id).state, get(store, job_id).attempts) == (RUNNING, 1)


def test_heartbeat_that_stops_makes_the_job_stuck(store: Store, clock: ManualClock) -> None:
    """River, longTimeOutJob: beyond even its longer timeout it is rescued; ours one lease after the last renewal."""
    job_id, worker = make(store, max_attempts=2), Worker(store)
    worker.take()
    clock.advance(LEASE_S / 2)
    renew(store, worker, job_id)
    clock.advance(LEASE_S)

    assert expire(store) == 1


def test_job_rescued_while_its_worker_finishes_is_ended_once(store: Store, clock: ManualClock) -> None:
    """River has no token, so both may write; ours refuses the late result, and the new holder's counts (I3, I4)."""
    job_id, slow, other = make(store, max_attempts=2), Worker(store), Worker(store)
    slow.take()
    clock.advance(LEASE_S)
    expire(store)
    other.take()

    late = slow.end(job_id, result="late")
    right = other.end(job_id, result="right")

    assert (late, right, get(store, job_id).result) == ([job_id], [], "right")


def test_late_result_of_a_rescued_job_is_refused_before_it_runs_again(store: Store, clock: ManualClock) -> None:
    """Though nobody else holds it yet: the attempt is over, and an error of it is kept (I4)."""
    job_id, worker = make(store, max_attempts=2), Worker(store)
    worker.take()
    clock.advance(LEASE_S)
    expire(store)

    assert worker.end(job_id) == [job_id]
    assert get(store, job_id).state is PENDING


def test_late_heartbeat_does_not_bring_a_lease_back(store: Store, clock: ManualClock) -> None:
    """The worker is told that it lost it, and stops."""
    job_id, worker = make(store, max_attempts=2), Worker(store)
    worker.take()
    clock.advance(LEASE_S)
    expire(store)

    assert renew(store, worker, job_id) == [job_id]
    assert get(store, job_id).lease_until is None


def test_result_in_the_instant_that_the_lease_ends_counts_where_it_comes_first(
    store: Store, clock: ManualClock
) -> None:
    """A lease is held until it is taken away: rescue is a compare-and-set like every other end (I3)."""
    job_id, worker = make(store), Worker(store)
    worker.take()
    clock.advance(LEASE_S)

    refused = worker.end(job_id, result=1)

    assert (refused, expire(store), get(store, job_id).state) == ([], 0, DONE)


def test_stuck_job_that_was_cancelled_is_not_rescued(store: Store, clock: ManualClock) -> None:
    """River, RescuesStuckJobs: one marked as cancelled is cancelled then; ours was when it was asked for."""
    job_id, worker = make(store, max_attempts=5), Worker(store)
    worker.take()
    with store.group():
        store.parents.cancel(job_id)
    clock.advance(LEASE_S)

    assert (expire(store), get(store, job_id).state) == (0, CANCELLED)


def test_jobs_that_do_not_run_are_not_rescued(store: Store, clock: ManualClock) -> None:
    """River, RescuesStuckJobs: whatever has ended is not touched, nor what is pending or waits."""
    done, failed, worker = make(store), make(store), Worker(store)
    worker.take()
    worker.end(done)
    worker.fail(failed)
    pending, waiting = make(store), make(store, state=State.WAITING)
    clock.advance(10 * LEASE_S)

    assert expire(store) == 0
    assert states(store, done, failed, pending, waiting) == [DONE, FAILED, PENDING, State.WAITING]


def test_any_number_of_stuck_jobs_is_rescued_at_once(store: Store, clock: ManualClock) -> None:
    """River, RescuesInBatches: all of them, in batches; ours in one statement, with each one's parent told."""
    parent_id, *children = parent(store, *[work(max_attempts=2)] * 300)
    Worker(store).take(300)
    clock.advance(LEASE_S)

    with store.group():
        count = store.leases.expire()
        told, lost = set(store.changes.parents), set(store.changes.lost_leases)

    assert (count, told, lost) == (300, {parent_id}, set(children))
    assert counts(store, parent_id).pending == 300


def test_job_can_be_rescued_more_than_once(store: Store, clock: ManualClock) -> None:
    """River, CanRunMultipleTimes: until its attempts are used up (I5), each of them with its error."""
    job_id, worker = make(store, max_attempts=3), Worker(store)

    for _ in range(3):
        worker.take()
        clock.advance(LEASE_S)
        expire(store)

    assert (get(store, job_id).state, get(store, job_id).attempts) == (FAILED, 3)
    assert [one.attempt for one in store.queries.attempt_errors(job_id)] == [1, 2, 3]


def test_stuck_job_is_found_behind_any_number_that_live(store: Store, clock: ManualClock) -> None:
    """River, RescuesPastFullBatchOfJobsWithNoTimeout: those that are passed over fill no batch."""
    live, slow = Worker(store), Worker(store, "mail")
    kept = [make(store) for _ in range(300)]
    stuck = make(store, "mail", max_attempts=2)
    live.take(300)
    slow.take()
    clock.advance(LEASE_S / 2)
    with store.group():
        store.leases.renew([LeaseRef(job_id=one, token=live.leases[one].token) for one in kept], LEASE_S)
    clock.advance(LEASE_S / 2)

    assert expire(store) == 1
    assert get(store, stuck).state is PENDING
    assert set(states(store, *kept)) == {RUNNING}


def test_stuck_job_of_a_kind_that_nobody_has_waits_for_one_who_does(store: Store, clock: ManualClock) -> None:
    """River discards it, and Oban fails it; ours may come back with the program's next version."""
    job_id, worker, other = make(store, max_attempts=2), Worker(store), Worker(store, "mail")
    worker.take()
    clock.advance(LEASE_S)

    expire(store)

    assert (get(store, job_id).state, other.take(), worker.take()) == (PENDING, [], [job_id])


@pytest.mark.parametrize(("attempts", "state"), [(1, FAILED), (2, PENDING)])
def test_stuck_job_is_rescued_whatever_its_config_holds(
    store: Store, clock: ManualClock, attempts: int, state: State
) -> None:
    """River, UnmarshalError: retried or discarded by its attempts; ours is not read for it."""
    job_id = make(store, config={"of": ["another", "version"]}, max_attempts=attempts)
    Worker(store).take()
    clock.advance(LEASE_S)

    expire(store)

    assert get(store, job_id).state is state


@pytest.mark.parametrize(
    ("on_failure", "state"),
    [
        (OnFailure.COUNT, FAILED),
        (OnFailure.FAIL, FAILED),
        (OnFailure.IGNORE, State.WAITING),
        (OnFailure.CONTINUE, PENDING),
    ],
)
def test_stuck_child_that_is_given_up_does_to_its_parent_what_it_says(
    store: Store, clock: ManualClock, on_failure: OnFailure, state: State
) -> None:
    """BullMQ, jobs that stall too often, with each option of a child: as if its handler had failed."""
    root, *_ = parent(
        store, work(on_failure=on_failure), work(kind="mail"), own_step=OwnStep.AFTER_CHILDREN, max_child_failures=0
    )
    Worker(store).take()
    clock.advance(LEASE_S)
    expire(store)

    judge(store)

    assert get(store, root).state is state


def test_retried_job_may_be_stuck_as_often_as_at_first(store: Store, clock: ManualClock) -> None:
    """BullMQ keeps its count of stalls over a retry; ours are attempts, and a retry gives all of them anew."""
    job_id, worker = make(store, max_attempts=2), Worker(store)
    for _ in range(2):
        worker.take()
        clock.advance(LEASE_S)
        expire(store)
    with store.group():
        store.control.retry(job_id)

    worker.take()
    clock.advance(LEASE_S)
    expire(store)

    assert (get(store, job_id).state, get(store, job_id).attempts) == (PENDING, 1)


def test_end_of_the_whole_program_costs_no_attempt(store: Store) -> None:
    """Ours alone: what a former owner was running is put back at the next start, as nothing is said of the job (I5)."""
    job_id, worker = make(store), Worker(store)
    worker.take()

    with store.group():
        count = store.leases.take_over()

    assert (count, get(store, job_id).state, get(store, job_id).attempts) == (1, PENDING, 0)
    assert worker.end(job_id) == [job_id]
    assert [(one.attempt, one.error) for one in store.queries.attempt_errors(job_id)] == [(1, PROGRAM_ENDED)]


def test_job_that_ends_the_whole_program_does_not_do_so_for_ever(store: Store, clock: ManualClock) -> None:
    """River counts each of them; ours from the fourth on, until the attempts are used up (I5)."""
    job_id, worker = make(store, max_attempts=2), Worker(store)
    attempts = []

    while get(store, job_id).state is PENDING:
        worker.take()
        with store.group():
            store.leases.take_over()
        attempts.append(get(store, job_id).attempts)

    job = get(store, job_id)
    assert attempts == [0] * ENDS_FORGIVEN + [1, 2]
    assert (job.state, job.error, job.finished_at) == (FAILED, PROGRAM_ENDED, clock.now())
    assert worker.take() == []


def test_ends_of_the_program_at_one_job_are_not_counted_against_another(store: Store) -> None:
    """The others that ran at its last end pay for it as little as at its first (I5)."""
    bad, worker = make(store, max_attempts=9), Worker(store)
    for _ in range(ENDS_FORGIVEN):
        worker.take()
        with store.group():
            store.leases.take_over()

    good = make(store)
    assert worker.take() == [bad, good]
    with store.group():
        store.leases.take_over()

    assert [(get(store, one).state, get(store, one).attempts) for one in (bad, good)] == [(PENDING, 1), (PENDING, 0)]


def test_page_is_not_what_ends_the_program(store: Store) -> None:
    """It is read in the browser's processes, and a crawl may be killed as often as one likes."""
    _, page_id = parent(store, NewJob(kind="page"))
    worker = Worker(store, "page")

    for _ in range(10):
        assert worker.take() == [page_id]
        with store.group():
            store.leases.take_over()

    assert (get(store, page_id).attempts, store.queries.attempt_errors(page_id)) == (0, [])


def test_lease_that_ends_next_is_when_to_look(store: Store, clock: ManualClock) -> None:
    """Ours alone: there is no sweep each half minute; the alarm is set to the earliest end of a lease."""
    make(store)
    make(store)
    Worker(store).take(1)
    clock.advance(5.0)
    Worker(store).take(1)

    with store.group():
        assert store.leases.next_wake() == clock.now() - 5.0 + LEASE_S
