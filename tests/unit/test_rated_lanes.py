"""Lanes that wait for tokens of their own: no claim looks at them before, and none is missed when its token comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from store_rig import Worker, get, make, parent

from bequest.engine.errors import TransitionError
from bequest.engine.limits import KindTerms, Rate
from bequest.engine.records import NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

RATE = Rate(jobs=1, per_s=60.0)
RATED = KindTerms(kind="work", partition_rate=RATE)
STEPS_A_LOOK = 1


def partitions(store: Store, job_ids: list[int]) -> str:
    """Return the partitions of jobs, in the jobs' order."""
    return "".join(get(store, job_id).partition for job_id in job_ids)


def make_each(store: Store, names: str) -> list[int]:
    """Make a job of each partition."""
    return [make(store, partition=partition) for partition in names]


def steps_of(store: Store, act: Callable[[], object]) -> int:
    """Return how often SQLite's machine came by while *act* ran, once for some steps."""
    seen = 0

    def count() -> bool:
        nonlocal seen
        seen += 1
        return False

    connection = store._database._connection
    connection.set_progress_handler(count, STEPS_A_LOOK)
    try:
        act()
    finally:
        connection.set_progress_handler(None)
    return seen


def worn_out(store: Store, terms: KindTerms, lanes: int) -> Worker:
    """Make two jobs in each of many lanes, and have all tokens used up by the first ones."""
    with store.group():
        store.jobs.create([NewJob(kind="work", partition=f"p{number % lanes}") for number in range(2 * lanes)])
    worker = Worker(store, terms)
    worker.end(*worker.take(1000))
    worker.take(5)
    return worker


@pytest.mark.parametrize("terms", [RATED, KindTerms(kind="work", rate=Rate(jobs=40, per_s=1e9))], ids=["own", "whole"])
def test_claim_costs_no_more_where_many_others_wait_for_tokens(store: Store, terms: KindTerms) -> None:
    """Ten times as many lanes with an empty bucket cost it the same."""
    steps = []

    for lanes in (40, 400):
        worker = worn_out(store, terms, lanes)
        steps.append(steps_of(store, lambda worker=worker: worker.take(5)))  # type: ignore[misc]

    assert steps[1] < 2 * steps[0]


def test_claim_finds_those_that_have_a_token_among_many_that_have_none(store: Store) -> None:
    """Wherever they stand, at a cost that does not grow with the others."""
    steps = []

    for lanes, names in ((40, "aqz"), (400, "brx")):
        worker, taken = worn_out(store, RATED, lanes), list[int]()
        fresh = make_each(store, names)
        steps.append(steps_of(store, lambda worker=worker, taken=taken: taken.extend(worker.take(5))))  # type: ignore[misc]
        assert sorted(taken) == fresh

    assert steps[1] < 2 * steps[0]


def test_lane_is_looked_at_again_when_its_token_comes(store: Store, clock: ManualClock) -> None:
    """Not before, and the alarm is set for the first of them, claim by claim."""
    make_each(store, "aab")
    worker = Worker(store, RATED)
    taken = [partitions(store, worker.take())]
    clock.advance(30.0)
    make_each(store, "bc")
    wakes = []

    for seconds in (0.0, 29.0, 1.001, 30.0):
        clock.advance(seconds)
        taken.append(partitions(store, worker.take()))
        wakes.append(store.changes.wake_at > clock.now())

    assert taken == ["ab", "c", "", "ab", ""]
    assert wakes == [True] * 4


def test_alarm_is_set_for_a_lane_that_a_claim_did_not_look_at(store: Store, clock: ManualClock) -> None:
    """Or nobody would be woken for it."""
    make_each(store, "aa")
    worker = Worker(store, RATED)
    worker.take()
    worker.take()

    wakes = []
    for seconds in (10.0, 49.9):
        clock.advance(seconds)
        worker.take()
        wakes.append(store.changes.wake_at)

    assert wakes == pytest.approx([1_000_000_060.0] * 2, abs=1e-3)


def test_job_that_becomes_due_in_any_way_is_found(store: Store, clock: ManualClock) -> None:
    """New, at its time, put back, retried, as a child, and as a parent's own step."""
    worker = Worker(store, KindTerms(kind="work", partition_rate=Rate(jobs=1, per_s=0.001)))
    seen = [worker.take()]

    new = make(store, partition="a")
    later = make(store, partition="b", run_at=clock.now() + 5.0)
    seen.append(worker.take())
    worker.fail(new)
    clock.advance(5.0)
    seen.append(worker.take())
    clock.advance(1.0)
    with store.group():
        store.leases.reclaim()
        store.control.retry(new)
    seen.append(worker.take())
    _, child = parent(store, work_of("c"))
    seen.append(worker.take())

    assert seen == [[], [new], [later], [new, later], [child]]


def work_of(partition: str) -> NewJob:
    """Return a job of a partition."""
    return NewJob(kind="work", partition=partition)


def test_lane_with_nothing_due_any_more_is_forgotten(store: Store) -> None:
    """And noted again once something is."""
    (gone,) = make_each(store, "a")
    worker = Worker(store, RATED)
    make_each(store, "b")
    with store.group():
        store.parents.cancel(gone)
    assert partitions(store, worker.take()) == "b"
    worker.take()

    rows = store._database.rows("SELECT partition FROM rated_lane")
    make_each(store, "a")

    assert rows == []
    assert partitions(store, worker.take()) == "a"


def test_other_rate_counts_from_the_next_claim_on(store: Store, clock: ManualClock) -> None:
    """A program that was changed does not wait for what its former rate said."""
    make_each(store, "aaa")
    Worker(store, RATED).take()
    Worker(store, RATED).take()
    clock.advance(1.0)

    taken = Worker(store, KindTerms(kind="work", partition_rate=Rate(jobs=1, per_s=1.0))).take()

    assert partitions(store, taken) == "a"


def test_clock_that_was_set_back_keeps_no_lane_out(store: Store, clock: ManualClock) -> None:
    """Its bucket fills from then on, as every one does."""
    make_each(store, "aaa")
    worker = Worker(store, RATED)
    worker.take()
    worker.take()

    clock.jump(clock.now() - 86_400.0)
    taken = [len(worker.take())]
    clock.advance(60.001)
    taken.append(len(worker.take()))

    assert taken == [0, 1]


def test_clock_that_was_set_back_in_a_group_that_is_undone_keeps_no_lane_out(store: Store, clock: ManualClock) -> None:
    """What is undone says of the lanes again what the former clock said."""
    make_each(store, "aaa")
    worker = Worker(store, RATED)
    worker.take()
    worker.take()
    clock.jump(clock.now() - 86_400.0)

    def claim_and_fail() -> None:
        with store.group():
            assert store.claims.claim("default", [RATED], 1, 60.0) == []
            raise TransitionError("undone")

    with pytest.raises(TransitionError):
        claim_and_fail()

    worker.take()
    clock.advance(60.001)
    assert len(worker.take()) == 1


def test_what_was_undone_is_not_taken_for_noted(store: Store, clock: ManualClock) -> None:
    """A claim that is undone with its message leaves nothing behind, whether it was the first or not."""
    make_each(store, "ab")
    worker = Worker(store, RATED)

    def claim_and_fail() -> None:
        with store.savepoint():
            assert len(store.claims.claim("default", [RATED], 1, 60.0)) == 1
            raise TransitionError("undone")

    for _ in range(2):
        with store.group(), pytest.raises(TransitionError):
            claim_and_fail()

        assert partitions(store, worker.take(1)) in ("a", "b")

    assert worker.take() == []
    clock.advance(60.001)
    make_each(store, "ab")
    assert partitions(store, worker.take()) in ("ab", "ba")


def test_lanes_of_another_queue_and_kind_are_their_own(store: Store) -> None:
    """Two kinds with rates, one without and two queues beside each other."""
    for kind, queue in (("work", "default"), ("mail", "default"), ("free", "default"), ("work", "other")):
        for _ in range(2):
            make(store, kind, queue=queue, partition="a")
    terms = (RATED, KindTerms(kind="mail", partition_rate=RATE), "free")

    taken = [len(Worker(store, *terms, queue=queue).take()) for queue in ("default", "default", "other")]

    assert taken == [4, 0, 0]
    assert {get(store, job_id).state for job_id in range(1, 9)} == {State.RUNNING, State.PENDING}


def test_rate_of_partitions_outlives_a_restart(store: Store, clock: ManualClock) -> None:
    """The note of the lanes is made anew from the buckets."""
    make_each(store, "aab")
    Worker(store, RATED).take()
    path = store._database._reopen_with
    assert path is not None
    store.close()

    again = Store.open(path[0], clock=clock)
    try:
        taken = [len(Worker(again, RATED).take())]
        clock.advance(60.001)
        taken.append(len(Worker(again, RATED).take()))
    finally:
        again.close()

    assert taken == [0, 1]


def test_note_of_the_lanes_is_made_anew_when_the_file_is_opened_again(store: Store, clock: ManualClock) -> None:
    """As after a commit in doubt."""
    make_each(store, "aab")
    worker = Worker(store, RATED)
    worker.take()
    store.reopen()
    clock.advance(60.001)

    assert partitions(store, worker.take()) == "a"
