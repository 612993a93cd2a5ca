"""Tests of the decisions: backoff, what is worth a retry, how a run ends."""

from __future__ import annotations

import pytest

from bequest.engine.policies import (
    ParentMove,
    backoff_s,
    is_retryable_status,
    judge_parent,
    may_log_in,
    restart_delay_s,
    retry_at,
)
from bequest.engine.records import Counts


def test_backoff_doubles_from_its_base_to_its_cap() -> None:
    """The wait doubles with each attempt until it reaches the cap."""
    waits = [backoff_s(attempt, base_s=1, cap_s=10, jitter=0) for attempt in range(1, 7)]

    assert waits == [0.5, 1, 2, 4, 5, 5]


def test_backoff_spreads_over_the_upper_half() -> None:
    """Jitter moves the wait between a half and the whole."""
    assert [backoff_s(3, jitter=jitter) for jitter in (0, 0.5)] == [2, 3]


def test_backoff_survives_absurd_attempts() -> None:
    """A number of attempts beyond what a float can double gives the cap."""
    assert backoff_s(10**9, jitter=0) == 30


def test_retry_at_adds_the_backoff_to_now() -> None:
    """The next try is the backoff after now."""
    assert retry_at(1000, 2, jitter=0.5) == 1001.5


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_retryable_status_is_retried(status: int) -> None:
    """A server's trouble, too many requests and a timeout may pass."""
    assert is_retryable_status(status)


@pytest.mark.parametrize("status", [200, 304, 400, 401, 403, 404, 410, 422, 451, 499, 600])
def test_other_status_is_never_retried(status: int) -> None:
    """No other 4xx, and nothing that is no error, is tried again."""
    assert not is_retryable_status(status)


def test_restart_delay_doubles_to_its_cap() -> None:
    """An actor that keeps dying is restarted ever later, up to half a minute."""
    delays = [restart_delay_s(failures) for failures in (1, 2, 3, 9, 10, 100)]

    assert delays == [0.1, 0.2, 0.4, 25.6, 30, 30]


@pytest.mark.parametrize("counts", [Counts(pending=1), Counts(running=1), Counts(waiting=1, failed=9)])
@pytest.mark.parametrize("max_failures", [None, 0.0, 1.0, 9])
def test_parent_waits_for_every_child(counts: Counts, max_failures: float | None) -> None:
    """A parent with a child that is not final is not judged, unless a count of failures is passed."""
    assert judge_parent(counts, max_failures=max_failures) is None


@pytest.mark.parametrize("max_failures", [None, 0, 0.0, 0.5, 1.0])
def test_parent_without_children_completes(max_failures: float | None) -> None:
    """Zero children end a sealed parent at once, as completed."""
    assert judge_parent(Counts(), max_failures=max_failures) is ParentMove.COMPLETE


@pytest.mark.parametrize(
    ("counts", "share", "becomes"),
    [
        (Counts(completed=1), 0.0, ParentMove.COMPLETE),
        (Counts(completed=99, failed=1), 0.0, ParentMove.FAIL),
        (Counts(completed=1, failed=1), 0.5, ParentMove.COMPLETE),
        (Counts(completed=1, failed=2), 0.5, ParentMove.FAIL),
        (Counts(completed=71, failed=29), 0.29, ParentMove.COMPLETE),
        (Counts(completed=70, failed=30), 0.29, ParentMove.FAIL),
        (Counts(completed=1, failed=99), 1.0, ParentMove.COMPLETE),
        (Counts(failed=1), 1.0, ParentMove.FAIL),
        (Counts(failed=7), 1.0, ParentMove.FAIL),
        (Counts(failed=7, cancelled=1), 1.0, ParentMove.COMPLETE),
        (Counts(cancelled=2), 0.0, ParentMove.COMPLETE),
        (Counts(failed=1, cancelled=1), 0.4, ParentMove.FAIL),
        (Counts(failed=2, ignored=1, passed=1), 0.0, ParentMove.COMPLETE),
    ],
)
def test_parent_fails_when_the_share_of_failures_passes_its_limit(
    counts: Counts, share: float, becomes: ParentMove
) -> None:
    """The share of failures among all children decides; with 1.0 only a parent whose every child failed has failed."""
    assert judge_parent(counts, max_failures=share) is becomes


@pytest.mark.parametrize(
    ("counts", "becomes"),
    [
        (Counts(failed=2, completed=1), ParentMove.COMPLETE),
        (Counts(failed=3, completed=1), ParentMove.FAIL),
        (Counts(failed=3, pending=5, running=1), ParentMove.FAIL),
        (Counts(failed=2, pending=5), None),
        (Counts(failed=4, ignored=2, completed=1), ParentMove.COMPLETE),
    ],
)
def test_parent_fails_as_soon_as_a_count_of_failures_is_passed(counts: Counts, becomes: ParentMove | None) -> None:
    """An integer limit is a count, and passing it ends the waiting for the rest."""
    assert judge_parent(counts, max_failures=2) is becomes


def test_parent_fails_with_a_fatal_child_whatever_is_tolerated() -> None:
    """A child that fails its parent does so at once."""
    assert judge_parent(Counts(failed=1, fatal=1, running=3)) is ParentMove.FAIL


@pytest.mark.parametrize(
    ("counts", "becomes"),
    [
        (Counts(completed=2), ParentMove.OWN_STEP),
        (Counts(), ParentMove.OWN_STEP),
        (Counts(completed=1, running=1), None),
        (Counts(failed=1, passed=1, running=1), ParentMove.OWN_STEP),
        (Counts(failed=1, completed=1), ParentMove.FAIL),
    ],
)
def test_parent_takes_its_own_step_after_its_children(counts: Counts, becomes: ParentMove | None) -> None:
    """The own step is due once all children ended well enough, or one failed that lets its parent go on."""
    assert judge_parent(counts, max_failures=0, has_own_step=True) is becomes


def test_third_failed_login_is_the_last() -> None:
    """Sites lock accounts, and nobody looks at a run by night."""
    assert [may_log_in(failed) for failed in range(5)] == [True, True, True, False, False]
