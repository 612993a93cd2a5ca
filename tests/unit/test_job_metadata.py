"""Metadata: merged key by key, refused by name, and inherited as it was acknowledged last."""

from __future__ import annotations

from typing import Any

import pytest

from bequest.engine.definitions import Definition
from bequest.engine.errors import LeaseLostError, MetadataError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Json, LeaseRef, NewJob, State
from bequest.engine.store import Store


def create(store: Store, metadata: dict[str, Json] | None = None, *, definition_id: int | None = None) -> int:
    job = NewJob(kind="crawl", state=State.WAITING, metadata=metadata or {}, definition_id=definition_id)
    with store.group():
        return store.jobs.create([job])[0].job_id


def spawn(store: Store, parent_id: int, metadata: dict[str, Json], *, definition_id: int | None = None) -> int:
    job = NewJob(kind="crawl", state=State.WAITING, metadata=metadata, definition_id=definition_id)
    with store.group():
        (job_id,) = store.parents.spawn(parent_id, [job])
    assert job_id is not None
    return job_id


def merge(store: Store, job_id: int, **changes: Json) -> None:
    with store.group():
        store.jobs.update_metadata(job_id, changes)


def metadata_of(store: Store, job_id: int) -> dict[str, Json]:
    with store.group():
        return store.jobs.get(job_id).metadata


def test_metadata_is_merged_key_by_key(store: Store) -> None:
    """Two writers of different keys lose neither's; of one key the later is kept, whole (I8)."""
    job_id = create(store, {"auth_id": "wiki", "labels": {"a": 1}})

    merge(store, job_id, phase="crawling")
    merge(store, job_id, labels={"b": 2}, auth_id=None)
    merge(store, job_id)

    assert metadata_of(store, job_id) == {"auth_id": None, "labels": {"b": 2}, "phase": "crawling"}


def test_metadata_merged_in_one_group_loses_no_key(store: Store) -> None:
    """Many writers in one transaction are as many merges (I8)."""
    job_id = create(store)

    with store.group():
        for number in range(50):
            store.jobs.update_metadata(job_id, {f"key {number % 10}": number})

    assert metadata_of(store, job_id) == {f"key {number}": 40 + number for number in range(10)}


def test_metadata_of_several_writers_is_merged_in_turn(store: Store) -> None:
    """Handed in together they lose no key of one job, and none of another's (I8)."""
    one, other = create(store, {"auth_id": "wiki"}), create(store)

    with store.group():
        store.jobs.merge_metadata(
            [(one, {"a": 1, "b": 1}, None), (other, {"a": 9}, None), (one, {"b": 2}, None), (one, {}, None)]
        )

    assert metadata_of(store, one) == {"auth_id": "wiki", "a": 1, "b": 2}
    assert metadata_of(store, other) == {"a": 9}


def test_metadata_of_several_writers_is_not_written_where_one_may_not_write(store: Store) -> None:
    """The manager does them one by one then, so that each gets its own answer."""
    job_id = create(store)

    with store.group(), pytest.raises(LeaseLostError):
        store.jobs.merge_metadata([(job_id, {"a": 1}, None), (job_id, {"b": 2}, 7)])

    assert metadata_of(store, job_id) == {}


def test_stale_holder_changes_no_metadata_of_a_job_that_somebody_else_runs(store: Store) -> None:
    """It is the lease that gives the right to, and not that the job runs (I4)."""
    with store.group():
        store.jobs.create([NewJob(kind="page")])
        (stale,) = store.claims.claim("default", (KindTerms(kind="page"),), 1, 60.0)
        store.leases.release([LeaseRef(job_id=stale.job_id, token=stale.token)])
        (held,) = store.claims.claim("default", (KindTerms(kind="page"),), 1, 60.0)

    with store.group(), pytest.raises(LeaseLostError):
        store.jobs.update_metadata(stale.job_id, {"note": "late"}, token=stale.token)
    with store.group(), pytest.raises(LeaseLostError):
        store.jobs.increment_metadata(stale.job_id, "count", 1, token=stale.token)
    with store.group():
        store.jobs.update_metadata(held.job_id, {"note": "mine"}, token=held.token)

    assert metadata_of(store, held.job_id) == {"note": "mine"}


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING, State.COMPLETED])
def test_metadata_changes_in_every_state(store: Store, state: State) -> None:
    """What is known of a job may be learned while it runs and after it has ended."""
    with store.group():
        store.jobs.create([NewJob(kind="page")])
        if state is not State.PENDING:
            (lease,) = store.claims.claim("default", (KindTerms(kind="page"),), 1, 60.0)
        if state is State.COMPLETED:
            store.parents.cancel(lease.job_id)

    merge(store, 1, note="late")

    assert metadata_of(store, 1) == {"note": "late"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ok": 1, "tags": [{"deep": b"x"}]}, r"metadata of job 1: key 'tags\[0\]\.deep' holds a bytes"),
        ({"count": float("nan")}, "metadata of job 1: key 'count' holds nan"),
        ([("a", 1)], "metadata of job 1: expected a mapping of names to values, found a list"),
    ],
)
def test_metadata_that_json_cannot_hold_is_refused_by_job_and_key(store: Store, changes: Any, said: str) -> None:
    """Nothing of the change is written, and the error says where the fault is."""
    create(store, {"auth_id": "wiki"})

    with store.group(), pytest.raises(MetadataError, match=said):
        store.jobs.update_metadata(1, changes)

    assert metadata_of(store, 1) == {"auth_id": "wiki"}


def test_counter_in_metadata_begins_at_nothing_and_adds_up(store: Store) -> None:
    """To increment is one write: no reader's old value is written back (I8)."""
    job_id = create(store, {"auth_id": "wiki"})

    with store.group():
        sums = [store.jobs.increment_metadata(job_id, "pages", by) for by in (1, 2, -5)]

    assert sums == [1, 3, -2]
    assert metadata_of(store, job_id) == {"auth_id": "wiki", "pages": -2}


@pytest.mark.parametrize("value", ["1", True, 1.5, None, [1]])
def test_counter_that_is_no_integer_is_refused(store: Store, value: Json) -> None:
    """What is under the key already is not overwritten with a number."""
    job_id = create(store, {"pages": value})

    with store.group(), pytest.raises(MetadataError, match=f"metadata of job {job_id}: key 'pages' holds no integer"):
        store.jobs.increment_metadata(job_id, "pages", 1)

    assert metadata_of(store, job_id) == {"pages": value}


def test_counter_that_outgrows_its_bits_is_refused(store: Store) -> None:
    """A sum of more than 64 bits is an error that names job and key."""
    job_id = create(store, {"pages": 2**63 - 1})

    with store.group(), pytest.raises(MetadataError, match="key 'pages' holds an integer of more than 64 bits"):
        store.jobs.increment_metadata(job_id, "pages", 1)


# Inheritance


def test_child_asks_its_parent_for_what_was_acknowledged_last(store: Store) -> None:
    """What the parent's metadata says now is the answer, not what it said when the child was spawned (I7)."""
    parent_id = create(store, {"phase": "begun"})

    merge(store, parent_id, auth_id="wiki")
    with store.group():
        found = store.parents.inheritance(parent_id)

    assert found.metadata == {"phase": "begun", "auth_id": "wiki"}
    assert (found.parent_id, found.root_id, found.definition_id) == (parent_id, parent_id, None)


def test_session_of_the_root_wins(store: Store) -> None:
    """A credential that was replaced at the root reaches the children of its children; all else is their parent's."""
    root = create(store, {"auth_id": "old", "team": "root"})
    middle = spawn(store, root, {"team": "middle"})
    parent_id = spawn(store, middle, {"auth_id": "own"})

    merge(store, root, auth_id="new")
    with store.group():
        found = store.parents.inheritance(parent_id)

    assert found.metadata == {"auth_id": "new", "team": "middle"}
    assert (found.parent_id, found.root_id) == (parent_id, root)


@pytest.mark.parametrize("at_root", [{}, {"auth_id": None}])
def test_session_of_the_parent_stands_where_the_root_has_none(store: Store, at_root: dict[str, Json]) -> None:
    """A root that names no session takes none away."""
    root = create(store, at_root)
    parent_id = spawn(store, root, {"auth_id": "own"})

    with store.group():
        assert store.parents.inheritance(parent_id).metadata["auth_id"] == "own"


def test_definition_is_the_nearest_that_a_column_names(store: Store) -> None:
    """The fallback of the chain is a column, found at the parent first and then above it, whatever metadata says."""
    with store.group():
        first, second = (
            store.definitions.save(Definition.crawl("wiki", start_urls=["http://h/"], max_pages=pages)).id
            for pages in (1, 2)
        )
    root = create(store, {"job_definition_id": 99}, definition_id=first)
    middle = spawn(store, root, {})
    low = spawn(store, middle, {}, definition_id=second)

    with store.group():
        found = [store.parents.inheritance(one).definition_id for one in (root, middle, low)]

    assert found == [first, first, second]
