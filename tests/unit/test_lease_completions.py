"""How attempts end: once, by the holder of the lease alone, for good, for another try or to wait for a credential."""

from __future__ import annotations

import pytest
from completion_rig import REASON, claim, complete, ended, everything, left_behind, run
from store_rig import get

from bequest.actors.messages import CompleteJobs
from bequest.engine.errors import InvalidJobError
from bequest.engine.records import Completion, LeaseRef, NewJob, SealedCredential, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


def put_credential(store: Store, version: int) -> int:
    sealed = SealedCredential(
        auth_id="wiki", version=version, key_id="k", nonce=b"n", ciphertext=b"c", sites=("h",), updated_at=1.0
    )
    with store.group():
        return store.credentials.put(sealed)


# How an attempt ends


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
def test_final_attempt_ends_its_job(store: Store, clock: ManualClock, state: State) -> None:
    """A job that completed or failed for good is final, without a lease, and its parent is told."""
    parent_id = run(store)
    (lease,) = claim(store)
    clock.advance(3.0)

    with store.group():
        refused = store.completions.complete([ended(lease, state, error=REASON)])
        noted = store.changes.jobs, store.changes.parents

    job = get(store, lease.job_id)
    assert (refused, job.state, job.error, job.finished_at) == ([], state, REASON, clock.now())
    assert (job.lease_until, job.attempts) == (None, 1)
    assert noted == ({lease.job_id}, {parent_id})


def test_retry_waits_for_its_time(store: Store, clock: ManualClock) -> None:
    """A job to be tried again is pending until then; its error is kept and the manager knows when to wake."""
    run(store)
    (lease,) = claim(store)
    at = clock.now() + 10.0

    with store.group():
        store.completions.complete([ended(lease, State.PENDING, run_at=at, error=REASON)])
        wake_at = store.changes.wake_at
    early = claim(store)
    clock.advance(10.0)

    job = get(store, lease.job_id)
    assert (job.state, job.run_at, job.error, job.attempts, wake_at) == (State.PENDING, at, REASON, 1, at)
    assert (len(early), len(claim(store))) == (0, 1)


def test_retry_without_a_time_is_due_at_once(store: Store, clock: ManualClock) -> None:
    """Where no time is given it is now."""
    run(store)
    (lease,) = claim(store)

    complete(store, ended(lease, State.PENDING))

    assert get(store, lease.job_id).run_at == clock.now()
    assert len(claim(store)) == 1


def test_retry_without_an_attempt_left_is_a_failure(store: Store, clock: ManualClock) -> None:
    """Attempts never pass the maximum: the last retry that is asked for fails the job with its reason (I5)."""
    run(store, max_attempts=2)

    for _ in range(2):
        (lease,) = claim(store)
        complete(store, ended(lease, State.PENDING, error=REASON))

    job = get(store, lease.job_id)
    assert (job.state, job.attempts, job.error, job.finished_at) == (State.FAILED, 2, REASON, clock.now())
    assert claim(store) == []


def test_attempt_that_does_not_count_is_given_back(store: Store) -> None:
    """What was not the job's fault can happen any number of times (I5)."""
    run(store, max_attempts=1)

    for _ in range(3):
        (lease,) = claim(store)
        complete(store, ended(lease, State.PENDING, counts=False))

    job = get(store, lease.job_id)
    assert (job.state, job.attempts, job.token) == (State.PENDING, 0, 3)


@pytest.mark.parametrize("state", [State.RUNNING, State.CANCELLED])
def test_state_that_ends_no_attempt_is_refused(store: Store, state: State) -> None:
    """A holder neither goes on by completing nor cancels: a person does that. Nothing of the batch is written (I12)."""
    run(store, 2)
    first, second = claim(store)

    with store.group(), pytest.raises(InvalidJobError, match=f"an attempt does not end as {state}; it is completed"):
        store.completions.complete([ended(first, State.COMPLETED), ended(second, state)])

    assert {get(store, lease.job_id).state for lease in (first, second)} == {State.RUNNING}


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.PENDING, State.WAITING])
def test_end_of_any_kind_frees_a_place_under_the_parents_concurrency(
    store: Store, clock: ManualClock, state: State
) -> None:
    """Whoever is parked is told that there may be work, for a sibling that had to stand back (I9)."""
    run(store, 2, concurrency=1)
    (lease,) = claim(store)

    with store.group():
        store.completions.complete([ended(lease, state, run_at=clock.now() + 99.0, waits_for="wiki")])

        assert store.changes.has_due_work


# Who may end it


def test_stale_holder_writes_nothing_at_all(store: Store) -> None:
    """A token that is not the newest is refused, with its document, links and logs (I4)."""
    parent_id = run(store)
    (stale,) = claim(store)
    with store.group():
        store.leases.release([LeaseRef(job_id=stale.job_id, token=stale.token)])
    claim(store)
    before = get(store, stale.job_id)

    refused = complete(store, everything(stale))

    assert refused == [stale.job_id]
    assert get(store, stale.job_id) == before
    assert left_behind(store, parent_id) == (0, 1, 0)


@pytest.mark.parametrize("result", [None, 7])
@pytest.mark.parametrize("count", [1, 3])
def test_stale_holder_completes_nothing_that_somebody_else_runs(store: Store, count: int, result: int | None) -> None:
    """Also where nothing is to be decided of an end, alone and among others of its kind (I4)."""
    run(store, count)
    stale = claim(store)
    with store.group():
        store.leases.release([LeaseRef(job_id=lease.job_id, token=lease.token) for lease in stale])
    held = claim(store)

    refused = complete(store, *(ended(lease, State.COMPLETED, result=result) for lease in stale))

    assert sorted(refused) == sorted(lease.job_id for lease in held)
    assert {get(store, lease.job_id).state for lease in held} == {State.RUNNING}


@pytest.mark.parametrize("stale_is_first", [True, False])
def test_stale_holder_hides_no_other(store: Store, stale_is_first: bool) -> None:
    """In one batch with the report of the lease's holder a stale one is refused alone, whichever came first (I4)."""
    parent_id = run(store)
    (stale,) = claim(store)
    with store.group():
        store.leases.release([LeaseRef(job_id=stale.job_id, token=stale.token)])
    (held,) = claim(store)
    batch = [ended(stale, State.FAILED, error=REASON), everything(held)]

    refused = complete(store, *(batch if stale_is_first else batch[::-1]))

    assert refused == [stale.job_id]
    assert get(store, held.job_id).state is State.COMPLETED
    assert left_behind(store, parent_id) == (1, 2, 1)


@pytest.mark.parametrize("stale_is_first", [True, False])
def test_stale_holder_is_told_and_the_other_is_not(store: Store, stale_is_first: bool) -> None:
    """Also where two workers' reports travel in one group each is answered for its own lease (I4)."""
    run(store)
    (stale,) = claim(store)
    with store.group():
        store.leases.release([LeaseRef(job_id=stale.job_id, token=stale.token)])
    (held,) = claim(store)
    reports = [CompleteJobs(completions=(ended(one, State.COMPLETED),)) for one in (stale, held)]

    with store.group():
        answers = CompleteJobs.apply_all(store, reports if stale_is_first else reports[::-1])

    assert answers == ([[stale.job_id], []] if stale_is_first else [[], [stale.job_id]])


def test_lease_is_ended_once(store: Store) -> None:
    """Of two reports of one lease the first is kept and the second refused, in one batch and after it (I4)."""
    run(store)
    (lease,) = claim(store)

    refused = complete(store, ended(lease, State.FAILED), ended(lease, State.COMPLETED))
    refused_later = complete(store, ended(lease, State.COMPLETED))

    assert refused == refused_later == [lease.job_id]
    assert get(store, lease.job_id).state is State.FAILED


def test_job_that_is_not_there_is_refused(store: Store) -> None:
    """A lease of a job that never was is one that was lost."""
    assert complete(store, Completion(job_id=99, token=1, state=State.COMPLETED)) == [99]


def test_cancelled_job_takes_no_result(store: Store) -> None:
    """What a worker reports of a job that was cancelled under it changes nothing (I10)."""
    parent_id = run(store)
    (lease,) = claim(store)
    with store.group():
        store.parents.cancel(parent_id)

    refused = complete(store, everything(lease))

    assert refused == [lease.job_id]
    assert get(store, lease.job_id).state is State.CANCELLED
    assert left_behind(store, parent_id) == (0, 1, 0)


# Waiting for a credential


def test_page_that_waits_for_a_credential_costs_no_attempt(store: Store) -> None:
    """It waits with its reason, and however often it does it can be tried again (I5)."""
    run(store, max_attempts=1)

    for version in (1, 2, 3):
        (lease,) = claim(store)
        complete(store, ended(lease, State.WAITING, waits_for="wiki", credential_version=version - 1, error=REASON))
        job = get(store, lease.job_id)
        assert (job.state, job.waits_for, job.attempts, job.error) == (State.WAITING, "wiki", 0, REASON)
        assert claim(store) == []
        assert put_credential(store, version) == 1

    assert get(store, lease.job_id).state is State.PENDING


def test_credential_put_right_meanwhile_ends_the_waiting_at_once(store: Store, clock: ManualClock) -> None:
    """A page that tried an older version than the one stored is due again in the write that ends its attempt."""
    run(store, 2, max_attempts=1)
    put_credential(store, 1)
    put_credential(store, 2)
    old, new = claim(store)

    complete(
        store,
        ended(old, State.WAITING, waits_for="wiki", credential_version=1, run_at=clock.now() + 99.0),
        ended(new, State.WAITING, waits_for="wiki", credential_version=2),
    )

    first, second = get(store, old.job_id), get(store, new.job_id)
    assert (first.state, first.waits_for, first.attempts, first.run_at) == (State.PENDING, None, 0, clock.now())
    assert (second.state, second.waits_for) == (State.WAITING, "wiki")


def test_job_that_waits_for_its_children_can_have_some(store: Store) -> None:
    """A job that was run and then waits, for no credential, is a parent from then on."""
    with store.group():
        store.jobs.create([NewJob(kind="page")])
    (lease,) = claim(store)

    complete(store, ended(lease, State.WAITING))
    with store.group():
        ids = store.parents.spawn(lease.job_id, [NewJob(kind="page")], seal=True)

    assert (get(store, lease.job_id).state, get(store, ids[0] or 0).parent_id) == (State.WAITING, lease.job_id)
