"""Leases: who is given which job, how long it is theirs, and what becomes of it when they do not report."""

from __future__ import annotations

import pytest

from bequest.engine.limits import KindTerms
from bequest.engine.records import Job, Lease, LeaseRef, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

LEASE_S = 60.0


def run(store: Store, count: int, *, concurrency: int | None = None, delay_s: float = 0.0, priority: int = 0) -> int:
    """Make a parent with so many pages, due after *delay_s*, and return its id."""
    with store.group():
        (parent,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING, child_concurrency=concurrency)])
        page = NewJob(kind="page", run_at=store.now + delay_s, priority=priority, max_attempts=2)
        store.parents.spawn(parent.job_id, [page] * count)
    return parent.job_id


def create(store: Store, *jobs: NewJob) -> list[int]:
    with store.group():
        return [created.job_id for created in store.jobs.create(jobs)]


def claim(store: Store, limit: int = 1, *, kind: str = "page", lease_s: float = LEASE_S) -> list[Lease]:
    with store.group():
        return store.claims.claim("default", (KindTerms(kind=kind),), limit, lease_s)


def get(store: Store, job_id: int) -> Job:
    with store.group():
        return store.jobs.get(job_id)


def ref(lease: Lease) -> LeaseRef:
    return LeaseRef(job_id=lease.job_id, token=lease.token)


def parents(leases: list[Lease]) -> list[int]:
    """Return the parents of what was claimed, 0 for none."""
    return sorted(lease.parent_id or 0 for lease in leases)


# Claiming


def test_claim_gives_all_that_running_the_job_takes(store: Store, clock: ManualClock) -> None:
    """A lease has the job's config and metadata, its deadline and its token; the row says the same (I3)."""
    job = NewJob(kind="page", config={"url": "u"}, metadata={"auth_id": "wiki"}, max_attempts=3)
    (job_id,) = create(store, job)

    (lease,) = claim(store)

    until = clock.now() + LEASE_S
    assert (lease.job_id, lease.kind, lease.token, lease.attempts, lease.max_attempts) == (job_id, "page", 1, 1, 3)
    assert (lease.config, lease.metadata, lease.parent_id, lease.lease_until) == (job.config, job.metadata, None, until)
    found = get(store, job_id)
    assert (found.state, found.token, found.attempts, found.lease_until) == (State.RUNNING, 1, 1, until)
    assert found.started_at == clock.now()


def test_claimed_job_is_claimed_by_nobody_else(store: Store) -> None:
    """At most one live lease a job: what is claimed is not claimed again (I3)."""
    run(store, 3)

    first, second = claim(store, 2), claim(store, 9)

    assert len({lease.job_id for lease in first + second}) == 3
    assert claim(store, 9) == []


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_claim_gives_no_more_than_was_asked_for(store: Store, limit: int) -> None:
    """The limit holds over jobs with and without a parent together."""
    run(store, 3)
    create(store, *[NewJob(kind="page")] * 3)

    assert len(claim(store, limit)) == limit


def test_claim_gives_jobs_of_its_kind_alone(store: Store) -> None:
    """A worker is given what it can do."""
    create(store, NewJob(kind="thumbnail"), NewJob(kind="page"))

    (lease,) = claim(store, 9)

    assert lease.kind == "page"


def test_claim_leaves_what_waits(store: Store) -> None:
    """A parent that waits for its children is nobody's to run."""
    create(store, NewJob(kind="page", state=State.WAITING))

    assert claim(store, 9) == []


def test_claim_gives_the_highest_priority_first_and_then_the_oldest(store: Store) -> None:
    """Among the children of one parent, and among jobs without one, priority decides and then age."""
    priorities = [0, 5, -1, 5, 0]
    ids = create(store, *(NewJob(kind="page", priority=priority) for priority in priorities))

    claimed = [lease.job_id for lease in claim(store, 2) + claim(store, 9)]

    assert claimed == [ids[index] for index in (1, 3, 0, 4, 2)]


def test_claim_gives_children_by_priority(store: Store) -> None:
    """A link spawned with a higher priority overtakes its siblings."""
    parent_id = run(store, 2)
    with store.group():
        (urgent,) = store.parents.spawn(parent_id, [NewJob(kind="page", priority=1)])

    assert [lease.job_id for lease in claim(store, 1)] == [urgent]


def test_token_grows_with_every_claim(store: Store, clock: ManualClock) -> None:
    """No two leases of a job have one token, however each of them ended (I3)."""
    create(store, NewJob(kind="page", max_attempts=9))
    tokens: list[int] = []

    def end_in_turn(lease: Lease) -> None:
        ends = (lambda: store.leases.release([ref(lease)]), store.leases.expire, store.leases.reclaim)
        with store.group():
            ends[len(tokens) % 3]()

    for _ in range(6):
        (lease,) = claim(store)
        clock.advance(LEASE_S)
        end_in_turn(lease)
        tokens.append(lease.token)

    assert tokens == [1, 2, 3, 4, 5, 6]


# Between parents


def test_claim_takes_from_parents_in_turn(store: Store) -> None:
    """A small run beside a large one gets as many places, until it has no more to do."""
    large, small = run(store, 50), run(store, 3)

    leases = claim(store, 4) + claim(store, 4)

    assert parents(leases) == sorted([large] * 5 + [small] * 3)


def test_claim_counts_what_a_parent_is_running_already(store: Store) -> None:
    """Who runs the fewest comes first, also over several claims."""
    first = run(store, 9)
    claim(store, 3)
    second = run(store, 9)

    leases = claim(store, 3) + claim(store, 2)

    assert parents(leases) == sorted([first] + [second] * 4)


@pytest.mark.parametrize("concurrency", [1, 2, 7])
def test_parent_never_runs_more_children_than_it_may(store: Store, concurrency: int) -> None:
    """A parent's concurrency is over all claims together, and a place that comes free is given again."""
    run(store, 10, concurrency=concurrency)

    leases = claim(store, 5) + claim(store, 5)
    with store.group():
        store.leases.release([ref(leases[0])])

    assert len(leases) == concurrency
    assert len(claim(store, 9)) == 1


def test_parent_whose_turn_passes_to_another_keeps_to_its_concurrency(store: Store) -> None:
    """What other parents leave over is given to those that have room, counting what this very claim gave them."""
    bounded, unbounded = run(store, 10, concurrency=2), run(store, 10)
    run(store, 10, delay_s=100.0)  # has pending pages and none that is due

    leases = claim(store, 9)

    assert parents(leases) == sorted([bounded] * 2 + [unbounded] * 7)


def test_places_that_nobody_takes_go_to_jobs_without_a_parent(store: Store) -> None:
    """When no parent has anything due the rest of the claim is for single jobs."""
    bounded = run(store, 5, concurrency=1)
    create(store, *[NewJob(kind="page")] * 2)

    assert parents(claim(store, 9)) == [0, 0, bounded]


def test_children_of_another_kind_are_passed_over(store: Store) -> None:
    """A parent whose due children are of another kind takes no places from the others."""
    other, own = run(store, 1), run(store, 3)
    with store.group():
        store.parents.spawn(other, [NewJob(kind="thumbnail")] * 5)

    assert parents(claim(store, 9)) == sorted([other] + [own] * 3)


# Time


@pytest.mark.parametrize("has_parent", [True, False])
def test_scheduled_job_is_claimed_at_its_time_and_not_before(
    store: Store, clock: ManualClock, has_parent: bool
) -> None:
    """A job waits for its run_at, and then it is claimed."""
    if has_parent:
        run(store, 1, delay_s=10.0)
    else:
        create(store, NewJob(kind="page", run_at=clock.now() + 10.0))

    clock.advance(9.5)
    early = claim(store)
    clock.advance(0.5)

    assert (len(early), len(claim(store))) == (0, 1)


def test_promotion_makes_claimable_what_fell_due(store: Store, clock: ManualClock) -> None:
    """What has fallen due is noted once, so that parked workers are given it."""
    run(store, 3, delay_s=10.0)
    clock.advance(10.0)

    with store.group():
        first, noted = store.claims.promote(), store.changes.has_due_work
    with store.group():
        second, noted_again = store.claims.promote(), store.changes.has_due_work

    assert (first, noted, second, noted_again) == (3, True, 0, False)


def test_clock_that_jumps_back_loses_no_job(store: Store, clock: ManualClock) -> None:
    """What was due before the jump is due after it, and what was not waits for its time (I20)."""
    run(store, 1)
    run(store, 1, delay_s=10.0)

    clock.jump(clock.now() - 1_000.0)

    assert len(claim(store, 9)) == 1
    clock.advance(1_010.0)
    assert len(claim(store, 9)) == 1


def test_next_wake_is_the_earliest_of_due_jobs_and_ends_of_leases(store: Store, clock: ManualClock) -> None:
    """The manager sleeps until the next job falls due or lease ends, and for ever where there is neither."""
    now = clock.now()
    wakes = []

    def look() -> None:
        with store.group():
            wakes.append(store.leases.next_wake())

    look()
    run(store, 1)
    look()  # it is due already
    claim(store)
    look()
    run(store, 1, delay_s=20.0)
    look()

    assert wakes == [None, None, now + LEASE_S, now + 20.0]


def test_claim_notes_when_its_leases_end(store: Store, clock: ManualClock) -> None:
    """A claim tells the manager when to look again, and whose picture has changed."""
    parent_id = run(store, 1)

    with store.group():
        (lease,) = store.claims.claim("default", (KindTerms(kind="page"),), 1, LEASE_S)
        noted = store.changes.wake_at, store.changes.jobs, store.changes.parents

    assert noted == (clock.now() + LEASE_S, {lease.job_id}, {parent_id})


def test_claim_in_vain_notes_nothing(store: Store) -> None:
    """Where there is nothing to give there is nothing to tell."""
    with store.group():
        store.claims.claim("default", (KindTerms(kind="page"),), 1, LEASE_S)

        assert (store.changes.moves, store.changes.wake_at) == ([], float("inf"))
