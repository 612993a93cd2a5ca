"""What becomes of an attempt that raised: whether it is tried again, and after how long."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from multiprocessing import Pipe
from typing import Any

import pytest

from bequest.engine.errors import InvalidJobError
from bequest.engine.retries import Discard, Retry, Snooze


class OddError(ValueError):
    """A ValueError of its own."""


@pytest.mark.parametrize(
    ("retry", "error", "is_admitted"),
    [
        (Retry(), ValueError(), True),
        (Retry(), SystemExit(), False),  # no Exception: a handler that ends the program means it
        (Retry(retry_on=(OSError,)), ConnectionError(), True),
        (Retry(retry_on=(OSError,)), ValueError(), False),
        (Retry(discard_on=(ValueError,)), OddError(), False),
        (Retry(discard_on=(OddError,)), ValueError(), True),
        (Retry(retry_on=(OddError,), discard_on=(ValueError,)), OddError(), False),  # to discard wins
        (Retry(retry_on=(BaseException,)), SystemExit(), True),
        (Retry(retry_on=()), ValueError(), False),
    ],
)
def test_retry_admits_what_it_names_and_does_not_discard(retry: Retry, error: BaseException, is_admitted: bool) -> None:
    """Subclasses count as their bases."""
    assert retry.admits(error) is is_admitted


def test_exponential_backoff_doubles_up_to_its_cap() -> None:
    """From its base, with jitter over the upper half."""
    retry = Retry(base_s=2.0, cap_s=10.0)

    assert [retry.delay_s(attempt, jitter=0.0) for attempt in range(1, 5)] == [1.0, 2.0, 4.0, 5.0]
    assert retry.delay_s(2, jitter=0.5) == 3.0


def test_fixed_backoff_is_always_the_same() -> None:
    """Whatever the attempt and the jitter."""
    retry = Retry(backoff="fixed", base_s=7.0)

    assert {retry.delay_s(attempt, jitter=0.9) for attempt in (1, 5, 1000)} == {7.0}


@pytest.mark.parametrize(
    ("function", "delay_s"),
    [
        (lambda attempt: attempt * 10.0, 30.0),
        (lambda _attempt: 5, 5.0),
        (lambda _attempt: -1.0, 0.0),
        (lambda _attempt: math.nan, 0.0),
        (lambda _attempt: math.inf, 3600.0),  # the cap
    ],
)
def test_function_of_the_attempt_says_how_long(function: Callable[[int], float], delay_s: float) -> None:
    """What is no time to wait is none."""
    assert Retry(backoff=function).delay_s(3, jitter=0.5) == delay_s


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_attempts": 0}, "max_attempts is at least 1, found 0"),
        ({"base_s": -1.0}, "seconds, found -1.0"),
        ({"base_s": math.inf}, "seconds, found inf"),
        ({"base_s": math.nan}, "seconds, found nan"),
        ({"cap_s": 0.0}, "and 0.0"),
        ({"cap_s": math.inf}, "and inf"),
        ({"backoff": "linear"}, "found 'linear'"),
        ({"backoff": None}, "found None"),
        ({"retry_on": ValueError}, "retry_on is a tuple of exceptions' types"),
        ({"retry_on": ("ValueError",)}, "retry_on is a tuple of exceptions' types"),
        ({"discard_on": (int,)}, "discard_on is a tuple of exceptions' types"),
    ],
)
def test_retry_that_makes_no_sense_is_refused(fields: dict[str, Any], said: str) -> None:
    """When it is declared, not when the first job of the kind fails."""
    with pytest.raises(InvalidJobError, match=said):
        Retry(**fields)


def test_snooze_says_how_long_where_no_reason_is_given() -> None:
    """And the reason where one is."""
    assert (str(Snooze(1.5)), Snooze(1.5).delay_s) == ("asked to be run again in 1.5 s", 1.5)
    assert str(Snooze(2.0, "the shop is closed")) == "the shop is closed"


def test_snooze_comes_whole_from_a_process() -> None:
    """A handler in a process of its own raises it as well as any other."""
    here, there = Pipe()
    with here, there:
        there.send(Snooze(2.0, "the shop is closed"))
        snooze = here.recv()

    assert (type(snooze), snooze.delay_s, snooze.reason) == (Snooze, 2.0, "the shop is closed")


def test_snooze_and_discard_are_no_errors_of_the_library() -> None:
    """A handler raises them; nobody else sees them."""
    assert {Snooze.__bases__, Discard.__bases__} == {(Exception,)}


def test_snooze_comes_whole_from_another_process() -> None:
    """With its delay and its reason, which its message alone would not say."""
    again = copy.copy(Snooze(5.0, "not yet"))  # made as pickle makes it

    assert (again.delay_s, again.reason, str(again)) == (5.0, "not yet", "not yet")
