"""Documents: one for each canonical URL of a run, kept whole."""

from __future__ import annotations

import msgspec
import pytest

from bequest.engine.errors import StoreError
from bequest.engine.records import Document, NewJob, State, StoredDocument
from bequest.engine.store import Store

DOCUMENT = Document(
    url="http://h/a?b=c",
    url_key="key",
    status=203,
    title="é 漢 😀",
    markdown="# A\n\n\0\x01 " + "x" * 10_000,
    depth=3,
    auth_id="wiki",
    fetched_at=12.5,
)


def run(store: Store, pages: int) -> tuple[int, list[int]]:
    """Return a parent and its pages."""
    with store.group():
        (parent,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING, metadata={"auth_id": "wiki"})])
        ids = store.parents.spawn(parent.job_id, [NewJob(kind="page")] * pages)
    return parent.job_id, [job_id or 0 for job_id in ids]


def documents(store: Store, parent_id: int) -> list[StoredDocument]:
    with store.group():
        return store.queries.documents(parent_id)


@pytest.mark.parametrize("auth_id", ["wiki", None])
def test_document_is_read_back_as_it_was_left(store: Store, auth_id: str | None) -> None:
    """Every field comes back, with the jobs that it belongs to and the metadata of its page."""
    parent_id, (page,) = run(store, 1)
    document = msgspec.structs.replace(DOCUMENT, auth_id=auth_id)

    with store.group():
        store.documents.insert(page, parent_id, document)

    expected = StoredDocument(
        **msgspec.structs.asdict(document), job_id=page, parent_id=parent_id, metadata={"auth_id": "wiki"}
    )
    assert documents(store, parent_id) == [expected]


def test_run_keeps_the_first_document_of_a_url(store: Store) -> None:
    """Two links that lead to one page leave one document; another run has its own (I15)."""
    parent_id, (first, second) = run(store, 2)
    other, (third,) = run(store, 1)

    with store.group():
        store.documents.insert(first, parent_id, DOCUMENT)
        store.documents.insert(second, parent_id, msgspec.structs.replace(DOCUMENT, title="again"))
        store.documents.insert(third, other, DOCUMENT)

    found = documents(store, parent_id) + documents(store, other)
    assert [(one.job_id, one.title) for one in found] == [(first, DOCUMENT.title), (third, DOCUMENT.title)]


def test_document_with_half_of_a_character_is_refused_unseen(store: Store) -> None:
    """Text that UTF-8 has not is an error that quotes nothing of the page."""
    parent_id, (page,) = run(store, 1)
    bad = msgspec.structs.replace(DOCUMENT, markdown="canary \ud800")

    with store.group(), pytest.raises(StoreError, match="a value fits in no column: UnicodeEncodeError") as caught:
        store.documents.insert(page, parent_id, bad)

    assert "canary" not in str(caught.value)
