"""Tests of claims that are kept to some parents, as by a command that goes on with its own run alone."""

from __future__ import annotations

from bequest.engine.limits import KindTerms
from bequest.engine.records import NewJob, State
from bequest.engine.store import Store


def make_runs(store: Store) -> tuple[int, int]:
    """Make two parents with one page each, and a page without a parent; return the parents' ids."""
    with store.group():
        first, second = (store.jobs.create([NewJob(kind="crawl", state=State.WAITING)])[0].job_id for _ in range(2))
        store.jobs.create([NewJob(kind="page")])
        for parent_id in (first, second):
            store.parents.spawn(parent_id, [NewJob(kind="page", key="a")], seal=True)
    return first, second


def claimed_parents(store: Store) -> list[int | None]:
    """Claim all that can be claimed and return the parents of it."""
    with store.group():
        return [lease.parent_id for lease in store.claims.claim("default", (KindTerms(kind="page"),), 10, 60.0)]


def test_claim_is_kept_to_the_parents_that_are_offered(store: Store) -> None:
    """Pages of other parents, and those without one, stay where they are."""
    first, second = make_runs(store)

    with store.group():
        store.claims.offer_only([second])

    assert claimed_parents(store) == [second]
    with store.group():
        assert store.queries.jobs(parent_id=first)[0].job.state is State.PENDING


def test_offer_of_nothing_gives_out_nothing(store: Store) -> None:
    """With no parent offered, nothing is claimed."""
    make_runs(store)

    with store.group():
        store.claims.offer_only([])

    assert claimed_parents(store) == []


def test_wider_offer_wakes_who_waits(store: Store) -> None:
    """Offering another parent counts as work that became due."""
    first, second = make_runs(store)
    with store.group():
        store.claims.offer_only([first])

    with store.group():
        store.claims.offer_only([first, second])
        has_due_work = store.changes.has_due_work

    assert has_due_work
    assert sorted(filter(None, claimed_parents(store))) == [first, second]
