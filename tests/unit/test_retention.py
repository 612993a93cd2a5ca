"""How long what has ended is kept: a rule for each state, others for some kinds, and numbers that make sense."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bequest.engine.errors import RetentionError
from bequest.engine.records import FINAL_STATES, State
from bequest.engine.retention import DAY_S, Due, Keep, Retention, due

NOW = 1_000_000.0
WEEK = Retention(completed_s=7 * DAY_S, failed_s=30 * DAY_S, kinds={"thumbnail": Keep(completed_s=60.0)})


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_retention_without_a_rule_keeps_all_for_ever(state: State) -> None:
    """What nobody said anything of is never over."""
    assert Retention().keep_s("page", state) == math.inf
    assert due(Retention(), NOW, ["page"]) == []


@pytest.mark.parametrize(
    ("kind", "state", "seconds"),
    [
        ("page", State.COMPLETED, 7 * DAY_S),
        ("page", State.FAILED, 30 * DAY_S),
        ("page", State.CANCELLED, math.inf),
        ("thumbnail", State.COMPLETED, 60.0),
        ("thumbnail", State.FAILED, 30 * DAY_S),
    ],
)
def test_rule_of_a_kind_stands_before_the_general_one(kind: str, state: State, seconds: float) -> None:
    """A kind's own number counts for its state; for the others the general one does."""
    assert WEEK.keep_s(kind, state) == seconds


def test_kind_can_be_kept_for_ever_where_others_are_not() -> None:
    """``math.inf`` is a number of its own, and not the lack of one."""
    retention = Retention(completed_s=0.0, kinds={"invoice": Keep(completed_s=math.inf)})

    assert due(retention, NOW, ["page", "invoice"]) == [Due("page", State.COMPLETED, NOW)]


def test_kind_can_be_kept_for_no_time_at_all_where_others_are() -> None:
    """Nor is 0 the lack of a number."""
    retention = Retention(completed_s=DAY_S, kinds={"thumbnail": Keep(completed_s=0.0)})

    assert retention.keep_s("thumbnail", State.COMPLETED) == 0.0


def test_due_names_the_latest_end_of_each_kind_and_state() -> None:
    """What the store looks for is the same decision, for all kinds at once."""
    assert due(WEEK, NOW, ["page", "thumbnail"]) == [
        Due("page", State.COMPLETED, NOW - 7 * DAY_S),
        Due("page", State.FAILED, NOW - 30 * DAY_S),
        Due("thumbnail", State.COMPLETED, NOW - 60.0),
        Due("thumbnail", State.FAILED, NOW - 30 * DAY_S),
    ]


@pytest.mark.parametrize("seconds", [-1.0, math.nan, True, "7 days", None])
def test_number_that_is_none_is_refused_by_name(seconds: Any) -> None:
    """The error says which rule, what is expected and what was found."""
    with pytest.raises(RetentionError, match=r"failed_s: expected a number of seconds, .* found"):
        Retention(failed_s=seconds)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, False, "7 days"])
def test_number_of_a_kind_that_is_none_is_refused(seconds: Any) -> None:
    """A kind's rules are held to the same."""
    with pytest.raises(RetentionError, match="cancelled_s: expected a number of seconds"):
        Keep(cancelled_s=seconds)


def test_rule_of_a_kind_that_is_no_keep_is_refused() -> None:
    """A bare number says for no state how long."""
    kinds: Any = {"page": 60.0}

    with pytest.raises(RetentionError, match="kind 'page': expected a Keep, found a float"):
        Retention(kinds=kinds)
