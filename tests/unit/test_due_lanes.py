"""The look at lanes: each that has due jobs is found once, however many there are and wherever it begins."""

from __future__ import annotations

import pytest
from store_rig import make, parent, work

from bequest.engine import due_lanes
from bequest.engine.due_lanes import DueLane, Window
from bequest.engine.limits import Lane
from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


def windows(store: Store, *kinds: str, after: Lane | None = None, least: int = 1) -> list[Window]:
    with store.group():
        return list(store.claims._lanes.windows("default", kinds or ("work",), after, least))


def lanes(store: Store, *kinds: str, after: Lane | None = None) -> list[DueLane]:
    return [due for window in windows(store, *kinds, after=after) for due in window.lanes]


def test_lane_is_what_a_parent_and_a_partition_have_due(store: Store, clock: ManualClock) -> None:
    """Jobs that are not due yet, run or have ended make no lane."""
    make(store, partition="p")
    make(store, partition="p")
    make(store, partition="q", run_at=clock.now() + 1)
    first, *_ = parent(store, work(), work(partition="p"), child_concurrency=3)
    second, *_ = parent(store, work(run_at=clock.now() + 1))

    found = lanes(store)

    assert [due.lane for due in found] == [(0, "p"), (first, ""), (first, "p")]
    assert [due.concurrency for due in found] == [None, 3, 3]
    assert second not in {due.lane.parent_id for due in found}


def test_lane_names_the_kinds_and_the_run_of_what_is_due(store: Store) -> None:
    """Of the kinds asked for alone; and the run is the ancestor without a parent."""
    root, middle = parent(store, work(state="waiting"))
    with store.group():
        store.parents.spawn(middle, [work(), work(kind="mail"), work(kind="other")])

    (due,) = lanes(store, "work", "mail")

    assert (due.lane, set(due.kinds), due.root_id) == ((middle, ""), {"work", "mail"}, root)


def test_other_queue_has_no_part_in_it(store: Store) -> None:
    """A queue's lanes are its own."""
    make(store, queue="other")

    assert lanes(store) == []


@pytest.mark.parametrize("paused", [0, 1])
def test_lane_of_a_paused_run_says_so(store: Store, paused: int) -> None:
    """At any depth below the run that is paused, and nowhere else."""
    first, second = parent(store, work()), parent(store, work(state="waiting"))
    with store.group():
        store.parents.spawn(second[1], [work()])
        store.control.pause(Pause(scope=PauseScope.RUN, name=str((first, second)[paused][0])))

    assert {due.root_id: due.is_paused for due in lanes(store)} == {
        first[0]: paused == 0,
        second[0]: paused == 1,
    }


@pytest.mark.parametrize("after", [None, Lane(0, "c"), Lane(0, "zz"), Lane(-1, "")])
def test_few_lanes_are_one_window(store: Store, after: Lane | None) -> None:
    """All of them, whoever had the turn last: who is next is decided among all."""
    for partition in "abc":
        make(store, partition=partition)

    (window,) = windows(store, after=after)

    assert ([due.lane.partition for due in window.lanes], window.end) == (["a", "b", "c"], None)


@pytest.mark.parametrize("kinds", [("work",), ("work", "mail"), ("mail",), ("none", "work")])
@pytest.mark.parametrize("turn", [None, "a", "b", "d", "g", "k", "z", "0"])
def test_many_lanes_are_looked_at_from_the_turn_on_and_round(
    store: Store, monkeypatch: pytest.MonkeyPatch, turn: str | None, kinds: tuple[str, ...]
) -> None:
    """Each once, in order, none left out: whatever the window's size and however the kinds are spread."""
    monkeypatch.setattr(due_lanes, "LANES_AT_ONCE", 3)
    have = {"work": "abcdefghik", "mail": "bdfhz"}
    for kind, partitions in have.items():
        for partition in partitions:
            make(store, kind, partition=partition)

    found = lanes(store, *kinds, after=None if turn is None else Lane(0, turn))

    expected = sorted({partition for kind in kinds for partition in have.get(kind, "")})
    if turn is not None:
        expected = [one for one in expected if one > turn] + [one for one in expected if one <= turn]
    assert [due.lane.partition for due in found] == expected
    for due in found:
        assert set(due.kinds) == {kind for kind in kinds if due.lane.partition in have.get(kind, "")}


def test_window_says_where_it_ends_when_more_comes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that who has enough need not look further."""
    monkeypatch.setattr(due_lanes, "LANES_AT_ONCE", 2)
    for partition in "abcde":
        make(store, partition=partition)

    found = [("".join(due.lane.partition for due in window.lanes), window.end) for window in windows(store)]

    assert found == [("ab", (0, "b")), ("cd", (0, "d")), ("e", None)]


@pytest.mark.parametrize("turn", "abcdefg")
@pytest.mark.parametrize("least", [1, 3, 9])
def test_window_has_as_many_lanes_as_are_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch, turn: str, least: int
) -> None:
    """The last ones are looked at with the first ones, so that few of them get no more than their turn."""
    monkeypatch.setattr(due_lanes, "LANES_AT_ONCE", 2)
    for partition in "abcdefg":
        make(store, partition=partition)

    *all_but_the_last, _ = windows(store, after=Lane(0, turn), least=least)

    assert all(len(window.lanes) >= least for window in all_but_the_last)
