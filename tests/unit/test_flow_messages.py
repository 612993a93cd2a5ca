"""Flows as a caller writes them: all of a tree is made at once, or nothing of it (I12)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from store_rig import Worker, counts, get, judge, states

from bequest import InvalidJobError
from bequest.actors.flow_messages import Child, CreateFlow, child
from bequest.actors.job_interface import parent_of
from bequest.actors.kinds import Kind, Terms
from bequest.engine.limits import KindTerms
from bequest.engine.records import Counts, OnFailure, OwnStep, State
from bequest.engine.store import Store


class Part(msgspec.Struct):
    """A config."""

    n: int = 0


def handler(job: object, config: Part) -> int:
    """Return its number."""
    return config.n


WORK: Kind[Any, Any] = Kind("work", handler, Terms(limits=KindTerms(kind="work"), max_child_failures=0))


def part(n: int = 0, **options: Any) -> Child:
    return child(WORK, Part(n), **options)


def flow(*children: Child, **options: Any) -> CreateFlow:
    return CreateFlow(job=parent_of(WORK.new_job(Part(), **options)), children=children)


def make(store: Store, message: CreateFlow) -> int:
    with store.group():
        return message.apply(store)


def test_flow_is_made_whole_from_the_root_down(store: Store) -> None:
    """Every parent waits for its children and is sealed; the leaves are due."""
    root = make(store, flow(part(1), part(2, children=[part(3)])))

    first, second = (view.job for view in store.queries.jobs(parent_id=root))
    (third,) = (view.job for view in store.queries.jobs(parent_id=second.id))
    assert [job.config for job in (first, second, third)] == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert states(store, root, first.id, second.id, third.id) == [
        State.WAITING,
        State.PENDING,
        State.WAITING,
        State.PENDING,
    ]
    assert [get(store, one).sealed for one in (root, second.id)] == [True, True]
    assert [get(store, one).own_step for one in (root, first.id, second.id)] == [
        OwnStep.AFTER_CHILDREN,
        OwnStep.NONE,
        OwnStep.AFTER_CHILDREN,
    ]


def test_flow_runs_from_below_to_above(store: Store) -> None:
    """Each handler once those below it are done."""
    root = make(store, flow(part(children=[part()])))
    worker, order = Worker(store), []

    while taken := worker.take():
        order.append(taken)
        worker.end(*taken)
        judge(store)

    assert order == [[root + 2], [root + 1], [root]]


def test_child_says_what_its_failure_does(store: Store) -> None:
    """By a word or by the enum; a word that is none is refused before anything is made."""
    root = make(store, flow(part(on_failure="ignore"), part(on_failure=OnFailure.FAIL)))

    assert [view.job.on_failure for view in store.queries.jobs(parent_id=root)] == [OnFailure.IGNORE, OnFailure.FAIL]
    with pytest.raises(InvalidJobError, match="on_failure='cry', expected one of count"):
        part(on_failure="cry")


@pytest.mark.parametrize(
    ("config", "options", "said"),
    [
        ({"n": "x"}, {}, r"config of a 'work' job: Expected `int`, got `str` - at `\$\.n`"),
        (Part(), {"delay_s": 5.0}, "with delay_s, found no option of that name"),
    ],
)
def test_child_that_is_wrong_is_refused_at_once(config: object, options: dict[str, Any], said: str) -> None:
    """Where it is written."""
    with pytest.raises(InvalidJobError, match=said):
        child(WORK, config, **options)


def test_flow_with_a_child_that_no_row_can_hold_is_not_made(store: Store) -> None:
    """Nothing of it (I12)."""
    with pytest.raises(InvalidJobError, match="priority is at most"):
        make(store, flow(part(), part(children=[part(priority=2**63)])))

    assert store._database.row("SELECT count(*) FROM job") == (0,)


def test_flow_under_a_key_that_is_taken_is_the_one_that_is_there(store: Store) -> None:
    """No child is made twice (I11)."""
    first = make(store, flow(part(), key="a"))

    second = make(store, flow(part(), part(), key="a"))

    assert (second, counts(store, first)) == (first, Counts(pending=1))


def test_child_under_a_key_of_a_sibling_is_left_out_with_its_own(store: Store) -> None:
    """Of two under one key the first is made."""
    root = make(store, flow(part(key="a"), part(key="a", children=[part()])))

    assert counts(store, root) == Counts(pending=1)
    assert store._database.row("SELECT count(*) FROM job") == (2,)


@pytest.mark.parametrize("on_clash", ["replace", "after"])
def test_flow_neither_replaces_nor_follows_another_job(store: Store, on_clash: str) -> None:
    """Its children would be lost."""
    with pytest.raises(InvalidJobError, match=f"on_clash '{on_clash}' is for jobs without children"):
        make(store, flow(part(), key="a", key_scope="unfinished", on_clash=on_clash))
