"""Limits: how many jobs a claim starts at once and as time passes, and who is told when more may start."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from store_rig import LEASE_S, Worker, get, make, parent, partitions, work

from bequest.actors.messages import FallDue
from bequest.engine.limits import KindTerms, Rate
from bequest.engine.records import LeaseRef
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

# Within limits


def test_children_run_within_their_parents_concurrency(store: Store) -> None:
    """Over all partitions and claims; one that ends makes room for one."""
    _, *children = parent(store, *[work(partition=one) for one in "pqpq"], child_concurrency=3)
    worker = Worker(store)

    first, second = worker.take(2), worker.take(9)
    worker.end(first[0])

    assert (len(first), len(second)) == (2, 1)
    assert len(worker.take(9)) == 1
    assert len(children) == 4


def test_concurrency_of_a_kind_holds_over_queues_and_claims(store: Store) -> None:
    """As many run at once as it says, wherever."""
    terms = KindTerms(kind="work", concurrency=3)
    for queue in ("default", "other") * 3:
        make(store, queue=queue)

    taken = [Worker(store, terms, queue=queue).take() for queue in ("default", "other")]

    assert [len(jobs) for jobs in taken] == [3, 0]


def test_concurrency_of_a_partition_leaves_the_others_alone(store: Store) -> None:
    """Each partition of the kind has its own."""
    terms = KindTerms(kind="work", partition_concurrency=1)
    for partition in "aab":
        make(store, partition=partition)

    assert partitions(store, Worker(store, terms).take()) == "ab"


def test_kind_that_may_start_no_more_leaves_its_places_to_others(store: Store) -> None:
    """In the same lane and the same claim."""
    for kind in ("work", "work", "flow", "flow"):
        make(store, kind)
    worker = Worker(store, KindTerms(kind="work", concurrency=1), "flow")

    taken = worker.take()

    assert Counter(get(store, job_id).kind for job_id in taken) == {"work": 1, "flow": 2}


def test_rate_lets_through_what_the_bucket_has(store: Store, clock: ManualClock) -> None:
    """At most so many at once, and then as time passes."""
    for _ in range(9):
        make(store)
    worker = Worker(store, KindTerms(kind="work", rate=Rate(jobs=2, per_s=10.0)))

    taken = [len(worker.take())]
    for seconds in (4.0, 1.0, 5.0, 100.0):
        clock.advance(seconds)
        taken.append(len(worker.take()))

    assert taken == [2, 0, 1, 1, 2]


def test_rate_of_a_partition_is_its_own(store: Store) -> None:
    """Each partition has a bucket."""
    for partition in "aabb":
        make(store, partition=partition)

    taken = Worker(store, KindTerms(kind="work", partition_rate=Rate(jobs=1, per_s=60.0))).take()

    assert partitions(store, taken) == "ab"


def test_rate_outlives_a_restart(store: Store, clock: ManualClock) -> None:
    """The tokens are in the database."""
    for _ in range(9):
        make(store)
    terms = KindTerms(kind="work", rate=Rate(jobs=3, per_s=30.0))
    taken = Worker(store, terms).take()
    path = store._database._reopen_with
    assert path is not None
    store.close()

    again = Store.open(path[0], clock=clock)
    try:
        clock.advance(10.0)
        more = Worker(again, terms).take()
    finally:
        again.close()

    assert (len(taken), len(more)) == (3, 1)


def test_rate_goes_on_when_the_clock_was_set_back(store: Store, clock: ManualClock) -> None:
    """A bucket that was filled at a time which is to come fills from now on; else nothing starts until then."""
    for _ in range(9):
        make(store)
    worker = Worker(store, KindTerms(kind="work", rate=Rate(jobs=2, per_s=20.0)))
    worker.take()

    clock.jump(clock.now() - 86_400.0)
    taken = [len(worker.take())]
    for _ in range(2):
        clock.advance(10.0)
        taken.append(len(worker.take()))

    assert taken == [0, 1, 1]


def test_bucket_that_is_full_again_is_not_kept(store: Store, clock: ManualClock) -> None:
    """However many partitions come and go, the table holds those that were used of late."""
    terms = KindTerms(kind="work", partition_rate=Rate(jobs=1, per_s=60.0))
    worker = Worker(store, terms)
    for partition in "abc":
        make(store, partition=partition)
        worker.take()
        clock.advance(30.0)

    assert store._database.rows("SELECT name FROM bucket") == [
        ("kind work, partition b",),
        ("kind work, partition c",),
    ]


# Who is told


def test_place_that_comes_free_is_told_after_any_claim_that_met_a_limit(store: Store) -> None:
    """Also when another queue, which nothing holds back, claimed since: who waits in the first is woken."""
    terms = KindTerms(kind="work", concurrency=1)
    running, _ = make(store), make(store)
    make(store, queue="other")
    worker = Worker(store, terms)
    worker.take()
    Worker(store, queue="other").take()

    worker.end(running)

    assert store.changes.has_due_work


def test_place_that_nobody_waits_for_is_not_told(store: Store) -> None:
    """Where no limit was met, the end of a job lets nothing start."""
    worker = Worker(store, KindTerms(kind="work", concurrency=5))
    running = make(store)
    worker.take(1)

    worker.end(running)

    assert not store.changes.has_due_work


@pytest.mark.parametrize("left", ["cancelled", "released", "expired", "deleted", "failed"])
def test_place_that_is_left_in_any_way_is_told(store: Store, clock: ManualClock, left: str) -> None:
    """Whoever waits for a place under a limit is woken."""
    running, _ = make(store), make(store)
    worker = Worker(store, KindTerms(kind="work", concurrency=1))
    worker.take()
    lease = worker.leases[running]
    if left == "expired":
        clock.advance(LEASE_S)

    with store.group():
        match left:
            case "cancelled":
                store.parents.cancel(running)
            case "released":
                store.leases.release([LeaseRef(job_id=running, token=lease.token)])
            case "expired":
                store.leases.expire()
            case "deleted":
                store.control.delete(running)
        is_told = store.changes.has_due_work
    if left == "failed":
        worker.fail(running)
        is_told = store.changes.has_due_work

    assert is_told


def test_rate_that_holds_jobs_back_wakes_who_waits(store: Store, clock: ManualClock) -> None:
    """The alarm is set for the next token, and by then what was held back counts as due."""
    for _ in range(3):
        make(store)
    worker = Worker(store, KindTerms(kind="work", rate=Rate(jobs=2, per_s=10.0)))

    worker.take()
    wake_at = store.changes.wake_at
    clock.jump(wake_at)
    with store.group():
        FallDue().apply(store)
        is_told = store.changes.has_due_work

    assert wake_at == pytest.approx(1_000_000_005.0, abs=1e-5)
    assert is_told
    assert len(worker.take()) == 1


def test_alarm_for_a_token_is_set_anew_when_it_rings_for_something_else(store: Store, clock: ManualClock) -> None:
    """Until its time has come, and not after."""
    for _ in range(2):
        make(store)
    Worker(store, KindTerms(kind="work", rate=Rate(jobs=1, per_s=10.0))).take()
    wakes = []

    for seconds in (4.0, 7.0, 1.0):
        clock.advance(seconds)
        with store.group():
            store.claims.promote()
            wakes.append((store.changes.wake_at == math.inf, store.changes.has_due_work))

    assert wakes == [(False, False), (True, True), (True, False)]
