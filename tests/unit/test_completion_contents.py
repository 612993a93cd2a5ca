"""What comes with the end of an attempt: a document, links, logs and a result, written with it or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from completion_rig import DOCUMENT, claim, complete, ended, everything, left_behind, run
from store_rig import get

from bequest.engine.errors import InvalidJobError, MetadataError, StoreError, TransitionError
from bequest.engine.records import Counts, Document, LeaseRef, NewJob, State
from bequest.engine.store import Store

# Documents and links


def test_everything_of_a_page_is_written_with_its_end(store: Store) -> None:
    """The document, the links and the log are there when the page is completed (I12)."""
    parent_id = run(store)
    (lease,) = claim(store)

    complete(store, everything(lease))

    with store.group():
        (document,) = store.queries.documents(parent_id)
        (_, entry), *_ = store.queries.logs(lease.job_id)
        counts = store.parents.counts(parent_id)
    assert (document.job_id, document.parent_id, document.markdown) == (lease.job_id, parent_id, "# A")
    assert entry.message == "stored"
    assert counts == Counts(completed=1, pending=1)


def test_links_of_many_pages_are_children_of_their_own_parents(store: Store) -> None:
    """In one batch each page's links go to its parent, once each and up to that parent's limit (I14, I15)."""
    first, second = run(store, 2, limit=4), run(store, 1)
    links = tuple(NewJob(kind="page", key=key) for key in "abc")
    leases = claim(store)

    complete(store, *(ended(lease, State.COMPLETED, links=links) for lease in leases))

    with store.group():
        keys = [[view.job.key for view in store.queries.jobs(parent_id=one)] for one in (first, second)]
    assert keys == [[None, None, "a", "b"], [None, "a", "b", "c"]]


@pytest.mark.parametrize("gift", [{"document": DOCUMENT}, {"links": (NewJob(kind="page"),)}])
def test_job_without_a_parent_leaves_no_page(store: Store, gift: dict[str, Any]) -> None:
    """A document belongs to a run; a job without a parent has none to leave it to."""
    with store.group():
        store.jobs.create([NewJob(kind="page")])
    (lease,) = claim(store)

    with pytest.raises(TransitionError, match=f"job {lease.job_id} has no parent, so it leaves no document"):
        complete(store, ended(lease, State.COMPLETED, **gift))

    assert get(store, lease.job_id).state is State.RUNNING


@pytest.mark.parametrize("state", [State.PENDING, State.WAITING, State.FAILED])
def test_attempt_that_did_not_complete_leaves_no_document(store: Store, state: State) -> None:
    """A document is what a completed page left; with any other end it is refused, and nothing is written (I12)."""
    parent_id = run(store)
    (lease,) = claim(store)

    with pytest.raises(InvalidJobError, match=f"a document comes with a completed page, not with a {state} one"):
        complete(store, ended(lease, state, document=DOCUMENT))

    assert get(store, lease.job_id).state is State.RUNNING
    assert left_behind(store, parent_id) == (0, 1, 0)


def test_batch_with_a_document_that_is_none_is_not_written(store: Store) -> None:
    """One page that the database refuses takes its whole batch with it, and names no content (I12)."""
    run(store, 2)
    first, second = claim(store)
    bad = Document(
        url="http://h/?canary", url_key="b", status=403, title="", markdown="", depth=0, auth_id=None, fetched_at=1.0
    )

    with pytest.raises(StoreError, match="CHECK constraint failed: status") as caught:
        complete(store, everything(first), ended(second, State.COMPLETED, document=bad))

    assert "canary" not in str(caught.value)
    assert {get(store, lease.job_id).state for lease in (first, second)} == {State.RUNNING}


# Results


def test_result_that_cannot_be_stored_stops_its_batch_before_anything_is_written(store: Store) -> None:
    """Also where it comes with children behind an attempt that ends as most do (I12)."""
    run(store, 2)
    plain, with_children = claim(store)
    bad = ended(with_children, State.COMPLETED, children=(NewJob(kind="page"),), result={"at": {1, 2}})

    with store.group(), pytest.raises(MetadataError, match="holds a set"):
        store.completions.complete([ended(plain, State.COMPLETED), bad])

    assert [get(store, lease.job_id).state for lease in (plain, with_children)] == [State.RUNNING, State.RUNNING]


def test_results_of_one_batch_are_kept_with_their_jobs(store: Store) -> None:
    """Of attempts that end together each leaves its own result or none, whatever their tokens."""
    run(store, 3)
    leases = claim(store)
    with store.group():
        store.leases.release([LeaseRef(job_id=leases[0].job_id, token=leases[0].token)])
    again = [*claim(store), *leases[1:]]

    refused = complete(
        store,
        ended(again[0], State.COMPLETED, result="a"),
        ended(again[1], State.COMPLETED),
        ended(again[2], State.COMPLETED, result=["c"]),
    )

    assert refused == []
    assert [get(store, lease.job_id).result for lease in again] == ["a", None, ["c"]]
