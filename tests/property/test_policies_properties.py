"""Properties of the decisions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bequest.engine.policies import backoff_s, restart_delay_s, retry_at, verdict
from bequest.engine.records import Counts, State

attempts = st.integers(1, 10**6)
jitters = st.floats(0, 1, exclude_max=True)
shares = st.floats(0, 1)
few = st.integers(0, 50)
finished = st.builds(Counts, completed=few, failed=few, cancelled=few)
any_counts = st.builds(Counts, pending=few, running=few, waiting=few, completed=few, failed=few, cancelled=few)


@given(attempt=attempts, base_s=st.floats(0.001, 1e6), cap_s=st.floats(0.001, 1e6), jitter=jitters)
def test_backoff_is_between_half_of_the_doubled_base_and_its_cap(
    attempt: int, base_s: float, cap_s: float, jitter: float
) -> None:
    """The wait is above zero, at most the cap, and at least half of what doubling or the cap gives."""
    wait = backoff_s(attempt, base_s=base_s, cap_s=cap_s, jitter=jitter)

    assert 0 < min(base_s, cap_s) / 2 <= wait <= cap_s


@given(attempt=attempts)
def test_backoff_without_jitter_never_shrinks(attempt: int) -> None:
    """One attempt more never waits less."""
    assert backoff_s(attempt, jitter=0) <= backoff_s(attempt + 1, jitter=0)


@given(now=st.floats(0, 1e11), attempt=attempts, jitter=jitters)
def test_retry_never_precedes_now(now: float, attempt: int, jitter: float) -> None:
    """The next try lies after now, by a minute at most."""
    assert now < retry_at(now, attempt, jitter=jitter) <= now + 60


@given(failures=attempts)
def test_restart_delay_never_shrinks_and_is_bounded(failures: int) -> None:
    """One failure more never waits less, and nothing waits above half a minute."""
    assert 0 < restart_delay_s(failures) <= restart_delay_s(failures + 1) <= 30


@given(counts=any_counts, sealed=st.booleans(), error_tolerance=shares, cancelled=st.booleans())
def test_verdict_is_final_exactly_when_sealed_and_all_children_are(
    counts: Counts, sealed: bool, error_tolerance: float, cancelled: bool
) -> None:
    """A parent is judged when it is sealed and every child is final, and then at once (I9)."""
    state = verdict(counts, sealed=sealed, error_tolerance=error_tolerance, cancelled=cancelled)

    assert (state is not None) == (sealed and counts.unfinished == 0)
    assert state is None or state.is_final


@given(counts=finished, strict=shares, lax=shares)
def test_more_tolerance_never_fails_a_run_that_completed(counts: Counts, strict: float, lax: float) -> None:
    """What completes under one tolerance completes under any larger one."""
    strict, lax = sorted((strict, lax))

    ends = [verdict(counts, sealed=True, error_tolerance=tolerance) for tolerance in (strict, lax)]

    assert ends != [State.COMPLETED, State.FAILED]


@given(failed=few, total=st.integers(1, 50))
def test_a_share_of_failures_equal_to_the_tolerance_does_not_pass_it(failed: int, total: int) -> None:
    """A run with exactly the tolerated share of failures completes, unless all failed."""
    failed = min(failed, total - 1)
    counts = Counts(failed=failed, completed=total - failed)

    assert verdict(counts, sealed=True, error_tolerance=failed / total) is State.COMPLETED
