"""Filters: what a person names is what is meant, and nothing more."""

from __future__ import annotations

from typing import Any

import pytest
from store_rig import Worker, make, parent, work

from bequest.engine.filters import Condition, JobFilter, condition_of
from bequest.engine.records import State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def ids(store: Store) -> dict[str, int]:
    """Make jobs of which each differs from the others in one thing."""
    root, child = parent(store, work(kind="other"))
    return {
        "mail": make(store, "mail"),
        "slow": make(store, queue="slow"),
        "waiting": make(store, state=State.WAITING),
        "tagged": make(store, tags=("red", "blue")),
        "redder": make(store, tags=("redder",)),
        "partition": make(store, partition="p"),
        "key": make(store, key="k"),
        "root": root,
        "child": child,
    }


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"kind": "mail"}, ["mail"]),
        ({"queue": "slow"}, ["slow"]),
        ({"state": State.WAITING}, ["root", "waiting"]),
        ({"tag": "red"}, ["tagged"]),
        ({"partition": "p"}, ["partition"]),
        ({"key": "k"}, ["key"]),
        ({"kind": "work", "queue": "default", "tag": "blue"}, ["tagged"]),
        ({"kind": "mail", "queue": "slow"}, []),
        ({"finished_before": 9e9}, []),
    ],
)
def test_filter_means_what_matches_all_that_it_names(
    store: Store, ids: dict[str, int], fields: dict[str, Any], names: list[str]
) -> None:
    """One thing or several at once; of the jobs that have not ended."""
    with store.group():
        found = store.control.matching(JobFilter(**fields), 99)

    assert sorted(found) == sorted(ids[name] for name in names)


def test_filter_names_a_parents_children(store: Store, ids: dict[str, int]) -> None:
    """Those of one parent, not theirs."""
    with store.group():
        found = store.control.matching(JobFilter(parent_id=ids["root"]), 99)

    assert found == [ids["child"]]


def test_empty_filter_means_every_job(store: Store, ids: dict[str, int]) -> None:
    """The oldest first, up to the limit."""
    with store.group():
        found = store.control.matching(JobFilter(), 3)

    assert found == sorted(ids.values())[:3]


def test_filter_for_unfinished_jobs_leaves_out_what_has_ended(store: Store) -> None:
    """Also when it asks for a final state."""
    ended, worker = make(store), Worker(store)
    worker.end(ended)

    with store.group():
        found = [store.control.matching(JobFilter(state=state), 99) for state in (None, State.COMPLETED)]

    assert found == [[], []]


def test_condition_binds_its_values(store: Store) -> None:
    """A name is never a part of the SQL."""
    text = "x' OR 1 --"

    condition = condition_of(JobFilter(kind=text, finished_before=5.0))

    assert condition == Condition("job.kind = ? AND job.finished_at < ?", (text, 5.0))
    assert condition_of(JobFilter()) == Condition("1", ())
    with store.group():
        assert store.control.matching(JobFilter(kind=text, tag=text, key=text, partition=text, queue=text), 9) == []


def test_finished_jobs_are_found_by_their_time(store: Store, clock: ManualClock) -> None:
    """Those that ended before it; one that has not ended has no time."""
    worker, (first, second, _) = Worker(store), (make(store), make(store), make(store))
    worker.end(first)
    clock.advance(10.0)
    worker.end(second)
    condition = condition_of(JobFilter(finished_before=clock.now()))

    rows = store._database.rows(f"SELECT id FROM job WHERE {condition.sql}", condition.values)

    assert rows == [(first,)]
