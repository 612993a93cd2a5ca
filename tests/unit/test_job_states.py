"""How jobs move and end by hand: as the table allows, after their children, and with all that is below them."""

from __future__ import annotations

from typing import Any

import pytest

from bequest.engine.errors import TransitionError
from bequest.engine.limits import KindTerms
from bequest.engine.records import (
    STATES,
    TRANSITIONS,
    Completion,
    Job,
    JobError,
    Lease,
    NewJob,
    State,
)
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

REASON = JobError(type="x", message="because")
PAGE = NewJob(kind="page")


def create(store: Store, kind: str = "crawl", state: State = State.WAITING, **fields: Any) -> int:  # Any: of the record
    with store.group():
        return store.jobs.create([NewJob(kind=kind, state=state, **fields)])[0].job_id


def spawn(store: Store, parent_id: int, *jobs: NewJob, seal: bool = False) -> list[int]:
    with store.group():
        return [job_id or 0 for job_id in store.parents.spawn(parent_id, jobs, seal=seal)]


def claim(store: Store, kind: str = "page", limit: int = 1) -> list[Lease]:
    with store.group():
        return store.claims.claim("default", (KindTerms(kind=kind),), limit, 60.0)


def end(store: Store, lease: Lease, state: State, waits_for: str | None = None) -> None:
    with store.group():
        store.completions.complete(
            [Completion(job_id=lease.job_id, token=lease.token, state=state, waits_for=waits_for, error=REASON)]
        )


def get(store: Store, job_id: int) -> Job:
    with store.group():
        return store.jobs.get(job_id)


def job_in(store: Store, state: State) -> int:
    """Return a job without a parent that came into *state* as jobs do; one that waits does so for its children."""
    if state is State.WAITING:
        return create(store)
    job_id = create(store, "page", State.PENDING)
    if state is State.CANCELLED:
        with store.group():
            store.parents.cancel(job_id)
    elif state is not State.PENDING:
        (lease,) = claim(store)
        if state is not State.RUNNING:
            end(store, lease, state)
    return job_id


def waiting_page(store: Store) -> int:
    """Return a page that waits for a credential."""
    job_id = create(store, "page", State.PENDING)
    (lease,) = claim(store)
    end(store, lease, State.WAITING, "wiki")
    return job_id


# Moving by hand


@pytest.mark.parametrize("target", STATES)
@pytest.mark.parametrize("source", STATES)
def test_job_is_moved_as_the_table_allows_and_nobody_runs_it(store: Store, source: State, target: State) -> None:
    """To the state that it is in a job is moved by doing nothing; else a person cancels, and little more (I2, I9)."""
    job_id = job_in(store, source)
    before = get(store, job_id)
    is_moved = target is State.CANCELLED and not source.is_final

    with store.group():
        if is_moved or target is source:
            store.jobs.update_status(job_id, target)
        else:
            with pytest.raises(TransitionError, match=f"asked to move job {job_id} from {source} to {target}"):
                store.jobs.update_status(job_id, target)

    after = get(store, job_id)
    assert after.state is (target if is_moved else source)
    assert is_moved or after == before


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (State.COMPLETED, State.PENDING, "completed is final, and only a retry leaves it"),
        (State.PENDING, State.COMPLETED, "from pending it can go to running, failed, cancelled"),
        (State.PENDING, State.FAILED, "one that has not begun fails by its time or its children alone"),
        (State.PENDING, State.RUNNING, "a lease begins with ClaimJobs and ends with CompleteJobs of its holder"),
        (State.RUNNING, State.COMPLETED, "a lease begins with ClaimJobs and ends with CompleteJobs of its holder"),
        (State.WAITING, State.PENDING, "found that it waits for children, not for a credential"),
        (State.WAITING, State.COMPLETED, "found that it is not sealed: more children may come"),
    ],
)
def test_refusal_to_move_a_job_says_what_is_in_the_way(store: Store, source: State, target: State, said: str) -> None:
    """The message has the rule that was broken, so that a caller knows what to do instead (I2)."""
    assert target in TRANSITIONS[source] or "it can go to" in said or source.is_final
    job_id = job_in(store, source)

    with store.group(), pytest.raises(TransitionError, match=said):
        store.jobs.update_status(job_id, target)


@pytest.mark.parametrize("target", [State.COMPLETED, State.FAILED])
def test_parent_ends_after_its_last_child(store: Store, clock: ManualClock, target: State) -> None:
    """A sealed parent ends by hand once all its children are final, with its reason, and not before (I9)."""
    parent_id = create(store)
    spawn(store, parent_id, PAGE, PAGE, seal=True)
    first, second = claim(store, limit=2)
    end(store, first, State.COMPLETED)

    with store.group(), pytest.raises(TransitionError, match="found 1 unfinished children"):
        store.jobs.update_status(parent_id, target)
    end(store, second, State.FAILED)
    with store.group():
        store.jobs.update_status(parent_id, target, error=REASON)
        touched = store.changes.jobs, store.changes.parents

    parent = get(store, parent_id)
    assert (parent.state, parent.error, parent.finished_at) == (target, REASON, clock.now())
    assert touched == ({parent_id}, set())


def test_page_is_woken_by_hand(store: Store, clock: ManualClock) -> None:
    """What waits for a credential can be tried again without one being put; its reason is kept until then (I2)."""
    job_id = waiting_page(store)
    clock.advance(5.0)

    with store.group():
        store.jobs.update_status(job_id, State.PENDING)
        has_due_work = store.changes.has_due_work

    job = get(store, job_id)
    assert (job.state, job.waits_for, job.run_at, job.error) == (State.PENDING, None, clock.now(), REASON)
    assert has_due_work
    assert len(claim(store)) == 1


# Cancelling


def test_cancelled_job_takes_all_that_is_unfinished_below_it_with_it(store: Store, clock: ManualClock) -> None:
    """Children and their children end with it, whatever they were doing; what was final stays so (I10)."""
    root = create(store)
    middle, done, running, *_ = spawn(store, root, NewJob(kind="crawl", state=State.WAITING), PAGE, PAGE, PAGE)
    spawn(store, middle, PAGE)
    (lease,) = (one for one in claim(store, limit=9) if one.job_id == done)
    end(store, lease, State.COMPLETED)
    bystander = create(store)

    with store.group():
        count = store.parents.cancel(root)
        noted = store.changes.jobs, store.changes.parents

    jobs = {job_id: get(store, job_id) for job_id in range(1, 8)}
    cancelled = {job_id for job_id, job in jobs.items() if job.state is State.CANCELLED}
    assert cancelled == set(jobs) - {done, bystander}
    assert (count, noted) == (5, (cancelled, {root, middle}))
    assert {(jobs[one].sealed, jobs[one].lease_until, jobs[one].finished_at) for one in cancelled} == {
        (True, None, clock.now())
    }
    assert jobs[running].attempts == 1


def test_cancelling_again_does_nothing(store: Store) -> None:
    """A job that is final is not cancelled, and is no error."""
    job_id = job_in(store, State.COMPLETED)

    with store.group():
        count = store.parents.cancel(job_id)

    assert (count, get(store, job_id).state) == (0, State.COMPLETED)


def test_cancelled_run_starts_no_further_job(store: Store, clock: ManualClock) -> None:
    """Nothing of it is claimed, no page of it is woken, and it gets no child (I10)."""
    parent_id = create(store)
    spawn(store, parent_id, PAGE, NewJob(kind="page", run_at=clock.now() + 9.0), PAGE)
    (lease,) = claim(store)
    end(store, lease, State.WAITING, "wiki")
    with store.group():
        store.parents.cancel(parent_id)
    clock.advance(1_000.0)

    with store.group():
        store.leases.expire()
        store.claims.promote()
        store.leases.reclaim()

    assert claim(store, limit=9) == []
    with store.group(), pytest.raises(TransitionError, match="is sealed"):
        store.parents.spawn(parent_id, [PAGE])


def test_cancelled_child_frees_its_place(store: Store) -> None:
    """Whoever is parked is told that a sibling may run in its stead."""
    parent_id = create(store, child_concurrency=1)
    first, _ = spawn(store, parent_id, PAGE, PAGE)
    claim(store)

    with store.group():
        store.parents.cancel(first)

        assert store.changes.has_due_work
    assert len(claim(store, limit=9)) == 1
