"""Tests of the decisions: backoff, what is worth a retry, how a run ends."""

from __future__ import annotations

import pytest

from bequest.engine.policies import backoff_s, is_retryable_status, restart_delay_s, retry_at, verdict
from bequest.engine.records import Counts, State


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


@pytest.mark.parametrize("counts", [Counts(), Counts(completed=3), Counts(failed=3), Counts(cancelled=1)])
@pytest.mark.parametrize("cancelled", [True, False])
def test_verdict_waits_for_the_seal(counts: Counts, cancelled: bool) -> None:
    """A parent that may still spawn is not judged."""
    assert verdict(counts, sealed=False, cancelled=cancelled) is None


@pytest.mark.parametrize("counts", [Counts(pending=1), Counts(running=1), Counts(waiting=1, failed=9)])
@pytest.mark.parametrize("cancelled", [True, False])
def test_verdict_waits_for_every_child(counts: Counts, cancelled: bool) -> None:
    """A parent with a child that is not final is not judged."""
    assert verdict(counts, sealed=True, error_tolerance=0, cancelled=cancelled) is None


@pytest.mark.parametrize("error_tolerance", [0.0, 0.5, 1.0])
def test_verdict_completes_a_parent_without_children(error_tolerance: float) -> None:
    """Zero children end a sealed parent at once, as completed."""
    assert verdict(Counts(), sealed=True, error_tolerance=error_tolerance) is State.COMPLETED


@pytest.mark.parametrize("counts", [Counts(), Counts(completed=1), Counts(failed=1), Counts(cancelled=1)])
def test_verdict_of_a_cancelled_parent_is_cancelled(counts: Counts) -> None:
    """A cancelled parent ends cancelled, whatever its children came to."""
    assert verdict(counts, sealed=True, error_tolerance=0, cancelled=True) is State.CANCELLED


@pytest.mark.parametrize(
    ("counts", "error_tolerance", "ends"),
    [
        (Counts(completed=1), 0.0, State.COMPLETED),
        (Counts(completed=99, failed=1), 0.0, State.FAILED),
        (Counts(completed=1, failed=1), 0.5, State.COMPLETED),
        (Counts(completed=1, failed=2), 0.5, State.FAILED),
        (Counts(completed=71, failed=29), 0.29, State.COMPLETED),
        (Counts(completed=70, failed=30), 0.29, State.FAILED),
        (Counts(completed=1, failed=99), 1.0, State.COMPLETED),
        (Counts(failed=1), 1.0, State.FAILED),
        (Counts(failed=7), 1.0, State.FAILED),
        (Counts(failed=7, cancelled=1), 1.0, State.COMPLETED),
        (Counts(cancelled=2), 0.0, State.COMPLETED),
        (Counts(failed=1, cancelled=1), 0.4, State.FAILED),
    ],
)
def test_verdict_fails_when_failures_pass_the_tolerance(counts: Counts, error_tolerance: float, ends: State) -> None:
    """The share of failures among all children decides; with 1.0 only a run whose every page failed has failed."""
    assert verdict(counts, sealed=True, error_tolerance=error_tolerance) is ends
