"""Keys: how long each scope keeps others out, and what a clash does (I11)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from store_rig import Worker, get, make, parent, spawn, work

from bequest.engine.errors import InvalidJobError, KeyTakenError
from bequest.engine.job_rules import check_job
from bequest.engine.records import Created, KeyScope, NewJob, OnClash, OwnStep, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

PERIOD_S = 30.0


def keyed(scope: KeyScope = KeyScope.FOREVER, **fields: Any) -> NewJob:
    """Return a job under the key of this page."""
    period = {"key_period_s": PERIOD_S} if scope is KeyScope.PERIOD else {}
    return work(**{"key": "a", "key_scope": scope, **period, **fields})


def create(store: Store, *jobs: NewJob) -> list[Created]:
    with store.group():
        return store.jobs.create(jobs)


# How long a key is held


@pytest.mark.parametrize(
    ("scope", "held_while"),
    [
        (KeyScope.FOREVER, {"pending", "running", "again", "completed", "failed", "cancelled", "later"}),
        (KeyScope.UNFINISHED, {"pending", "running", "again", "later"}),
        (KeyScope.QUEUED, {"pending", "later"}),
        (KeyScope.PERIOD, {"pending", "running", "again", "completed", "failed", "cancelled"}),
    ],
)
@pytest.mark.parametrize("moment", ["pending", "running", "again", "completed", "failed", "cancelled", "later"])
def test_key_is_held_as_long_as_its_scope_says(
    store: Store, clock: ManualClock, scope: KeyScope, held_while: set[str], moment: str
) -> None:
    """For ever, until the job is final, until it is first claimed, or for a period; later is pending, after that."""
    (first,) = create(store, keyed(scope, max_attempts=3))
    worker = Worker(store)
    if moment in ("running", "again", "completed", "failed"):
        worker.take()
    match moment:
        case "again":
            worker.end(first.job_id, state=State.PENDING)
        case "completed":
            worker.end(first.job_id)
        case "failed":
            worker.fail(first.job_id)
        case "cancelled":
            with store.group():
                store.parents.cancel(first.job_id)
        case "later":
            clock.advance(PERIOD_S)

    (second,) = create(store, keyed(scope))

    is_held = moment in held_while
    assert second.is_new is not is_held
    assert (second.job_id == first.job_id) is is_held


@pytest.mark.parametrize(("first", "second"), [*itertools.permutations(KeyScope, 2)])
def test_key_that_is_held_keeps_others_out_whatever_their_scope(
    store: Store, first: KeyScope, second: KeyScope
) -> None:
    """It is the holder's scope that says how long."""
    (holder,) = create(store, keyed(first))

    assert create(store, keyed(second)) == [Created(job_id=holder.job_id, is_new=False)]


@pytest.mark.parametrize("scope", KeyScope)
def test_key_whose_period_has_passed_is_free_for_everybody(store: Store, clock: ManualClock, scope: KeyScope) -> None:
    """Whatever scope the next job asks for it with."""
    (first,) = create(store, keyed(KeyScope.PERIOD))

    clock.advance(PERIOD_S - 0.001)
    early = create(store, keyed(scope))
    clock.advance(0.001)
    (second,) = create(store, keyed(scope))

    assert early == [Created(job_id=first.job_id, is_new=False)]
    assert second.is_new
    assert get(store, first.job_id).state is State.PENDING


def test_key_whose_period_has_passed_is_free_after_a_restart(store: Store, clock: ManualClock) -> None:
    """What an earlier start of the engine held is looked up once."""
    create(store, keyed(KeyScope.PERIOD))
    path = store._database._reopen_with
    assert path is not None
    store.close()
    clock.advance(PERIOD_S)

    again = Store.open(path[0], clock=clock)
    try:
        (second,) = create(again, keyed())
    finally:
        again.close()

    assert second.is_new


def test_period_of_a_new_holder_begins_anew(store: Store, clock: ManualClock) -> None:
    """One job in each period."""
    new = []
    for _ in range(6):
        new += [created.is_new for created in create(store, keyed(KeyScope.PERIOD))]
        clock.advance(PERIOD_S / 2)

    assert new == [True, False, True, False, True, False]


def test_period_holds_among_children_too(store: Store, clock: ManualClock) -> None:
    """A child whose key is held is left out, and one whose key is free again is made."""
    parent_id, *first = parent(store, keyed(KeyScope.PERIOD), seal=False)

    second = spawn(store, parent_id, keyed(KeyScope.PERIOD), seal=False)
    clock.advance(PERIOD_S)
    third = spawn(store, parent_id, keyed())

    assert (len(first), len(second), len(third)) == (1, 0, 1)


def test_key_is_held_among_the_children_of_one_parent(store: Store) -> None:
    """Another parent's children, and jobs without one, have keys of their own."""
    first, *one = parent(store, keyed(), seal=False)
    _, *two = parent(store, keyed())

    assert (len(one), len(two), create(store, keyed())[0].is_new) == (1, 1, True)
    assert spawn(store, first, keyed()) == ()


def test_key_of_a_deleted_job_is_free(store: Store) -> None:
    """For ever is as long as its row is there."""
    (first,) = create(store, keyed())
    with store.group():
        store.control.delete(first.job_id)

    assert create(store, keyed())[0].is_new


def test_two_of_one_batch_under_one_key_are_one_job(store: Store) -> None:
    """The first of them (I11)."""
    first, second = create(store, keyed(config={"n": 1}), keyed(config={"n": 2}))

    assert (first.is_new, second) == (True, Created(job_id=first.job_id, is_new=False))
    assert get(store, first.job_id).config == {"n": 1}


# What a clash does


def test_clash_is_refused_where_it_is_to_raise(store: Store) -> None:
    """Naming the holder; nothing of the batch is made (I12)."""
    (first,) = create(store, keyed())

    with pytest.raises(KeyTakenError, match=f"asked for a new work job, found its key taken by job {first.job_id}"):
        create(store, work(), keyed(on_clash=OnClash.RAISE))

    assert store._database.row("SELECT count(*) FROM job") == (1,)


def test_clash_with_a_job_of_another_kind_is_refused(store: Store) -> None:
    """Whatever it is to do: the answer would be a job that was not asked for."""
    (first,) = create(store, keyed(kind="mail"))

    for on_clash in (OnClash.EXISTING, OnClash.REPLACE):
        with pytest.raises(KeyTakenError, match=f"taken by job {first.job_id} of another kind, mail; all kinds share"):
            create(store, keyed(on_clash=on_clash))

    assert get(store, first.job_id).config == {}


def test_run_takes_up_another_run_of_its_key_with_or_without_steps(store: Store) -> None:
    """A crawl and a run with steps are the same to who asks for a run."""
    (first,) = create(store, keyed(KeyScope.UNFINISHED, kind="crawl", state=State.WAITING))

    again = create(store, keyed(KeyScope.UNFINISHED, kind="run", state=State.WAITING))

    assert again == [Created(job_id=first.job_id, is_new=False)]


def test_replaced_job_has_the_new_config_priority_and_time(store: Store, clock: ManualClock) -> None:
    """It is the same job, and it is due when the new one was to be."""
    (first,) = create(store, keyed(config={"n": 1}))
    later = clock.now() + 10.0

    replaced = create(store, keyed(config={"n": 2}, priority=5, run_at=later, on_clash=OnClash.REPLACE))
    early = Worker(store).take()
    clock.advance(10.0)

    job = get(store, first.job_id)
    assert replaced == [Created(job_id=first.job_id, is_new=False)]
    assert (job.config, job.priority, job.run_at) == ({"n": 2}, 5, later)
    assert (early, Worker(store).take()) == ([], [first.job_id])


@pytest.mark.parametrize("run_timeout_s", [30.0, None])
def test_replaced_job_has_the_new_time_to_end_in(store: Store, clock: ManualClock, run_timeout_s: float | None) -> None:
    """From its new start on, and the alarm knows."""
    (first,) = create(store, keyed(run_timeout_s=9.0))
    later = clock.now() + 60.0

    with store.group():
        store.jobs.create([keyed(run_timeout_s=run_timeout_s, run_at=later, on_clash=OnClash.REPLACE)])
        wake_at = store.changes.wake_at

    assert get(store, first.job_id).deadline_at == (None if run_timeout_s is None else later + run_timeout_s)
    assert wake_at == later


def test_replaced_job_that_is_due_now_is_told(store: Store, clock: ManualClock) -> None:
    """Whoever waits for work is woken; for later, the alarm is set."""
    create(store, keyed(run_at=clock.now() + 60.0))

    with store.group():
        store.jobs.create([keyed(on_clash=OnClash.REPLACE)])
        is_told = store.changes.has_due_work
    with store.group():
        store.jobs.create([keyed(run_at=clock.now() + 9.0, on_clash=OnClash.REPLACE)])
        wake_at = store.changes.wake_at

    assert (is_told, wake_at) == (True, clock.now() + 9.0)


@pytest.mark.parametrize("moment", ["running", "again", "completed"])
def test_job_that_was_claimed_is_not_replaced(store: Store, moment: str) -> None:
    """Its config is fixed from then on; the answer is the job as it is."""
    (first,) = create(store, keyed(config={"n": 1}, max_attempts=3))
    worker = Worker(store)
    worker.take()
    if moment != "running":
        worker.end(first.job_id, state=State.PENDING if moment == "again" else State.COMPLETED)

    (second,) = create(store, keyed(config={"n": 2}, on_clash=OnClash.REPLACE))

    assert (second.job_id, get(store, first.job_id).config) == (first.job_id, {"n": 1})


# What is no job


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": ""}, "a job's kind has 1 to 255 printable characters"),
        ({"queue": "x" * 256}, "a job's queue has 1 to 255"),
        ({"partition": "\n"}, "a partition has at most 255"),
        ({"partition": "x" * 256}, "hash what is longer"),
        ({"key": ""}, "a key has 1 to 255"),
        ({"tags": ("",)}, "tags of 1 to 255"),
        ({"tags": ("x",) * 51}, "at most 50 tags"),
        ({"priority": 2**63}, "priority is at most 9223372036854775807, found 9223372036854775808"),
        ({"priority": -(2**63)}, "priority is at least"),
        ({"max_attempts": 0}, "max_attempts is at least 1, found 0"),
        ({"child_limit": -1}, "child_limit is at least 0"),
        ({"child_concurrency": 0}, "child_concurrency is at least 1"),
        ({"max_child_failures": -0.1}, "max_child_failures is at least 0"),
        ({"max_child_failures": float("nan")}, "max_child_failures is at least 0, found nan"),
        ({"run_at": float("inf")}, "run_at is seconds since the epoch, found inf"),
        ({"timeout_s": 0.0}, "timeout_s is a number of seconds above 0, found 0.0"),
        ({"run_timeout_s": float("inf"), "state": State.WAITING}, "run_timeout_s is a number of seconds above 0"),
        ({"run_timeout_s": 0.0}, "run_timeout_s is a number of seconds above 0, found 0.0"),
        ({"state": State.RUNNING}, "begins as pending or waiting, not as running"),
        ({"own_step": OwnStep.AFTER_CHILDREN}, "begins as waiting for them"),
        ({"own_step": OwnStep.DONE, "state": State.WAITING}, "begins as waiting for them"),
        ({"key_scope": KeyScope.QUEUED}, "a key scope was given without a key"),
        ({"key": "a", "key_scope": KeyScope.PERIOD}, "goes with key_period_s"),
        ({"key": "a", "key_period_s": 5.0}, "goes with key_period_s"),
        (
            {"key": "a", "key_scope": KeyScope.PERIOD, "key_period_s": 0.0},
            "key_period_s is a number of seconds above 0",
        ),
        ({"key": "a", "on_clash": OnClash.AFTER}, "on_clash 'after' goes with the key scope 'unfinished'"),
        ({"key": "a", "on_clash": OnClash.RAISE, "parent_id": 1}, "on_clash is for jobs without a parent"),
        ({"key": "a", "on_clash": OnClash.REPLACE, "state": State.WAITING}, "on_clash 'replace' is for jobs without"),
    ],
)
def test_job_that_no_row_can_hold_is_refused(fields: dict[str, Any], said: str) -> None:
    """With what was asked for and what is allowed, before anything is written."""
    with pytest.raises(InvalidJobError, match=said):
        check_job(work(**fields))


def test_job_at_the_bounds_is_made(store: Store) -> None:
    """Every limit is allowed itself."""
    job_id = make(
        store,
        "k" * 255,
        queue="q" * 255,
        partition="p" * 255,
        key="漢" * 255,
        tags=("t" * 255,) * 50,
        priority=2**63 - 1,
        max_child_failures=0,
        max_attempts=1,
    )

    assert get(store, job_id).tags == ("t" * 255,) * 50
