"""Jobs as rows: what may change and what may not, how they end, and what they leave to their children."""

from __future__ import annotations

from typing import Any

import pytest

from bequest.engine.errors import (
    InvalidJobError,
    JobNotFoundError,
    LeaseLostError,
    MetadataError,
    TransitionError,
)
from bequest.engine.limits import KindTerms
from bequest.engine.records import (
    STATES,
    Completion,
    Counts,
    Job,
    JobError,
    Lease,
    NewJob,
    Progress,
    State,
)
from bequest.engine.store import Store

REASON = JobError(type="x", message="because")
UNKNOWN = "asked for job 99, found none with that id; `bequest jobs` lists them"
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


# Making and reading


def test_job_with_a_parent_is_not_made_without_looking_at_that(store: Store) -> None:
    """Children come by spawning alone, which checks the parent (I6)."""
    with store.group(), pytest.raises(InvalidJobError, match="a job with a parent is made by SpawnChildren"):
        store.jobs.create([PAGE, NewJob(kind="page", parent_id=1)])


VERBS = {
    "get": lambda store: store.jobs.get(99),
    "spawn": lambda store: store.parents.spawn(99, [PAGE]),
    "inheritance": lambda store: store.parents.inheritance(99),
    "update_status": lambda store: store.jobs.update_status(99, State.PENDING),
    "update_progress": lambda store: store.jobs.update_progress(99, Progress(done=1)),
    "update_config": lambda store: store.jobs.update_config(99, {}),
    "update_metadata": lambda store: store.jobs.update_metadata(99, {}),
    "increment_metadata": lambda store: store.jobs.increment_metadata(99, "n", 1),
    "cancel": lambda store: store.parents.cancel(99),
}


@pytest.mark.parametrize("verb", VERBS)
def test_unknown_job_is_named(store: Store, verb: str) -> None:
    """Every verb says which job was asked for, and where to see those that are there."""
    with store.group(), pytest.raises(JobNotFoundError) as caught:
        VERBS[verb](store)

    assert str(caught.value) == UNKNOWN


def test_counts_are_of_a_jobs_own_children(store: Store) -> None:
    """Children are counted by state, and neither their siblings' nor their own children are among them (I13)."""
    parent_id, other = create(store), create(store)
    spawn(store, parent_id, PAGE, PAGE, PAGE)
    first, _ = claim(store, limit=2)
    end(store, first, State.FAILED)

    with store.group():
        counts = [store.parents.counts(one) for one in (parent_id, other, first.job_id, 99)]

    assert counts == [Counts(pending=1, running=1, failed=1), Counts(), Counts(), Counts()]


# Children


def test_child_inherits_what_its_parent_has_when_it_is_spawned(store: Store) -> None:
    """A child begins with its parent's metadata and its own keys win; later changes are the parent's alone."""
    parent_id = create(store, metadata={"auth_id": "wiki", "team": "a"})
    (child_id,) = spawn(store, parent_id, NewJob(kind="page", metadata={"team": "b", "link_index": 0}))

    with store.group():
        store.jobs.update_metadata(parent_id, {"phase": "late"})

    assert get(store, child_id).metadata == {"auth_id": "wiki", "team": "b", "link_index": 0}
    assert get(store, child_id).parent_id == parent_id


@pytest.mark.parametrize("state", [state for state in STATES if state is not State.WAITING])
def test_job_that_does_not_wait_gets_no_children(store: Store, state: State) -> None:
    """A job that is claimed, can be, or has ended has no children, so that it ends after all of them (I9)."""
    job_id = job_in(store, state)
    why = "is sealed" if state is State.CANCELLED else f"is {state} and does not wait for children"
    said = f"asked for children of job {job_id}, found that it {why}"

    with store.group(), pytest.raises(TransitionError, match=said):
        store.parents.spawn(job_id, [PAGE])


def test_page_that_waits_for_a_credential_gets_no_children(store: Store) -> None:
    """What waits for a credential will be claimed again, and so is no parent (I9)."""
    job_id = waiting_page(store)

    with store.group(), pytest.raises(TransitionError, match="is waiting and does not wait for children"):
        store.parents.spawn(job_id, [PAGE])


def test_sealed_parent_gets_no_new_child(store: Store) -> None:
    """After the seal one child that is new stops the whole call (I9, I12)."""
    parent_id = create(store)
    spawn(store, parent_id, NewJob(kind="page", key="a"), seal=True)

    for jobs in ([PAGE], [NewJob(kind="page", key="a"), NewJob(kind="page", key="b")]):
        with store.group(), pytest.raises(TransitionError, match="found that it is sealed"):
            store.parents.spawn(parent_id, jobs)

    with store.group():
        assert store.parents.counts(parent_id).total == 1


def test_spawning_again_does_nothing(store: Store) -> None:
    """An executor that repeats its step after a crash makes no child twice, sealed or not (I11)."""
    parent_id = create(store)
    jobs = [NewJob(kind="page", key=key) for key in "ab"]
    spawn(store, parent_id, *jobs, seal=True)

    with store.group():
        before = store.total_changes
        again = store.parents.spawn(parent_id, jobs, seal=True)
        changed = store.total_changes - before

    assert (again, changed) == ([None, None], 0)


def test_seal_is_noted_for_who_judges(store: Store) -> None:
    """Sealing a parent, with children or none, tells that it may be done; so does each child (I9)."""
    parent_id = create(store)
    noted = []

    for jobs, seal in (([PAGE], False), ([], False), ([], True)):
        with store.group():
            store.parents.spawn(parent_id, jobs, seal=seal)
            noted.append(store.changes.parents)

    assert noted == [{parent_id}, set(), {parent_id}]
    assert get(store, parent_id).sealed


# Progress and config


def test_progress_is_the_lease_holders_to_note(store: Store) -> None:
    """A running job's progress needs its token; a stale one, or none, changes nothing (I4)."""
    job_id = job_in(store, State.RUNNING)
    lost = f"asked for progress of job {job_id}, found its lease with somebody else or ended"

    for token in (None, 0, 2):
        with store.group(), pytest.raises(LeaseLostError, match=lost):
            store.jobs.update_progress(job_id, Progress(done=9), token=token)
    with store.group():
        store.jobs.update_progress(job_id, Progress(done=1, total=3, message="é"), token=1)
        jobs = store.changes.jobs

    assert get(store, job_id).progress == Progress(done=1, total=3, message="é")
    assert jobs == {job_id}


def test_progress_of_a_job_that_nobody_runs_needs_no_token(store: Store) -> None:
    """A parent's progress is anybody's to note; a token is then one of a lease that ended (I4)."""
    job_id = create(store)

    with store.group():
        store.jobs.update_progress(job_id, Progress(done=1))
    with store.group(), pytest.raises(LeaseLostError):
        store.jobs.update_progress(job_id, Progress(done=2), token=0)

    assert get(store, job_id).progress == Progress(done=1)


def test_config_is_open_until_a_job_is_claimed(store: Store) -> None:
    """A job that nobody has looked at can be given another input, once and again."""
    job_id = create(store, "page", State.PENDING)

    for config in ({"url": "a"}, [1], None):
        with store.group():
            store.jobs.update_config(job_id, config)
        assert get(store, job_id).config == config


@pytest.mark.parametrize("fate", ["claimed", "given back", "has a child", "ended"])
def test_config_is_fixed_once_somebody_may_have_read_it(store: Store, fate: str) -> None:
    """A job that was claimed, has a child or ended keeps the input that it was done with."""
    begun_as = {"has a child": State.WAITING, "ended": State.CANCELLED}
    job_id = job_in(store, begun_as.get(fate, State.RUNNING))
    if fate == "has a child":
        spawn(store, job_id, PAGE)
    if fate == "given back":
        with store.group():
            store.leases.reclaim()
    said = f"another config of job {job_id}, found that it was claimed, has a child or ended"

    with store.group(), pytest.raises(TransitionError, match=said):
        store.jobs.update_config(job_id, {"other": 1})

    assert get(store, job_id).config == {}


def test_config_that_json_cannot_hold_is_refused_by_name(store: Store) -> None:
    """The error names the job and the key."""
    job_id = create(store)

    with store.group(), pytest.raises(MetadataError, match=f"config of job {job_id}: key 'url' holds a bytes"):
        store.jobs.update_config(job_id, {"url": b"x"})


# For those who judge


def test_ripe_parents_wait_for_nothing(store: Store) -> None:
    """Of the jobs asked about these can be judged or, unsealed, go on; one with an unfinished child cannot (I9)."""
    empty, settled, unsealed, busy, ended = (create(store) for _ in range(5))
    spawn(store, empty, seal=True)
    spawn(store, settled, PAGE, seal=True)
    (lease,) = claim(store)
    end(store, lease, State.FAILED)
    spawn(store, busy, PAGE, seal=True)
    with store.group():
        store.parents.cancel(ended)
    asked = {empty, settled, unsealed, busy, ended, lease.job_id, 99}

    with store.group():
        found = store.parents.ripe(asked), store.parents.ripe(set()), store.parents.ripe({busy})

    assert found == (((empty, settled), (unsealed,)), ((), ()), ((), ()))


def test_parent_of_a_page_that_waits_for_a_credential_is_not_ripe(store: Store) -> None:
    """Nothing can be judged of it, and an engine that has nothing else to do is idle (I9)."""
    parent_id = create(store)
    spawn(store, parent_id, PAGE, seal=True)
    (lease,) = claim(store)

    end(store, lease, State.WAITING, "wiki")

    with store.group():
        assert store.parents.ripe({parent_id}) == ((), ())
        assert store.is_idle()


def test_page_that_waits_for_a_credential_is_not_ripe(store: Store) -> None:
    """A sealed job without children that waits for a credential goes on by itself once that comes (I9)."""
    job_id = waiting_page(store)
    spawn(store, job_id, seal=True)

    with store.group():
        assert store.parents.ripe({job_id}) == ((), ())


def test_open_parents_are_the_unfinished_runs_of_a_kind(store: Store) -> None:
    """After a crash all of them are found, oldest first, and nothing else."""
    first, other, second, ended = create(store), create(store, "batch"), create(store), create(store)
    spawn(store, first, NewJob(kind="crawl", state=State.WAITING))
    create(store, state=State.PENDING)
    with store.group():
        store.parents.cancel(ended)

    with store.group():
        found = [[job.id for job in store.parents.open_parents((kind,))] for kind in ("crawl", "batch")]

    assert found == [[first, second], [other]]
