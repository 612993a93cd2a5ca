"""Tests of what the threads of one worker want in a group: it is claimed once, as much as the most that one wants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from actor_rig import Hand, ManagerRig
from store_rig import make, states

from bequest.actors.dispatch import Dispatch
from bequest.actors.messages import GetJob
from bequest.actors.standing_messages import PARKED, WantJobs
from bequest.engine.records import Completion, State
from bequest.engine.store import Store


@pytest.fixture
def hand() -> Iterator[Hand]:
    """Give a worker."""
    started = Hand()
    yield started
    started.stop()


def want(
    hand: Hand, dispatch: Dispatch | None, limit: int, *ended: int, taken: int = 0, kind: str = "work"
) -> WantJobs:
    """Return that a worker wants *limit* more jobs, having *ended* some."""
    completions = [Completion(job_id=job_id, token=1, state=State.COMPLETED) for job_id in ended]
    return msgspec.structs.replace(hand.want(*completions, kind=kind, limit=limit), dispatch=dispatch, taken=taken)


def applied(store: Store, *wants: WantJobs) -> list[Any]:
    """Apply *wants* as neighbours; return the jobs of each, or that it is parked."""
    with store.group():
        results = WantJobs.apply_all(store, wants)
    return [result if result is PARKED else [lease.job_id for lease in result.leases] for result in results]


def test_wants_of_one_worker_are_given_the_most_of_them(store: Store, hand: Hand) -> None:
    """Each counts the same free slots, whatever came first, and what had reached the worker by then counts too."""
    for _ in range(9):
        make(store)
    dispatch = Dispatch()

    first = applied(store, want(hand, dispatch, 1), want(hand, dispatch, 3), want(hand, dispatch, 2))
    dispatch.send(3)
    second = applied(store, want(hand, dispatch, 3, taken=1), want(hand, dispatch, 2, taken=3))

    assert first == [[], [1, 2, 3], []]
    assert second == [[], [4, 5]]


def test_wants_of_one_worker_end_what_each_has_done(store: Store, hand: Hand) -> None:
    """What is wanted once is not what is done once: each message's completions are written (I1)."""
    first, second = make(store), make(store)
    dispatch = Dispatch()
    applied(store, want(hand, dispatch, 2))
    dispatch.send(2)

    left = applied(store, want(hand, dispatch, 1, first, taken=2), want(hand, dispatch, 2, second, taken=2))

    assert left == [[], PARKED]
    assert states(store, first, second) == [State.COMPLETED, State.COMPLETED]


def test_wants_for_other_kinds_are_claimed_each(store: Store, hand: Hand) -> None:
    """One that was sent before a kind was registered does not hide the one that knows it."""
    make(store, "new")
    dispatch = Dispatch()

    assert applied(store, want(hand, dispatch, 5), want(hand, dispatch, 1, kind="new")) == [PARKED, [1]]


def test_wants_of_workers_that_keep_no_count_are_claimed_each(store: Store, hand: Hand) -> None:
    """Such a worker asks once for each slot, and so is given a job for each."""
    make(store)
    make(store)

    assert applied(store, want(hand, None, 1), want(hand, None, 1)) == [[1], [2]]


def test_worker_is_told_once_of_what_it_wanted_twice(store: Store, hand: Hand) -> None:
    """For the message in whose place another one is answered it is told nothing, which would have it ask again."""
    make(store)
    make(store)
    dispatch = Dispatch()
    with ManagerRig(store) as rig:
        let_go = rig.hold()
        for limit in (1, 2):
            rig.address.tell(want(hand, dispatch, limit))
        let_go()
        rig.ask(GetJob(job_id=1))

        assert [lease.job_id for lease in hand.assigned()] == [1, 2]
        assert hand.is_idle()
