"""The claim: what starts next and in which order, what is paused or not offered, and what is left to do."""

from __future__ import annotations

import pytest
from store_rig import LEASE_S, Worker, get, make, parent, spawn, states, work

from bequest.engine.limits import KindTerms
from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.records import NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

# What starts


def test_claimed_job_runs_under_a_lease_with_a_new_token(store: Store, clock: ManualClock) -> None:
    """The lease has all that running takes; the attempt is counted (I3, I5)."""
    job_id = make(store, config={"n": 1}, metadata={"a": "b"}, timeout_s=5.0, max_attempts=3)
    worker = Worker(store)

    worker.take()

    lease, job = worker.leases[job_id], get(store, job_id)
    assert (lease.kind, lease.config, lease.metadata, lease.timeout_s) == ("work", {"n": 1}, {"a": "b"}, 5.0)
    assert (lease.token, lease.attempts, lease.max_attempts) == (job.token, 1, 3) == (1, job.attempts, 3)
    assert (job.state, job.lease_until, job.started_at) == (State.RUNNING, clock.now() + LEASE_S, clock.now())
    assert lease.lease_until == job.lease_until


def test_claim_takes_due_jobs_of_its_queue_and_kinds_alone(store: Store, clock: ManualClock) -> None:
    """Another queue's, another kind's and later ones stay where they are."""
    due = make(store)
    others = [make(store, queue="other"), make(store, "mail"), make(store, run_at=clock.now() + 1.0)]

    assert Worker(store).take() == [due]
    assert states(store, *others) == [State.PENDING] * 3


def test_job_is_claimed_from_its_time_on(store: Store, clock: ManualClock) -> None:
    """That instant included, with no other word than the claim."""
    job_id = make(store, run_at=clock.now() + 5.0)
    worker = Worker(store)

    early = worker.take()
    clock.advance(5.0)

    assert (early, worker.take()) == ([], [job_id])


def test_claim_takes_the_highest_priority_first_then_the_oldest(store: Store) -> None:
    """Whatever their kinds."""
    low, high, low_too, high_too = (
        make(store, kind, priority=priority) for kind, priority in (("work", 0), ("flow", 5), ("flow", 0), ("work", 5))
    )
    worker = Worker(store)

    assert [worker.take(1) for _ in range(4)] == [[high], [high_too], [low], [low_too]]


def test_claim_of_several_is_in_their_order(store: Store) -> None:
    """The worker begins with the first."""
    low, high = make(store), make(store, priority=1)

    assert Worker(store).take() == [high, low]


@pytest.mark.parametrize("limit", [0, -1])
def test_claim_of_nothing_takes_nothing(store: Store, limit: int) -> None:
    """A worker that is busy wants no job."""
    make(store)

    assert Worker(store).take(limit) == []


def test_claim_without_kinds_takes_nothing(store: Store) -> None:
    """A worker that knows no handler can run nothing."""
    make(store)

    with store.group():
        assert store.claims.claim("default", [], 5, LEASE_S) == []


def test_claim_of_more_kinds_than_sqlite_joins_at_once(store: Store) -> None:
    """Hundreds of kinds with due jobs in one lane are claimed like one, by priority."""
    kinds = [f"kind {number}" for number in range(900)]
    with store.group():
        store.jobs.create([NewJob(kind=kind, priority=number) for number, kind in enumerate(kinds)])
    worker = Worker(store, *kinds)

    taken = worker.take(3)

    assert [worker.leases[job_id].kind for job_id in taken] == ["kind 899", "kind 898", "kind 897"]


def test_claim_wakes_when_the_lease_ends(store: Store, clock: ManualClock) -> None:
    """So that what is not ended by then is."""
    make(store)

    with store.group():
        store.claims.claim("default", [KindTerms(kind="work")], 1, LEASE_S)
        wake_at = store.changes.wake_at

    assert wake_at == clock.now() + LEASE_S


# What is paused


@pytest.mark.parametrize(
    ("pause", "is_held"),
    [
        (Pause(scope=PauseScope.ALL), True),
        (Pause(scope=PauseScope.QUEUE, name="default"), True),
        (Pause(scope=PauseScope.QUEUE, name="other"), False),
        (Pause(scope=PauseScope.KIND, name="work"), True),
        (Pause(scope=PauseScope.KIND, name="default"), False),
    ],
)
def test_paused_job_does_not_start(store: Store, pause: Pause, is_held: bool) -> None:
    """By queue, by kind, or all; once it is resumed it does."""
    job_id = make(store)
    worker = Worker(store)
    with store.group():
        store.control.pause(pause)

    held = worker.take() if is_held else []
    with store.group():
        store.control.resume(pause)

    assert (held, worker.take()) == ([], [job_id])


def test_only_job_there_is_may_be_the_root_of_a_paused_run(store: Store) -> None:
    """Then nothing starts."""
    job_id = make(store)
    with store.group():
        store.control.pause(Pause(scope=PauseScope.RUN, name=str(job_id)))

    assert Worker(store).take() == []


def test_paused_kind_leaves_the_others_running(store: Store) -> None:
    """The same queue goes on with what else it has."""
    make(store)
    other = make(store, "flow")
    with store.group():
        store.control.pause(Pause(scope=PauseScope.KIND, name="work"))

    assert Worker(store).take() == [other]


def test_paused_run_starts_nothing_at_any_depth(store: Store) -> None:
    """Neither its children, nor theirs, nor its own step; other runs go on."""
    root, child = parent(store, work(state=State.WAITING))
    (grandchild,) = spawn(store, child, work())
    alone, other = make(store), parent(store, work())[1]
    worker = Worker(store)
    with store.group():
        for job_id in (root, alone):
            store.control.pause(Pause(scope=PauseScope.RUN, name=str(job_id)))

    held = worker.take()
    with store.group():
        store.control.resume(Pause(scope=PauseScope.RUN, name=str(root)))

    assert (held, worker.take()) == ([other], [grandchild])


# What is offered


def test_only_what_is_below_an_offered_run_is_claimed(store: Store) -> None:
    """Its children and theirs; other runs and jobs without a parent rest."""
    first, second = parent(store, work()), parent(store, work(), work(state=State.WAITING))
    (grandchild,) = spawn(store, second[2], work())
    make(store)
    with store.group():
        store.claims.offer_only([second[0]])

    assert sorted(Worker(store).take()) == sorted([second[1], grandchild])
    assert states(store, first[1]) == [State.PENDING]


def test_offer_wakes_who_waits(store: Store) -> None:
    """What may be claimed now is as good as due."""
    with store.group():
        store.claims.offer_only([1])
        assert store.changes.has_due_work


# What is left to do


def test_store_has_work_while_a_job_runs_or_is_due(store: Store, clock: ManualClock) -> None:
    """One that is due later, waits or has ended is no work."""
    worker = Worker(store)
    seen = []

    def look() -> None:
        with store.group():
            seen.append(store.claims.has_work())

    look()
    job_id = make(store, run_at=clock.now() + 5.0)
    make(store, state=State.WAITING)
    look()
    clock.advance(5.0)
    look()
    worker.take()
    look()
    worker.end(job_id)
    look()

    assert seen == [False, False, True, True, False]


def test_promotion_makes_claimable_what_has_fallen_due(store: Store, clock: ManualClock) -> None:
    """It says how many jobs, and that there is work."""
    for seconds in (1.0, 2.0, 9.0):
        make(store, run_at=clock.now() + seconds)
    clock.advance(2.0)

    with store.group():
        promoted, is_told = store.claims.promote(), store.changes.has_due_work

    assert (promoted, is_told) == (2, True)
