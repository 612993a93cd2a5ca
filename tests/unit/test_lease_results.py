"""What an attempt leaves: a result, children of its own, its own step after them, and why it did not succeed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from store_rig import BROKEN, LEASE_S, Worker, counts, get, judge, make, parent, spawn, states, work

from bequest.engine.errors import InvalidJobError, MetadataError
from bequest.engine.records import Counts, JobError, LeaseRef, LogEntry, NewJob, OwnStep, SealedCredential, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

DONE, FAILED, PENDING, WAITING = State.COMPLETED, State.FAILED, State.PENDING, State.WAITING
FOLLOWED = OwnStep.AFTER_CHILDREN


def errors(store: Store, job_id: int) -> list[tuple[int, str]]:
    """Return the attempts that did not succeed, each with its word."""
    return [(one.attempt, one.error.type) for one in store.queries.attempt_errors(job_id)]


def sealed(version: int) -> SealedCredential:
    """Return what somebody puts under a name."""
    return SealedCredential(
        auth_id="wiki", version=version, key_id="k", nonce=b"n", ciphertext=b"c", sites=("h",), updated_at=1.0
    )


# Results


@pytest.mark.parametrize("result", [0, False, "", [], {}, {"a": [1, None]}, "half \N{SNOWMAN}"])
def test_result_is_kept_as_it_is(store: Store, result: Any) -> None:
    """Any JSON value, what is empty included."""
    job_id = make(store)

    Worker(store).end(job_id, result=result)

    assert get(store, job_id).result == result


def test_job_without_a_result_has_none(store: Store) -> None:
    """A handler that returns nothing leaves nothing."""
    job_id = make(store)

    Worker(store).end(job_id)

    assert (get(store, job_id).state, get(store, job_id).result) == (DONE, None)


def test_success_forgets_the_error_of_the_attempt_before(store: Store) -> None:
    """The job has none then; the list of its attempts keeps it."""
    job_id, worker = make(store, max_attempts=2), Worker(store)
    worker.end(job_id, state=PENDING, error=BROKEN)

    worker.end(job_id, result=1)

    assert (get(store, job_id).error, errors(store, job_id)) == (None, [(1, "ValueError")])


def test_result_that_json_cannot_hold_is_refused_whole(store: Store) -> None:
    """Nothing of the batch is written, and the refusal names the job and the place (I12)."""
    first, second = make(store), make(store)
    worker = Worker(store)
    worker.take()

    with pytest.raises(MetadataError, match=rf"result of job {first}: key 'a\[0\]' holds nan"):
        worker.end(first, second, result={"a": [math.nan]})

    assert states(store, first, second) == [State.RUNNING] * 2


# Why attempts did not succeed


def test_error_of_every_attempt_is_kept(store: Store, clock: ManualClock) -> None:
    """Retried, expired and failed for good, in their order, each with its number and time."""
    job_id, worker = make(store, max_attempts=3), Worker(store)
    began = clock.now()
    worker.end(job_id, state=PENDING, error=JobError(type="first", message=""))
    clock.advance(1.0)
    worker.take()
    clock.advance(LEASE_S)
    with store.group():
        store.leases.expire()
    worker.take()
    worker.end(job_id, state=FAILED, error=JobError(type="last", message="no", traceback="x.py, line 1"))

    found = store.queries.attempt_errors(job_id)

    assert [(one.attempt, one.error.type) for one in found] == [
        (1, "first"),
        (2, "lease_expired"),
        (3, "last"),
    ]
    assert [one.at - began for one in found] == [0.0, 1.0 + LEASE_S, 1.0 + LEASE_S]
    assert found[-1].error == JobError(type="last", message="no", traceback="x.py, line 1")


@pytest.mark.parametrize("fields", [{"state": PENDING, "counts": False}, {"state": WAITING, "waits_for": "wiki"}])
def test_end_that_costs_no_attempt_is_noted_on_the_job_alone(store: Store, fields: dict[str, Any]) -> None:
    """A snooze or a wait for a credential says why, however often, and the list of errors does not grow by it."""
    job_id, worker = make(store, max_attempts=2), Worker(store)
    worker.end(job_id, state=PENDING, error=BROKEN)
    seen = []

    for number in range(3):
        worker.take()
        worker.end(job_id, error=JobError(type=f"not now {number}", message=""), **fields)
        error = get(store, job_id).error
        seen.append(error.type if error else None)
        with store.group():
            store.credentials.put(sealed(number + 1))

    assert seen == ["not now 0", "not now 1", "not now 2"]
    assert errors(store, job_id) == [(1, "ValueError")]


def test_leases_given_back_leave_no_errors(store: Store) -> None:
    """A stop that gives back a lease, and an end of its worker, are no fault of the job's."""
    job_id, worker = make(store), Worker(store)

    for _ in range(3):
        worker.take()
        with store.group():
            store.leases.release([LeaseRef(job_id=job_id, token=worker.leases[job_id].token)])
        worker.take()
        with store.group():
            store.leases.reclaim()

    assert (get(store, job_id).attempts, errors(store, job_id)) == (0, [])


def test_errors_of_a_job_are_its_own(store: Store) -> None:
    """And a job without any, or that is not there, has none."""
    first, second, worker = make(store), make(store), Worker(store)
    worker.fail(first)

    assert (errors(store, first), errors(store, second), errors(store, 99)) == ([(1, "ValueError")], [], [])


def test_error_with_half_of_a_surrogate_pair_is_kept(store: Store) -> None:
    """Nothing that an exception says keeps its job from ending; UTF-8 has a question mark for it."""
    job_id = make(store)

    Worker(store).end(job_id, state=FAILED, error=JobError(type="OSError", message="no \ud800", traceback="\udfff\0"))

    error = get(store, job_id).error
    assert error == JobError(type="OSError", message="no ?", traceback="?\0")
    assert errors(store, job_id) == [(1, "OSError")]


def test_stale_attempt_leaves_no_error_and_no_log(store: Store) -> None:
    """Nothing of it is written (I4)."""
    job_id, worker = make(store), Worker(store)
    worker.take()
    with store.group():
        store.leases.release([LeaseRef(job_id=job_id, token=1)])

    line = LogEntry(job_id=job_id, at=1.0, level="INFO", message="late")
    refused = worker.end(job_id, state=FAILED, logs=(line,))

    assert (refused, errors(store, job_id), store.queries.logs(job_id)) == ([job_id], [], [])


# Children of the job itself


def test_job_with_children_waits_for_them(store: Store) -> None:
    """It has no lease then, keeps its result, and gets no more children."""
    job_id, worker = make(store, metadata={"a": 1}), Worker(store)

    worker.end(job_id, children=(work(), work(metadata={"b": 2})), result="half")

    job = get(store, job_id)
    assert (job.state, job.sealed, job.lease_until, job.result) == (WAITING, True, None, "half")
    assert counts(store, job_id) == Counts(pending=2)
    children = worker.take()
    assert [get(store, one).metadata for one in children] == [{"a": 1}, {"a": 1, "b": 2}]
    worker.end(*children)
    assert judge(store) == {job_id: DONE}


@pytest.mark.parametrize("state", [FAILED, PENDING, WAITING])
@pytest.mark.parametrize("fields", [{"children": (work(),)}, {"own_step": FOLLOWED}])
def test_attempt_that_did_not_succeed_leaves_no_children(store: Store, state: State, fields: dict[str, Any]) -> None:
    """A retry doubles none."""
    job_id = make(store, max_attempts=2)

    with pytest.raises(InvalidJobError, match=f"an attempt that ends as {state} has no children"):
        Worker(store).end(job_id, state=state, **fields)

    assert (counts(store, job_id).total, get(store, job_id).state) == (0, State.RUNNING)


def test_job_whose_children_are_all_the_same_has_one(store: Store) -> None:
    """Of two under one key the second is left out (I11)."""
    job_id, worker = make(store), Worker(store)

    worker.end(job_id, children=(work(key="a"), work(key="a")))

    assert counts(store, job_id).total == 1


def test_child_that_no_row_can_hold_is_refused_whole(store: Store) -> None:
    """The attempt has not ended then (I12)."""
    job_id = make(store)

    with pytest.raises(InvalidJobError, match="a job's kind"):
        Worker(store).end(job_id, children=(work(), NewJob(kind="")))

    assert (counts(store, job_id).total, get(store, job_id).state) == (0, State.RUNNING)


def test_job_with_children_waits_for_no_credential(store: Store) -> None:
    """It waits for its children, whatever else it named."""
    job_id = make(store)

    Worker(store).end(job_id, children=(work(),), waits_for="wiki")

    assert (get(store, job_id).state, get(store, job_id).waits_for) == (WAITING, None)


# Its own step


def test_own_step_comes_after_the_children_of_the_attempt(store: Store) -> None:
    """With all its attempts anew; what the first part returned gives way to what the step returns."""
    job_id, worker = make(store, max_attempts=1), Worker(store)
    worker.end(job_id, children=(work(),), own_step=FOLLOWED, result="first")
    (child,) = worker.take()
    worker.end(child)

    assert judge(store) == {job_id: PENDING}
    worker.take()
    assert (worker.leases[job_id].own_step, worker.leases[job_id].attempts) == (OwnStep.RELEASED, 1)
    worker.end(job_id, result="last")
    job = get(store, job_id)
    assert (job.state, job.own_step, job.result) == (DONE, OwnStep.DONE, "last")


def test_own_step_comes_also_when_there_are_no_children(store: Store) -> None:
    """An album without pictures has its cover made all the same: zero children are all children (I9)."""
    job_id, worker = make(store), Worker(store)

    worker.end(job_id, own_step=FOLLOWED)
    concerned = set(store.changes.parents)

    assert concerned == {job_id}
    assert (get(store, job_id).state, get(store, job_id).sealed) == (WAITING, True)
    assert judge(store) == {job_id: PENDING}


def test_own_step_is_tried_again_as_any_attempt_is(store: Store) -> None:
    """And takes its children's results as they are."""
    job_id, worker = make(store, max_attempts=2), Worker(store)
    worker.end(job_id, children=(work(),), own_step=FOLLOWED)
    worker.end(*worker.take())
    judge(store)

    worker.end(job_id, state=PENDING, error=BROKEN)
    between = get(store, job_id)
    worker.end(job_id, state=PENDING, error=BROKEN)

    assert (between.state, between.own_step) == (PENDING, OwnStep.RELEASED)
    assert (get(store, job_id).state, get(store, job_id).own_step) == (FAILED, OwnStep.RELEASED)


def test_own_step_whose_worker_is_gone_is_rescued(store: Store, clock: ManualClock) -> None:
    """It is still its own step that is due."""
    (job_id,) = parent(store, own_step=FOLLOWED, max_attempts=2)
    judge(store)
    worker = Worker(store)
    worker.take()
    clock.advance(LEASE_S)
    with store.group():
        store.leases.expire()
    worker.take()

    assert worker.leases[job_id].own_step is OwnStep.RELEASED


# How an attempt does not end


@pytest.mark.parametrize(
    ("state", "fields", "said"),
    [
        (State.RUNNING, {}, "an attempt does not end as running"),
        (State.CANCELLED, {}, "an attempt does not end as cancelled"),
        (PENDING, {"run_at": math.inf}, "run_at is seconds since the epoch, found inf"),
        (PENDING, {"run_at": math.nan}, "run_at is seconds since the epoch, found nan"),
    ],
)
def test_end_that_is_none_is_refused(store: Store, state: State, fields: dict[str, Any], said: str) -> None:
    """The job runs on, and its lease ends it if nothing else does."""
    job_id = make(store)

    with pytest.raises(InvalidJobError, match=said):
        Worker(store).end(job_id, state=state, **fields)

    assert get(store, job_id).state is State.RUNNING


# Who is told of a job that waits for a credential


@pytest.mark.parametrize("is_nested", [False, True])
def test_run_of_a_page_that_waits_is_told(store: Store, is_nested: bool) -> None:
    """For it may be stalled by now: also the run above the crawl that the page is of."""
    root, page = parent(store, work(state=WAITING) if is_nested else work())
    if is_nested:
        (page,) = spawn(store, page, work())
    worker = Worker(store)

    worker.end(page, state=WAITING, waits_for="wiki")

    assert root in store.changes.jobs | store.changes.parents


def test_page_whose_credential_was_put_right_meanwhile_does_not_wait(store: Store) -> None:
    """It is due again at once; one that tried the newest waits."""
    first, second = make(store), make(store)
    worker = Worker(store)
    worker.take()
    with store.group():
        store.credentials.put(sealed(1))

    worker.end(first, state=WAITING, waits_for="wiki", credential_version=0)
    worker.end(second, state=WAITING, waits_for="wiki", credential_version=1)

    assert states(store, first, second) == [PENDING, WAITING]
    assert get(store, second).attempts == 0
