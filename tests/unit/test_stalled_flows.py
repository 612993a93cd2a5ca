"""When a flow is stalled: only when nothing below it, at any depth, goes on before a credential is put right."""

from __future__ import annotations

import pytest
from store_rig import Worker, make, parent, spawn, work

from bequest.engine.changes import Stall
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, JobError, NewJob, State
from bequest.engine.run_status import RunStatus, status_of
from bequest.engine.store import Store

WAITING = State.WAITING


def status(store: Store, job_id: int) -> RunStatus:
    with store.group():
        return status_of(store.queries.job(job_id))


def wait_for_credential(store: Store, *job_ids: int) -> None:
    """Have jobs wait for a credential; the others that are due run meanwhile."""
    Worker(store).end(*job_ids, state=WAITING, waits_for="wiki")


def test_flow_that_waits_for_a_flow_is_not_stalled(store: Store) -> None:
    """Its child waits for children of its own, and those are due: whoever waits for the flow goes on waiting."""
    root, middle = parent(store, work(state=WAITING))
    (leaf,) = spawn(store, middle, work())

    assert (status(store, root).is_stalled, status(store, root).is_settled) == (False, False)
    Worker(store).end(leaf)
    assert not status(store, root).is_stalled  # the one in the middle is about to end


def test_flow_is_stalled_when_all_below_it_waits_for_a_credential(store: Store) -> None:
    """At any depth; and every parent on the way says the same."""
    root, page, middle = parent(store, work(), work(state=WAITING))
    (leaf,) = spawn(store, middle, work())

    wait_for_credential(store, page, leaf)

    assert [status(store, job_id).is_stalled for job_id in (root, middle)] == [True, True]


@pytest.mark.parametrize("other", ["due", "running", "later"])
def test_flow_with_anything_else_to_do_is_not_stalled(store: Store, other: str) -> None:
    """Beside a page that waits, at any depth."""
    root, page, middle = parent(store, work(), work(state=WAITING))
    spawn(store, middle, work(kind="mail", run_at=9e9 if other == "later" else None))
    if other == "running":
        Worker(store, "mail").take()

    wait_for_credential(store, page)

    assert not status(store, root).is_stalled


def test_flow_to_which_more_may_come_is_not_stalled(store: Store) -> None:
    """Neither itself nor one below it."""
    open_, page = parent(store, work(), seal=False)
    root, middle = parent(store, work(state=WAITING))
    (leaf,) = spawn(store, middle, work(), seal=False)

    wait_for_credential(store, page, leaf)

    assert [status(store, job_id).is_stalled for job_id in (open_, root)] == [False, False]


def test_run_with_steps_is_stalled_by_its_crawl(store: Store) -> None:
    """Though it is not sealed: no step comes before the one that waits has ended."""
    root, crawl = parent(store, work(kind="crawl", state=WAITING), kind="run", seal=False)
    (page,) = spawn(store, crawl, work())

    wait_for_credential(store, page)

    assert status(store, root).is_stalled


def test_flow_that_has_ended_is_never_stalled(store: Store) -> None:
    """Whatever waited below it was cancelled with it."""
    root, page = parent(store, work())
    wait_for_credential(store, page)
    with store.group():
        store.parents.cancel(root)

    assert (status(store, root).is_stalled, status(store, root).is_settled) == (False, True)


def test_list_of_jobs_says_which_are_stalled(store: Store) -> None:
    """As each says of itself."""
    stalled, page = parent(store, work())
    going_on, middle = parent(store, work(state=WAITING))
    spawn(store, middle, work(kind="mail"))
    alone = make(store, "mail")
    wait_for_credential(store, page)

    found = {view.job.id: status_of(view).is_stalled for view in store.queries.jobs()}

    assert found == {stalled: True, going_on: False, alone: False}


def stalls(store: Store, *job_ids: int, state: State = WAITING) -> list[Stall]:
    """Have pages end so, and return which runs are said to be stalled by that."""
    with store.group():
        leases = {
            lease.job_id: lease
            for lease in store.claims.claim("default", (KindTerms(kind="page"),), len(job_ids), 60.0)
        }
        store.completions.complete(
            [
                Completion(
                    job_id=one,
                    token=leases[one].token,
                    state=state,
                    waits_for="wiki" if state is WAITING else None,
                    error=JobError(type="login_form", message=f"page {one} shows a login form"),
                )
                for one in job_ids
            ]
        )
    return [notice for notice in store.changes.notices if isinstance(notice, Stall)]


def test_stalled_run_is_told_of_once_its_last_page_waits(store: Store) -> None:
    """With the credential and the reason of a page; not before, and not of a run that goes on."""
    root, first, second, third = parent(store, page(), page(), page())

    assert stalls(store, first, second) == []
    assert stalls(store, third) == [Stall(root, "wiki", f"page {first} shows a login form")]


def test_run_is_stalled_too_when_its_last_page_ends_otherwise(store: Store) -> None:
    """Those that wait came before it."""
    root, first, second = parent(store, page(), page())

    assert stalls(store, first) == []
    assert stalls(store, second, state=State.FAILED) == [Stall(root, "wiki", f"page {first} shows a login form")]


def test_run_whose_children_wait_for_theirs_says_nothing(store: Store) -> None:
    """Nothing below it waits for a credential: what it waits for is about to be judged."""
    _, step = parent(store, work(kind="crawl", state=WAITING), kind="run", seal=False)
    (only,) = spawn(store, step, page())

    assert stalls(store, only, state=State.FAILED) == []


def test_page_without_a_run_stalls_none(store: Store) -> None:
    """A job of that kind that stands alone has no run to speak of."""
    assert stalls(store, make(store, "page")) == []


def page() -> NewJob:
    """Return a page of a run."""
    return work(kind="page")
