"""Turns: lanes share what a claim takes, and go round however many they are and whatever holds some back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from store_rig import Worker, get, make, parent, partitions, work

from bequest.engine import due_lanes
from bequest.engine.database import Row, Value
from bequest.engine.limits import KindTerms
from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


def test_lanes_share_a_claim_evenly(store: Store) -> None:
    """A partition with a thousand jobs leaves the others their places."""
    for partition in "aaaaaaaabbcc":
        make(store, partition=partition)

    taken = Worker(store).take(6)

    assert partitions(store, taken) == "aabbcc"


def in_order(store: Store, job_ids: list[int]) -> str:
    """Return the partitions of jobs, in the jobs' order."""
    return "".join(get(store, job_id).partition for job_id in job_ids)


def test_jobs_of_one_claim_take_turns(store: Store) -> None:
    """They are run in this order, so a lane with many jobs does not keep the others waiting until it is through."""
    for partition in "aaaabbbbcc":
        make(store, partition=partition)

    assert in_order(store, Worker(store).take(10)) == "abcabcabab"


def test_turns_within_a_claim_begin_after_the_lane_that_was_last(store: Store) -> None:
    """Claim by claim they go on where they ended."""
    for partition in "abc" * 4:
        make(store, partition=partition)
    worker = Worker(store)

    served = ""
    for limit in (1, 4, 5, 2):
        taken = worker.take(limit)
        worker.end(*taken)
        served += in_order(store, taken)

    assert served == "abc" * 4


def test_turns_keep_each_lanes_priorities_and_ages(store: Store) -> None:
    """Within a lane the highest priority is first, then the oldest, whatever its kind."""
    plan = [("a", "work", 0), ("b", "flow", 0), ("a", "flow", 5), ("b", "work", 5), ("a", "work", 5), ("a", "flow", -1)]
    jobs = [make(store, kind, partition=partition, priority=priority) for partition, kind, priority in plan]

    taken = Worker(store).take()

    assert [jobs.index(job_id) for job_id in taken] == [2, 3, 4, 1, 0, 5]


def test_children_of_two_parents_take_turns_in_one_claim(store: Store) -> None:
    """And the partitions of each, within its concurrency."""
    first = parent(store, *[work(partition=one) for one in "ppqq"], child_concurrency=3)
    second = parent(store, *[work() for _ in range(3)])

    taken = Worker(store).take()

    assert [[*first, *second].index(job_id) for job_id in taken] == [1, 3, 6, 2, 7, 8]


@pytest.mark.parametrize("lanes", [2, 40])
def test_claim_asks_sqlite_as_often_for_many_lanes_as_for_two(
    store: Store, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question may wait for the interpreter's lock, so there are no more of them with more lanes."""
    for number in range(lanes * 3):
        make(store, partition=f"p{number % lanes}")
    worker = Worker(store)
    asked: list[str] = []
    rows = store._database.rows

    def counted(sql: str, values: Iterable[Value] = ()) -> list[Row]:
        asked.append(sql)
        return rows(sql, values)

    monkeypatch.setattr(store._database, "rows", counted)

    assert len(worker.take(lanes * 3)) == lanes * 3

    assert len(asked) <= 9


def test_turns_leave_out_a_paused_run_and_a_kind_at_its_limit(store: Store) -> None:
    """What may start of the other lanes takes the places."""
    paused = make(store, partition="a")
    for partition in "aabbcc":
        make(store, partition=partition)
        make(store, "mail", partition=partition)
    with store.group():
        store.control.pause(Pause(scope=PauseScope.RUN, name=str(paused)))
    worker = Worker(store, "work", KindTerms(kind="mail", concurrency=2))

    taken = worker.take()

    assert in_order(store, taken) == "abcabcab"
    assert Counter(get(store, one).kind for one in taken) == {"work": 6, "mail": 2}


def test_turns_leave_out_what_is_not_due_yet(store: Store, clock: ManualClock) -> None:
    """Whatever its priority, where it is the first of its lane and where it is not."""
    for partition in "ab":
        make(store, partition=partition)
        make(store, partition=partition, priority=9, run_at=clock.now() + 60.0)
        make(store, partition=partition, run_at=clock.now() + 60.0)

    assert partitions(store, Worker(store).take()) == "ab"
    clock.advance(60.0)
    assert partitions(store, Worker(store).take()) == "aabb"


def test_places_that_a_lane_has_no_use_for_go_to_the_others(store: Store) -> None:
    """No place stays empty while something is due."""
    for partition in "abbbbb":
        make(store, partition=partition)

    assert Counter(partitions(store, Worker(store).take(5))) == {"a": 1, "b": 4}


def test_lane_with_fewer_running_jobs_goes_first(store: Store) -> None:
    """Those with long jobs wait for theirs."""
    for partition in "aaaabbbb":
        make(store, partition=partition)
    worker = Worker(store)
    first = worker.take(2)

    worker.end(next(job_id for job_id in first if get(store, job_id).partition == "a"))

    assert partitions(store, worker.take(1)) == "a"


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_lanes_take_turns_when_jobs_are_short(store: Store, limit: int) -> None:
    """A worker that ends what it takes serves all of them in turn, never one more than once ahead of another."""
    for partition in "aaaabbbbcccc":
        make(store, partition=partition)
    worker = Worker(store)
    served = Counter(dict.fromkeys("abc", 0))

    while taken := worker.take(limit):
        served.update(partitions(store, taken))
        worker.end(*taken)
        assert max(served.values()) - min(served.values()) <= 1

    assert served == Counter("aaaabbbbcccc")


def test_turns_of_a_queue_are_its_own(store: Store) -> None:
    """What runs in one queue does not keep a lane waiting in another."""
    parent_id, *_ = parent(store, *[work(queue="quick") for _ in range(4)])
    for _ in range(3):
        make(store, queue="slow")
        make(store, queue="quick")
    Worker(store, queue="slow").take()
    worker = Worker(store, queue="quick")

    lanes = []
    for _ in range(6):
        (job_id,) = worker.take(1)
        lanes.append(get(store, job_id).parent_id)
        worker.end(job_id)

    assert lanes == [None, parent_id] * 3


def test_turns_go_round_also_among_more_lanes_than_are_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one of many partitions is served once before any is served again."""
    monkeypatch.setattr(due_lanes, "LANES_AT_ONCE", 2)
    names = "abcdefg"
    for partition in names * 2:
        make(store, partition=partition)
    worker = Worker(store)

    served = ""
    while taken := worker.take(1):
        served += partitions(store, taken)
        worker.end(*taken)

    assert served == names * 2


def test_claim_looks_further_when_the_first_lanes_may_start_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lanes whose limits are met hide none behind them."""
    monkeypatch.setattr(due_lanes, "LANES_AT_ONCE", 2)
    terms = KindTerms(kind="work", partition_concurrency=1)
    for partition in "aabbccdd":
        make(store, partition=partition)
    worker = Worker(store, terms)

    assert partitions(store, worker.take(9)) == "abcd"
    assert worker.take(9) == []


def test_claim_goes_round_again_while_places_are_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once all of many lanes had their turn, in vain or not, one that may start more has another."""
    monkeypatch.setattr(due_lanes, "LANES_AT_ONCE", 2)
    for partition in "abbbbbb":
        make(store, partition=partition)
    for partition in "cdefghij":
        make(store, "mail", partition=partition)
        make(store, "mail", partition=partition, queue="other")
    Worker(store, "mail", queue="other").take()
    worker = Worker(store, "work", KindTerms(kind="mail", partition_concurrency=1))

    assert in_order(store, worker.take(5)) == "abbbb"


def test_claim_looks_at_no_lane_of_a_kind_at_its_limit(store: Store) -> None:
    """However many there are; a place that comes free is told."""
    for partition in "bcdef":
        make(store, "mail", partition=partition)
    for _ in range(3):
        make(store, partition="a")
    make(store, "mail", queue="other")
    elsewhere = Worker(store, "mail", queue="other")
    (running,) = elsewhere.take()
    worker = Worker(store, "work", KindTerms(kind="mail", concurrency=1))

    assert partitions(store, worker.take(2)) == "aa"
    elsewhere.end(running)

    assert store.changes.has_due_work
    assert partitions(store, worker.take()) == "ab"
