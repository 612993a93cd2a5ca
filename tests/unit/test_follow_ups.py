"""Jobs that come after the one that holds their key: one more, however often they were asked for (I11)."""

from __future__ import annotations

from typing import Any

import pytest
from store_rig import Worker, get, work

from bequest.engine.errors import KeyTakenError
from bequest.engine.records import Completion, Created, KeyScope, NewJob, OnClash, State
from bequest.engine.store import Store


def keyed(scope: KeyScope = KeyScope.FOREVER, **fields: Any) -> NewJob:
    """Return a job under the key of this page."""
    return work(**{"key": "a", "key_scope": scope, **fields})


def create(store: Store, *jobs: NewJob) -> list[Created]:
    with store.group():
        return store.jobs.create(jobs)


def completed(worker: Worker, *job_ids: int) -> list[Completion]:
    """Return the good ends of what *worker* runs, for a group that does more."""
    return [Completion(job_id=one, token=worker.leases[one].token, state=State.COMPLETED) for one in job_ids]


def after(**fields: Any) -> NewJob:
    """Return a job that is to run once more after the one that holds the key."""
    return keyed(KeyScope.UNFINISHED, on_clash=OnClash.AFTER, **fields)


@pytest.mark.parametrize("end", [State.COMPLETED, State.FAILED, State.CANCELLED])
def test_one_more_job_comes_after_the_one_that_runs(store: Store, end: State) -> None:
    """However that ended, and in the same group; it has the newest config."""
    (first,) = create(store, after(config={"n": 1}))
    worker = Worker(store)
    worker.take()
    asked = create(store, after(config={"n": 2}), after(config={"n": 3}))

    if end is State.CANCELLED:
        with store.group():
            store.parents.cancel(first.job_id)
    else:
        worker.end(first.job_id, state=end)
    is_told = store.changes.has_due_work
    (second,) = worker.take()

    assert asked == [Created(job_id=first.job_id, is_new=False)] * 2
    assert (is_told, get(store, second).config, get(store, second).key) == (True, {"n": 3}, "a")
    worker.end(second)
    assert worker.take() == []


def test_job_that_did_not_start_needs_none_after_it(store: Store) -> None:
    """It will see what there is to be seen."""
    (first,) = create(store, after())

    create(store, after())
    worker = Worker(store)
    worker.end(first.job_id)

    assert worker.take() == []


def test_job_that_was_put_back_gets_one_after_it(store: Store) -> None:
    """It has seen something already."""
    (first,) = create(store, after(max_attempts=3))
    worker = Worker(store)
    worker.take()
    worker.end(first.job_id, state=State.PENDING)

    create(store, after())
    worker.end(first.job_id)

    assert len(worker.take()) == 1


def test_job_after_another_goes_with_it_when_it_is_deleted(store: Store) -> None:
    """Nothing of a deleted job is left."""
    (first,) = create(store, after())
    Worker(store).take()
    create(store, after())

    with store.group():
        store.control.delete(first.job_id)

    assert Worker(store).take() == []


def test_job_after_another_waits_for_one_of_another_kind_that_took_the_key(store: Store) -> None:
    """The key came free and was taken in one group; the group is not lost for it, nor is the job."""
    first, plain = create(store, after(), keyed(KeyScope.UNFINISHED, key="b"))
    worker = Worker(store)
    worker.take()
    create(store, after(config={"n": 2}), after(key="b", config={"n": 3}))

    with store.group():
        store.completions.complete(completed(worker, first.job_id, plain.job_id))
        (other,) = store.jobs.create([keyed(KeyScope.UNFINISHED, kind="other")])
    (behind_plain,) = worker.take()
    other_worker = Worker(store, "other")
    other_worker.take()
    other_worker.end(other.job_id)
    (behind_first,) = worker.take()

    assert [get(store, job_id).config for job_id in (behind_plain, behind_first)] == [{"n": 3}, {"n": 2}]


def test_job_after_another_is_left_out_where_one_of_another_kind_keeps_the_key(store: Store) -> None:
    """It can never be made, and nobody tries again for ever."""
    (first,) = create(store, after())
    worker = Worker(store)
    worker.take()
    create(store, after())

    with store.group():
        store.completions.complete(completed(worker, first.job_id))
        (other,) = store.jobs.create([keyed(kind="other")])
    other_worker = Worker(store, "other")
    other_worker.take()
    other_worker.end(other.job_id)

    assert worker.take() == []
    assert get(store, other.job_id).state is State.COMPLETED


@pytest.mark.parametrize(
    "fields", [{}, {"key_scope": KeyScope.PERIOD, "key_period_s": 60.0}], ids=["forever", "period"]
)
def test_no_job_comes_after_one_that_keeps_the_key(store: Store, fields: dict[str, Any]) -> None:
    """It could not be made when that one has ended, and to say nothing of it would lose it."""
    create(store, NewJob(kind="work", key="a", **fields))
    Worker(store).take()

    with pytest.raises(KeyTakenError, match="job 1, which keeps the key beyond its end"), store.group():
        store.jobs.create([after()])
